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

test("a tied base is read as the plan of the run says", async () => {
  await scene.hub.seed("base/tied", tiedMoe);
  const folder = [...scene.hub.files("base/tied")].find(([path]) => path.endsWith(".safetensors"))!;
  const size = folder[1].size;
  const out = `${scene.folder}/tied.json`;
  const rows = ["--calibration-samples", "4", "--work-dir", `${scene.folder}/work`];
  const id = "base/tied";
  const [measured] = await readsDuring([id], "sensitivity", id, "--out", out, ...rows);
  // The tables of the head walk through the blocks once more; the table is read once.
  const table = (2 * 4096 * 128) / size;
  expect(measured).toBeGreaterThan(2 - table - little);
  expect(measured).toBeLessThan(2 - table + little);
  const place = ["--out", `${scene.folder}/tied`, "--sensitivity", out];
  const [made] = await readsDuring([id], "quantize", id, ...place, ...evaluatedRows);
  console.log(`tied: ${measured!.toFixed(3)} reads to measure, ${made!.toFixed(3)} to tune`);
  expect(made).toBeLessThan(1 + little);
});

test("rounding and its evaluation read the base once each", async () => {
  const reads = await readsToPublish(base, "--method", "rounded", "--evaluation-samples", "2");
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
