import { cp, mkdir, writeFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { rounded, runCli } from "./support/cli-run.ts";
import { llamaHub } from "./support/llama-hub.ts";
import { seriesOf } from "./support/many-tiers.ts";

const scene = llamaHub();

const series = `models:
  - base-model: base/llama-tiny
    namespace: acme
    tiers: [oQ8e, oQ4e]
    method: rounded
    verify: false
`;
const check = (...args: string[]) => runCli(["check", ...args], { HF_ENDPOINT: scene.hub.url });
const write = async (name: string, text: string) => {
  await mkdir(`${scene.folder}/${name}/.github/workflows`, { recursive: true });
  await writeFile(`${scene.folder}/${name}/series.yml`, text);
  return `${scene.folder}/${name}/series.yml`;
};

test("says tier by tier what a run would make and why, without a token and without GitHub", async () => {
  const file = await write("own", series);
  const { code, stdout } = await check(file);
  expect(code).toBe(0);
  expect(stdout).toMatch(/^llama-tiny \(.*series\.yml:2\): base\/llama-tiny at [0-9a-f]{12}$/m);
  expect(stdout).toMatch(/^oQ8e +\S+ [kM]B +8\.50 +to be made +not published yet$/m);
  expect(stdout).toMatch(/^Reads \S+ [kM]B, writes /m);

  const publish = ["publish", "base/llama-tiny", "--namespace", "acme", "--tiers", "oQ8e"];
  const rights = { HF_ENDPOINT: scene.hub.url, HF_TOKEN: "hf_rehearsal" };
  const work = ["--work-dir", `${scene.folder}/work`];
  expect((await runCli([...publish, ...rounded, ...work], rights)).code).toBe(0);
  const [model] = JSON.parse((await check(file, "--json")).stdout);
  expect(model).toMatchObject({ name: "llama-tiny", failure: null });
  expect(model.tiers).toMatchObject([
    { tier: "oQ8e", repository: "acme/llama-tiny-oQ8e", state: "current", why: [] },
    { tier: "oQ4e", state: "to be made", why: ["not published yet"] },
  ]);
});

test("goes on behind a model that fails, and then ends with its failure", async () => {
  const other = series.replace("base/llama-tiny", "base/nowhere").replace("models:\n", "");
  const file = await write("two", series + other);
  const { code, stdout, stderr } = await check(file);
  expect(code).toBe(1);
  expect(stdout).toMatch(/^llama-tiny .*\ntier /m);
  expect(stdout).toMatch(/^nowhere \(.*series\.yml:7\)\nfailed: .*base\/nowhere/m);
  expect(stderr).toMatch(/^error: nowhere: .*base\/nowhere.*\[UNAUTHORIZED\]$/m);
  const one = await check(file, "--series", "llama-tiny");
  expect({ code: one.code, has: one.stdout.includes("nowhere") }).toEqual({ code: 0, has: false });
});

test("names the line of a series file, and of a workflow beside it, that cannot be used", async () => {
  const wrong = await write("wrong", series.replace("method: rounded", "method: gptq"));
  const { code, stderr } = await check(wrong);
  expect(code).toBe(2);
  expect(stderr).toMatch(/series\.yml:5: models\[0\]\.method: "gptq" is not one of/);
  expect((await check(`${scene.folder}/nowhere.yml`)).stderr).toMatch(
    /nowhere\.yml: it does not exist/,
  );

  const file = await write("caller", series);
  const uses = ["--uses", "acme/oqe-publisher@0123456789abcdef0123456789abcdef01234567"];
  expect((await runCli(["init", `${scene.folder}/made`, ...uses])).code).toBe(0);
  await cp(`${scene.folder}/made/.github`, `${scene.folder}/caller/.github`, { recursive: true });
  expect((await check(file)).code).toBe(0);
});

test("refuses a series file whose tags could make no release", async () => {
  const { code, stderr } = await check(await write("many", seriesOf(999)));
  expect(code).toBe(2);
  expect(stderr).toMatch(/series\.yml has 999 tiers, and a release on GitHub holds .* 998 at most/);
});
