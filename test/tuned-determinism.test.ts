import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startLocalHub } from "../src/local-hub/local-hub.ts";
import { fewRows, runCli, runCliAlone } from "./support/cli-run.ts";
import { folderHashes } from "./support/folder-hashes.ts";
import { killedAt } from "./support/killed-run.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { tunedRun, tunedRuns } from "./support/tuned-run.ts";
import { expectTuned } from "./support/tuned-tier.ts";

type Hashes = Record<string, string>;
/** For tests that run the command several times. */
const slow = { timeout: 600_000 };
const hybrid = smallest.nemotron_h!;

/**
 * Types whose blocks are made of the same operations as those of another type here. What is shared
 * among workers is the work of an operation; test/mlx-conformance.test.ts checks their tiers.
 */
const alike =
  /^(mistral|qwen2|qwen3|qwen3_5(_moe)?(\.\w+)?|qwen3_next\.tied|gpt_oss\.float|nemotron_h\.dense)$/;
const unlike = Object.entries(tunedRuns).filter(([name]) => !alike.test(name));

/** The files except receipt and card, which name the base as it was given. */
const weights = (all: Hashes) =>
  Object.fromEntries(
    Object.entries(all).filter(([path]) => !/README\.md|SHA256SUMS|oqe-receipt\.json/.test(path)),
  );

let folder: string;
/** Tiers of the hybrid, tuned by rules: all of them in one run, and two. */
let all: Hashes;
let pair: Hashes;
const two = ["--tiers", "oQ6e,oQ4e"];

let runs = 0;
async function tune(
  model: string,
  flags: readonly string[] = fewRows,
  out = `${folder}/run-${runs++}`,
  run = runCli,
): Promise<Hashes> {
  const { code, stderr } = await run(["quantize", model, "--out", out, ...flags]);
  if (code !== 0) throw new Error(stderr);
  return folderHashes(out);
}

beforeAll(async () => {
  folder = await scratchFolder();
  all = await tune(hybrid);
  pair = await tune(hybrid, [...fewRows, ...two]);
});
afterAll(() => removeFolder(folder));

describe("the same inputs give the same tuned bytes, card and receipt included", () => {
  test.each(unlike)("with 1 and 3 workers: %s", slow, async (name, run) => {
    const made = await tunedRun(name);
    const first = await folderHashes(made);
    const tiers = await readdir(made);
    expect(tiers).toHaveLength(run.tiers);
    for (const tier of tiers)
      await expectTuned(`${made}/${tier}`, { samples: 4, length: 32, evaluation: 2 });
    const again = (how: typeof runCli) =>
      tune(run.base, [...run.flags, "--workers", "3"], undefined, how);
    expect(await again(runCli)).toEqual(first);
    // One model is run with 3 workers once more, in a new process.
    if (name === "nemotron_h") expect(await again(runCliAlone)).toEqual(first);
  });

  test("with propagation sequential", async () => {
    const sequential = [...fewRows, ...two, "--propagation", "sequential", "--workers"];
    const first = await tune(hybrid, [...sequential, "1"]);
    expect(weights(first)).not.toEqual(weights(pair));
    expect(await tune(hybrid, [...sequential, "3"])).toEqual(first);
  });
});

describe("a tuned tier's bytes do not depend on", () => {
  test("the other tiers of the run", async () => {
    const alone = [
      pair,
      await tune(hybrid, [...fewRows, "--tiers", "oQ8e"]),
      await tune(hybrid, [...fewRows, "--tiers", "oQ5e"]),
    ];
    const found = Object.entries(Object.assign({}, ...alone));
    expect(found).toHaveLength(Object.keys(all).length);
    // Receipt, card and one picture have figures of the run's other tiers: docs/decisions/0009.
    for (const [path, hash] of found)
      if (!/\/(README\.md|SHA256SUMS|oqe-receipt\.json|oqe-kl(-dark)?\.(svg|png))$/.test(path))
        expect({ path, hash }).toEqual({ path, hash: all[path] });
  });

  test("whether an earlier run was killed", slow, async () => {
    const out = `${folder}/killed`;
    // A series that the next run replaces.
    await tune(hybrid, [...fewRows, ...two, "--propagation", "sequential"], out);
    let reached = 0;
    for (const sign of [
      "partial",
      "model.safetensors",
      "config.json",
      "oqe-receipt.json",
      "README.md",
    ]) {
      const run = ["quantize", hybrid, "--out", out, ...fewRows, ...two];
      if (await killedAt(sign, out, run)) reached++;
    }
    expect(reached).toBeGreaterThanOrEqual(3);
    expect(await tune(hybrid, [...fewRows, ...two], out)).toEqual(pair);
    expect((await readdir(out)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("whether the base is read from a folder or from the Hub", async () => {
    const hub = await startLocalHub({ folder: `${folder}/hub` });
    try {
      await hub.seed("base/nemotron_h", hybrid);
      const flags = [...fewRows, ...two, "--hub-endpoint", hub.url];
      expect(weights(await tune("base/nemotron_h", flags))).toEqual(weights(pair));
    } finally {
      await hub.close();
    }
  });
});
