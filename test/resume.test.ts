import { open, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freeBytes } from "../src/ground/disk.ts";
import { fewRows, runCli, tunedRows } from "./support/cli-run.ts";
import { folderHashes } from "./support/folder-hashes.ts";
import { killedWhen, partsIn } from "./support/killed-run.ts";
import { embedded, removeFolder, scratchFolder, smallest, tiedMoe } from "./support/models.ts";
import { mountSmall } from "./support/small-disk.ts";

const slow = { timeout: 600_000 };
let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

async function run(model: string, out: string, flags: readonly string[]) {
  const { code, stdout, stderr } = await runCli(["quantize", model, "--out", out, ...flags]);
  if (code !== 0) throw new Error(stderr);
  return { hashes: await folderHashes(out), stdout: stdout + stderr };
}

const ofRules = [...tunedRows, "--policy", "oq", "--evaluation-samples", "2"];
const two = ["--tiers", "oQ6e,oQ4e"];
const runs: Readonly<Record<string, [model: string, flags: readonly string[]]>> = {
  "a hybrid": [embedded, [...ofRules, ...two]],
  "a model with a tied table": [tiedMoe, [...ofRules, "--tiers", "oQ8e,oQ4e"]],
  "propagation sequential, with multi-token prediction": [
    smallest["nemotron_h.latent"]!,
    [...fewRows, ...two, "--propagation", "sequential", "--repair", "residual,router"],
  ],
};

describe("a killed run goes on where it was, and gives the bytes of an undisturbed one", () => {
  test.each(Object.entries(runs))("%s", slow, async (name, [model, flags]) => {
    const { hashes } = await run(model, join(folder, name, "whole"), flags);
    const out = join(folder, name, "killed");
    const args = ["quantize", model, "--out", out, ...flags];
    let before = 0;
    let kills = 0;
    for (const step of [1, 2, 2]) {
      const reached = async () => (await partsIn(out)) >= before + step;
      if (!(await killedWhen(reached, args))) break;
      kills++;
      const parts = await partsIn(out);
      expect(parts).toBeGreaterThanOrEqual(before + step); // nothing that was finished is lost
      before = parts;
    }
    expect(kills).toBeGreaterThan(1);
    const last = await run(model, out, flags);
    expect(last.hashes).toEqual(hashes);
    const recalled = [...last.stdout.matchAll(/(\d+) parts were finished by an earlier run/g)];
    expect(Math.max(...recalled.map(([, count]) => Number(count)))).toBe(before); // each fits
    expect((await readdir(out)).filter((one) => one.startsWith("."))).toEqual([]);
  });
});

test("a run that goes on needs no room for what is there", slow, async () => {
  const flags = [...fewRows, "--tiers", "oQ8e,oQ6e"];
  const out = join(folder, "roomy");
  const { hashes } = await run(embedded, out, flags);
  const names = await readdir(out, { recursive: true });
  const sizes = names.map((name) => stat(join(out, name)).then(({ size }) => size));
  const needed = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  const disk = join(folder, "small disk");
  const unmount = await mountSmall(disk, `${needed + (1 << 20)}`);
  if (unmount === null) return;
  try {
    const args = ["quantize", embedded, "--out", join(disk, "out"), ...flags];
    expect(await killedWhen(async () => (await partsIn(disk)) >= 10, args)).toBe(true);
    expect(await freeBytes(disk)).toBeLessThan(0.8 * needed);
    expect((await run(embedded, join(disk, "out"), flags)).hashes).toEqual(hashes);
  } finally {
    unmount();
  }
});

test("a part whose bytes were changed meanwhile is made again", slow, async () => {
  const model = smallest.nemotron_h!;
  const out = join(folder, "changed");
  const flags = [...fewRows, "--tiers", "oQ4e"];
  const { hashes } = await run(model, join(folder, "unchanged"), flags);
  const reached = async () => (await partsIn(out)) > 2;
  expect(await killedWhen(reached, ["quantize", model, "--out", out, ...flags])).toBe(true);
  const names = await readdir(out, { recursive: true });
  const shard = names.find((name) => name.endsWith(".safetensors"))!;
  const handle = await open(join(out, shard), "r+");
  const { size } = await handle.stat();
  await handle.write(new Uint8Array(size / 2).fill(5), 0, size / 2, size / 2);
  await handle.close();
  expect((await run(model, out, flags)).hashes).toEqual(hashes);
});

/** Changes a figure in the file below `folder` whose path ends so, which stays JSON. */
async function changeFigure(folder: string, end: RegExp): Promise<void> {
  const names = await readdir(folder, { recursive: true });
  const path = join(folder, names.find((name) => end.test(name))!);
  const text = await readFile(path, "utf8");
  const changed = text.replace(/("(?:loss|tunedAtProbe)":\d)/, "$17");
  expect(changed).not.toBe(text);
  await writeFile(path, changed);
}

test("a figure that was changed in the journal is not taken over", slow, async () => {
  const model = smallest.nemotron_h!;
  const out = join(folder, "figures");
  const flags = [...fewRows, "--tiers", "oQ4e"];
  const { hashes } = await run(model, join(folder, "sound figures"), flags);
  const reached = async () => (await partsIn(out)) > 1;
  expect(await killedWhen(reached, ["quantize", model, "--out", out, ...flags])).toBe(true);
  await changeFigure(out, /parts\.jsonl$/);
  expect((await run(model, out, flags)).hashes).toEqual(hashes);
});

test("a figure that was changed in a saved measurement is not taken over", slow, async () => {
  const [model, work] = [smallest.nemotron_h!, join(folder, "measured figures")];
  const args = (place: string) => ["sensitivity", model, ...tunedRows, "--work-dir", place];
  const undisturbed = await runCli(args(join(folder, "sound measurement")));
  const record = /\.walk\/\d+\.json$/;
  const saved = async () => {
    const names = await readdir(work, { recursive: true }).catch(() => []);
    return names.some((name) => record.test(name));
  };
  expect(await killedWhen(saved, args(work))).toBe(true);
  await changeFigure(work, record);
  const last = await runCli(args(work));
  expect(last.stderr).not.toContain("an earlier run measured");
  expect(last.stdout).toBe(undisturbed.stdout);
});

test.each([
  ["an untied model", smallest.nemotron_h!],
  ["a tied one", tiedMoe],
])("a killed measurement goes on behind its last block: %s", slow, async (name, model) => {
  const args = (work: string) => ["sensitivity", model, ...tunedRows, "--work-dir", work];
  const undisturbed = await runCli(args(join(folder, name, "whole")));
  expect(undisturbed.code, undisturbed.stderr).toBe(0);
  const work = join(folder, name, "killed");
  const saved = async () => {
    const names = await readdir(work, { recursive: true }).catch(() => []);
    return Math.max(-1, ...names.map((one) => Number(/\.walk\/(\d+)\.json$/.exec(one)?.[1] ?? -1)));
  };
  for (const layer of [0, 2])
    expect(await killedWhen(async () => (await saved()) >= layer, args(work))).toBe(true);
  const last = await runCli(args(work));
  expect(last.stderr).toContain("an earlier run measured");
  expect(last.stdout).toBe(undisturbed.stdout);
  expect(await saved()).toBe(-1);
});
