import { writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { runCli } from "./support/cli-run.ts";
import { llamaHub } from "./support/llama-hub.ts";
import { byArchitecture } from "./support/models.ts";

const scene = llamaHub();

const config = async (name: string, text: string) => {
  await writeFile(`${scene.folder}/${name}`, text);
  return ["--config", `${scene.folder}/${name}`];
};
const tiersOf = (stdout: string) =>
  JSON.parse(stdout).tiers.map(({ tier }: { tier: string }) => tier);

describe("inputs of oqe", () => {
  test("come from flag, else variable, else file; the file names the model too", async () => {
    const text = `base-model: ${byArchitecture.llama}\ntiers: [oQ8e, oQ6e]\nmethod: rounded\n`;
    const file = await config("oqe.yml", text);
    const plan = (args: string[] = [], environment = {}) =>
      runCli(["plan", ...args, ...file, "--json"], environment);
    const own = await plan();
    expect({ code: own.code, stderr: own.stderr }).toEqual({ code: 0, stderr: "" });
    expect(tiersOf(own.stdout)).toEqual(["oQ8e", "oQ6e"]);
    const variable = { OQE_TIERS: "oQ5e" };
    expect(tiersOf((await plan([], variable)).stdout)).toEqual(["oQ5e"]);
    expect(tiersOf((await plan(["--tiers", "oQ4e"], variable)).stdout)).toEqual(["oQ4e"]);
    const named = await runCli(["plan", "--json"], { OQE_CONFIG: `${scene.folder}/oqe.yml` });
    expect(tiersOf(named.stdout)).toEqual(["oQ8e", "oQ6e"]);
    const model = await plan(["base/llama-tiny"], { HF_ENDPOINT: scene.hub.url });
    expect(JSON.parse(model.stdout).model).toBe("base/llama-tiny");
  });

  test("that are true or false have a negation, which a flag can set against file and variable", async () => {
    const file = await config("switches.yml", "verify: true\ndry-run: true\nprivate: true\n");
    const publish = (...args: string[]) =>
      runCli(
        [
          ...["publish", "base/llama-tiny", "--namespace", "acme", "--method", "rounded"],
          ...["--tiers", "oQ4e", "--work-dir", `${scene.folder}/work`, "--json", ...file, ...args],
        ],
        { HF_ENDPOINT: scene.hub.url, HF_TOKEN: "hf_rehearsal", OQE_VERIFY: "true" },
      );
    const outcome = ({ stdout }: { stdout: string }) => JSON.parse(stdout).repositories[0].outcome;
    expect(outcome(await publish("--no-verify"))).toBe("dry-run");
    expect(outcome(await publish("--no-verify", "--no-dry-run"))).toBe("published");
  });

  test.each([
    [
      "method: gptq\n",
      {},
      /wrong\.yml:1: method: "gptq" is not one of rounded, tuned \[BAD_INPUT\]/,
    ],
    ["\ntires: oQ4e\n", {}, /wrong\.yml:2: tires: is no input .*\n {2}Did you mean tiers\?/],
    ["max-kl: small\n", {}, /wrong\.yml:1: max-kl: "small" is not a limit/],
    ["", { OQE_WORKERS: "all" }, /error: OQE_WORKERS: "all" is not a whole number from 1 to 64/],
    ["hub-endpoint: https://example.org\n", {}, /:1: hub-endpoint: a file may not say .*token/],
    ["rounding: mlx\n", {}, /rounding mlx gives .*\n.*Given by .*wrong\.yml:1: rounding\./],
  ])("%j is refused with its place", async (text, environment, says) => {
    const file = await config("wrong.yml", text);
    const model = ["plan", byArchitecture.llama!];
    const { code, stdout, stderr } = await runCli([...model, ...file], environment);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(says);
  });

  test("that are no inputs, as variables, are warned of", async () => {
    const args = ["plan", byArchitecture.llama!, "--policy", "oq", "--json"];
    const { code, stderr } = await runCli(args, { OQE_METHDO: "tuned" });
    expect(code).toBe(0);
    expect(stderr).toContain("warning: OQE_METHDO is no variable of oqe. Did you mean OQE_METHOD?");
  });
});

describe("the token that `hf auth login` saved", () => {
  test("is not sent to another Hub than it was saved for, and is not shown", async () => {
    const secret = "hf_rehearsal"; // which the local Hub would take
    await writeFile(`${scene.folder}/token`, secret);
    const publish = ["publish", "base/llama-tiny", "--namespace", "me", "--method", "rounded"];
    const environment = { HF_TOKEN_PATH: `${scene.folder}/token`, HF_ENDPOINT: scene.hub.url };
    const { code, stdout, stderr } = await runCli(publish, environment);
    expect(code).toBe(1);
    expect(stderr).toMatch(/\[UNAUTHORIZED\]/);
    expect(stdout + stderr).not.toContain(secret);
  });
});
