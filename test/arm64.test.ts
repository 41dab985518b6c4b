import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { findTool } from "./action/run.ts";
import { runCli, runCliOn, runScript } from "./support/cli-run.ts";
import { folderHashes } from "./support/folder-hashes.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";

/**
 * A run on arm64, the runner's processor, gives the bytes of a run on this machine. An emulator
 * runs Node for arm64 with the same sources and the same kernel. It is some ninety times slower,
 * hence the smallest models and few rows. The hybrid alone is evaluated: it has every operation,
 * and plain rounding beside the tier.
 */
const emulated = findTool("node-arm64");
const absent = emulated === null && process.env.CI !== "true";

describe.skipIf(absent)("Node on arm64 (absent? .ci/toolchain arm64)", () => {
  let folder: string;
  beforeAll(async () => {
    folder = await scratchFolder();
  });
  afterAll(() => removeFolder(folder));

  const quantize = async (isEmulated: boolean, model: string, how: readonly string[]) => {
    const out = `${folder}/${model}-${isEmulated ? "arm64" : "here"}`;
    const base = fileURLToPath(new URL(`./models/random-tiny/${model}`, import.meta.url));
    const args = [
      "quantize",
      base,
      "--out",
      out,
      "--workers",
      "1",
      "--overwrite",
      "--evaluation-samples",
      "1",
      ...how,
    ];
    // One process for all runs: to start takes four seconds in the emulator.
    const run = isEmulated ? await runCliOn(emulated!, args) : await runCli(args);
    if (run.code !== 0) throw new Error(run.stderr);
    if ("arch" in run) expect(run.arch).toBe("arm64");
    return folderHashes(out);
  };

  test("is what the emulator runs", async () => {
    if (emulated === null) throw new Error("no node-arm64: run .ci/toolchain arm64");
    const { stdout } = await runScript("-p", ["process.arch + process.version"], {}, emulated);
    expect(stdout.trim()).toBe(`arm64${process.version}`);
  });

  const tuned = [
    "--policy",
    "oq",
    "--method",
    "tuned",
    "--calibration-samples",
    "2",
    "--calibration-length",
    "32",
  ];
  test.each([
    ["llama", "tuned", [...tuned, "--tiers", "oQ5e", "--verify", "false"]],
    ["nemotron_h", "tuned", [...tuned, "--tiers", "oQ4e", "--evaluation-length", "32"]],
  ])("gives the bytes of this machine: %s, %s", { timeout: 900_000 }, async (model, _, how) => {
    const here = await quantize(false, model, how);
    expect(Object.keys(here).some((path) => path.endsWith("/model.safetensors"))).toBe(true);
    expect(await quantize(true, model, how)).toEqual(here);
  });
});
