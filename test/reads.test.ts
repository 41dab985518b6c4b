import { expect, test } from "vitest";
import { readsOf } from "./support/base-reads.ts";
import { evaluatedRows } from "./support/cli-run.ts";
import { smallest, tiedMoe } from "./support/models.ts";
import { tierName, verifyScene } from "./support/published-tier.ts";

/** Headers, and unquantized tensors that two parts of a run read each for itself. */
const little = 0.05;
const base = "base/nemotron-nano-tiny";
const scene = verifyScene();

/** Runs a command, and says how often it read the weights of each repository. */
async function readsDuring(ids: readonly string[], ...args: string[]): Promise<number[]> {
  scene.seen = [];
  const { code, stderr } = await scene.oqe(...args);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  return ids.map((id) => {
    const weights = [...scene.hub.files(id)].filter(([path]) => path.endsWith(".safetensors"));
    const size = weights.reduce((sum, [, file]) => sum + file.size, 0);
    return readsOf(scene.seen, id, size);
  });
}

/** Publishes a base. Says how often it was read. */
async function readsToPublish(id: string, ...more: string[]): Promise<number> {
  const folders = ["--work-dir", `${scene.folder}/work`];
  const [reads] = await readsDuring(
    [id],
    "publish",
    id,
    "--namespace",
    "acme",
    ...folders,
    ...more,
  );
  return reads!;
}

// The trained hybrid is read so by the demo, which prints how often.
test("a whole run reads the base twice: to measure it, and to tune and evaluate all tiers", async () => {
  await scene.hub.seed("base/small", smallest.nemotron_h!);
  const reads = await readsToPublish("base/small", ...evaluatedRows);
  console.log(`whole run: ${reads.toFixed(3)} reads of the base`);
  expect(reads).toBeGreaterThan(1.9); // the Hub does count
  expect(reads).toBeLessThan(2 + 2 * little); // headers are a larger part of a small file
});

test("a tied base is read twice too: the probes of its table go with all others", async () => {
  const id = "base/tied";
  await scene.hub.seed(id, tiedMoe);
  const reads = await readsToPublish(id, "--tiers", "oQ4e", ...evaluatedRows);
  console.log(`tied: ${reads.toFixed(3)} reads of the base`);
  expect(reads).toBeGreaterThan(1.9);
  expect(reads).toBeLessThanOrEqual(2 + little); // 2.68 when its table took a walk of its own
});

test("rounding and its evaluation read the base once each", async () => {
  const rows = ["--evaluation-samples", "2"];
  const reads = await readsToPublish(base, "--tiers", "oQ5e,oQ4e", "--method", "rounded", ...rows);
  console.log(`rounding and evaluation: ${reads.toFixed(3)} reads of the base`);
  expect(reads).toBeGreaterThan(1.9);
  expect(reads).toBeLessThan(2 + little);
});

test("verify reads base and tier once", async () => {
  const tier = `acme/${tierName}`;
  const few = ["--evaluation-samples", "2"];
  const [reads, own] = await readsDuring([base, tier], "verify", tier, "--base", base, ...few);
  console.log(`verify: ${reads!.toFixed(3)} reads of the base, ${own!.toFixed(3)} of the tier`);
  expect(reads).toBeGreaterThan(0.9);
  expect(reads).toBeLessThan(1 + little);
  expect(own).toBeGreaterThan(0.9);
  expect(own).toBeLessThan(1 + little);
});
