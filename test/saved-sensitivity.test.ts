import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli } from "./support/cli-run.ts";
import {
  copyModel,
  editSafetensors,
  removeFolder,
  scratchFolder,
  smallest,
} from "./support/models.ts";

const rows = ["--calibration-samples", "4", "--calibration-length", "32"];

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

describe("the sensitivity of a folder", () => {
  const measure = async (base: string, workDir: string) => {
    const out = `${workDir}.json`;
    const way = ["sensitivity", base, ...rows, "--out", out, "--work-dir", workDir];
    const { code, stderr } = await runCli(way);
    expect(code, stderr).toBe(0);
    return { stderr, bytes: await readFile(out, "utf8") };
  };

  test("is saved for other runs, until a weight changes", async () => {
    const base = await copyModel(smallest.nemotron_h!, "own");
    const work = `${folder}/saved`;
    const first = await measure(base, work);
    expect(first.stderr).not.toContain("measured before");
    expect(await readdir(`${work}/sensitivities`)).toHaveLength(1); // nothing partial is left
    const second = await measure(base, work);
    expect(second.stderr).toContain("measured before: ");
    expect(second.bytes).toBe(first.bytes);
    await editSafetensors(base, (_, data) => data.writeUInt16LE(0x3f80, 0)); // 1 in BF16
    expect((await measure(base, work)).stderr).not.toContain("measured before");
    await removeFolder(base);
  });

  test("is the result of a run that cannot save it", async () => {
    const work = `${folder}/unwritable`;
    await mkdir(work);
    await writeFile(`${work}/sensitivities`, "a file where a folder would be");
    const { stderr, bytes } = await measure(smallest.nemotron_h!, work);
    expect(stderr).toContain("the sensitivity cannot be saved for other runs: ");
    expect(JSON.parse(bytes).tensors.length).toBeGreaterThan(0);
  });

  test("serves one more size later, which is then tuned without measuring", async () => {
    const base = smallest.nemotron_h!;
    const sizes = ["--tiers", "oQ6e", "--target-bpw", "5.2", "--floors", "none"];
    const make = async (out: string, ...more: string[]) => {
      const way = ["quantize", base, "--out", `${folder}/${out}`, "--verify", "false"];
      const { code, stderr } = await runCli([...way, ...rows, ...more]);
      expect(code, stderr).toBe(0);
      return stderr;
    };
    const { bytes } = await measure(base, `${folder}/later`);
    const file = `${folder}/later.json`;
    expect(JSON.parse(bytes)).toHaveProperty("tensors");
    expect(await make("at-once", ...sizes)).toMatch(/^Measure/m);
    const later = await make("one-more", ...sizes.slice(2), "--sensitivity", file);
    expect(later).not.toMatch(/^Measure/m);
    const weights = (out: string) =>
      readFile(`${folder}/${out}/nemotron_h-oQ5.2e/model.safetensors`);
    expect(await weights("one-more")).toEqual(await weights("at-once"));
  });
});
