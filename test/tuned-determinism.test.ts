import { readdir } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startLocalHub } from "../src/local-hub/local-hub.ts";
import { evaluatedRows, fewRows, runCliAlone } from "./support/cli-run.ts";
import { folderHashes } from "./support/folder-hashes.ts";
import { killedAt } from "./support/killed-run.ts";
import { embedded, removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { expectTuned } from "./support/tuned-tier.ts";

type Hashes = Record<string, string>;
/** For tests that run the command several times. */
const slow = { timeout: 600_000 };
const hybrid = smallest.nemotron_h!;

/** The files except receipt and card, which name the base as it was given. */
const weights = (all: Hashes) =>
  Object.fromEntries(
    Object.entries(all).filter(([path]) => !/README\.md|oqe-receipt\.json/.test(path)),
  );

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

let runs = 0;
async function tune(
  model: string,
  more: readonly string[] = [],
  out = `${folder}/run-${runs++}`,
): Promise<Hashes> {
  const rows = more.includes("--evaluation-samples") ? [] : fewRows;
  const { code, stderr } = await runCliAlone(["quantize", model, "--out", out, ...rows, ...more]);
  if (code !== 0) throw new Error(stderr);
  return folderHashes(out);
}

describe("the same inputs give the same tuned bytes, card and receipt included", () => {
  test.each(Object.entries(smallest))("with 1 and 3 workers: %s", slow, async (name, model) => {
    const out = `${folder}/first-${name}`;
    const first = await tune(model, [...evaluatedRows, "--workers", "1"], out);
    expect(Object.keys(first).filter((path) => path.endsWith("/oqe-receipt.json"))).toHaveLength(4);
    for (const tier of await readdir(out))
      await expectTuned(`${out}/${tier}`, { samples: 4, length: 32, evaluation: 2 });
    // One model is run a second time with 3 workers.
    for (const workers of name === "nemotron_h" ? ["3", "3"] : ["3"]) {
      expect({
        workers,
        files: await tune(model, [...evaluatedRows, "--workers", workers]),
      }).toEqual({
        workers,
        files: first,
      });
    }
  });

  test("with propagation sequential", async () => {
    const first = await tune(hybrid, ["--propagation", "sequential", "--workers", "1"]);
    expect(weights(first)).not.toEqual(weights(await tune(hybrid)));
    expect(await tune(hybrid, ["--propagation", "sequential", "--workers", "3"])).toEqual(first);
  });

  test("on a trained model of larger matrices", slow, async () => {
    const first = await tune(embedded, ["--tiers", "oQ4e", "--workers", "1"]);
    expect(await tune(embedded, ["--tiers", "oQ4e", "--workers", "3"])).toEqual(first);
  });
});

describe("a tuned tier's bytes do not depend on", () => {
  let first: Hashes;
  beforeAll(async () => {
    first = await tune(hybrid);
  });

  test.each([["oQ8e"], ["oQ5e"], ["oQ4e"], ["oQ6e,oQ4e"]])(
    "the other tiers of the run: %s",
    async (tiers) => {
      const alone = await tune(hybrid, ["--tiers", tiers]);
      expect(Object.keys(alone).length).toBeGreaterThan(4);
      // Receipt, card and one picture have figures of the run's other tiers: docs/decisions/0009.
      const own = Object.keys(alone).filter(
        (path) => !/\/(README\.md|oqe-receipt\.json|oqe-kl\.svg)$/.test(path),
      );
      for (const path of own)
        expect({ path, hash: alone[path] }).toEqual({ path, hash: first[path] });
    },
  );

  test("whether an earlier run was killed", slow, async () => {
    const out = `${folder}/killed`;
    await tune(hybrid, ["--propagation", "sequential"], out); // a series that the next run replaces
    let reached = 0;
    for (const sign of [
      "partial",
      "model.safetensors",
      "config.json",
      "oqe-receipt.json",
      "README.md",
    ]) {
      if (await killedAt(sign, out, ["quantize", hybrid, "--out", out, ...fewRows])) reached++;
    }
    expect(reached).toBeGreaterThanOrEqual(3);
    expect(await tune(hybrid, [], out)).toEqual(first);
    expect((await readdir(out)).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("whether the base is read from a folder or from the Hub", async () => {
    const hub = await startLocalHub({ folder: `${folder}/hub` });
    try {
      await hub.seed("base/nemotron_h", hybrid);
      const fromHub = await tune("base/nemotron_h", ["--hub-endpoint", hub.url]);
      expect(weights(fromHub)).toEqual(weights(first));
    } finally {
      await hub.close();
    }
  });
});
