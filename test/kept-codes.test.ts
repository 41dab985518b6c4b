import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { knownModels } from "../bench/sizes/models.ts";
import { sizeModel } from "../bench/sizes/needs.ts";
import { readBase } from "../src/base/base.ts";
import { type Checkpoint, openCheckpoint } from "../src/checkpoint/checkpoint.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { elements, modulePath } from "../src/mlx/format.ts";
import { gptOss } from "../src/models/gpt-oss.ts";
import { defaultFloors, parseFloors } from "../src/plan/floors.ts";
import { planTier } from "../src/plan/plan.ts";
import { tiers } from "../src/plan/tiers.ts";
import { parseReceipt } from "../src/receipt/receipt-file.ts";
import { evaluatedRows, runCli } from "./support/cli-run.ts";
import { kernelScene } from "./support/kernel-scene.ts";
import { byArchitecture } from "./support/models.ts";
import { makeSensitivity } from "./support/sensitivities.ts";
import { methods, writeTier } from "./support/tier-files.ts";

/** A base whose authors publish it as mxfp4: its codes are stored as they are. */

const scene = kernelScene();
const base = byArchitecture.gpt_oss!;
const keptWidth = { bits: 4, groupSize: 32, mode: "mxfp4" };

const open = async (folder: string) =>
  openCheckpoint(await openFolder(folder), { sidecars: () => [] });
const readAll = ({ tensors, read }: Checkpoint, name: string) => {
  const { start, end } = tensors.get(name)!;
  return read(name, 0, end - start);
};

/** Every second row of each expert, from `first` on. */
function everySecond(bytes: Uint8Array, experts: number, rows: number, first: number): Buffer {
  const rowBytes = bytes.length / experts / rows;
  const own = Array.from({ length: experts * rows }, (_, row) => row).filter(
    (row) => (row % rows) % 2 === first,
  );
  return Buffer.concat(own.map((row) => bytes.subarray(row * rowBytes, (row + 1) * rowBytes)));
}

/** What a tier is to hold for the experts of a layer, from the base's own tensors. */
async function expectedOf(from: Checkpoint, layer: number): Promise<Record<string, Buffer>> {
  const { num_local_experts: experts, intermediate_size: size } = from.config;
  const found: Record<string, Buffer> = {};
  const stem = `model.layers.${layer}.mlp.experts.`;
  for (const [part, name] of [
    ["blocks", "weight"],
    ["scales", "scales"],
  ]) {
    const both = await readAll(from, `${stem}gate_up_proj_${part}`);
    const split = (first: number) => everySecond(both, Number(experts), 2 * Number(size), first);
    found[`${stem}gate_proj.${name}`] = split(0);
    found[`${stem}up_proj.${name}`] = split(1);
    found[`${stem}down_proj.${name}`] = Buffer.from(
      await readAll(from, `${stem}down_proj_${part}`),
    );
  }
  return found;
}

/** All experts of a tier have the codes of the base, and config.json says so. */
async function compareCodes(folder: string, layers: number): Promise<void> {
  const [from, made] = await Promise.all([open(base), open(folder)]);
  try {
    const { quantization } = made.config as { quantization: Record<string, unknown> };
    for (let layer = 0; layer < layers; layer++) {
      for (const [name, bytes] of Object.entries(await expectedOf(from, layer))) {
        const path = name.replace(/\.(weight|scales)$/, "");
        expect(quantization[path]).toEqual({ bits: 4, group_size: 32, mode: "mxfp4" });
        expect(made.tensors.has(`${path}.biases`)).toBe(false);
        expect(made.tensors.get(name)!.dtype).toBe(name.endsWith("scales") ? "U8" : "U32");
        expect(Buffer.from(await readAll(made, name)).equals(bytes), name).toBe(true);
      }
    }
  } finally {
    await Promise.all([from.close(), made.close()]);
  }
}

test.each(Object.entries(methods))("codes and scales are the base's, %s", async (_, method) => {
  const { folder } = await writeTier(base, gptOss, method, scene);
  await compareCodes(folder, 2);
});

test("a tier is the same beside others that code the experts again, and verify accepts it", async () => {
  const flags = evaluatedRows;
  const make = async (out: string, ...more: string[]) => {
    const to = `${scene.scratch}/${out}`;
    const run = await runCli(["quantize", base, "--out", to, ...flags, ...more]);
    expect(run).toMatchObject({ code: 0 });
    return `${to}/gpt_oss-oQ8e`;
  };
  const alone = await make("alone", "--tiers", "oQ8e");
  const beside = await make("beside", "--tiers", "oQ8e", "--target-bpw", "3.6");
  await compareCodes(alone, 2);
  const [one, other] = await Promise.all(
    [alone, beside].map(async (folder) => {
      const text = await readFile(`${folder}/oqe-receipt.json`, "utf8");
      return { text, receipt: parseReceipt(text, folder) };
    }),
  );
  expect(other!.receipt.files["model.safetensors"]).toEqual(
    one!.receipt.files["model.safetensors"],
  );
  expect(other!.receipt.tuning).toEqual(one!.receipt.tuning);
  const { plan, tuning, weightError } = one!.receipt;
  const kept = Object.keys(plan.modules).filter((path) => plan.modules[path]!.mode === "mxfp4");
  expect(kept).toHaveLength(6);
  expect(plan.plan).toContain("mxfp4X6");
  expect(Object.keys(tuning!.modules).some((path) => kept.includes(path))).toBe(false);
  expect(tuning!.experts).toBe(null);
  expect(weightError.relative).toBeGreaterThan(0);

  const card = await readFile(`${alone}/README.md`, "utf8");
  expect(card).toContain("The codes of 6 modules are the base's own, MXFP4, bit for bit.");
  expect(card).toContain("in groups of 64 weights.");
  expect(card).toContain("mxfp4 × 2");
  expect(card).not.toContain("one Hessian per routed expert");
  const verified = await runCli(["verify", alone, "--base", base]);
  expect(verified).toMatchObject({ code: 0 });
}, 120_000);

test("in a small model, lowered floors leave room for all codes", async () => {
  const opened = await readBase(await openFolder(base), { allowHeaderOnly: true });
  await opened.checkpoint.close();
  const basis = {
    sensitivity: makeSensitivity(opened.tensors),
    floors: parseFloors(defaultFloors),
  };
  for (const tier of tiers) {
    const { plan, modules } = planTier(tier, opened, basis);
    expect(plan).toContain("mxfp4X6");
    expect(Object.values(modules).every(({ bits }) => bits >= 3)).toBe(true);
  }
});

test("plan warns of tiers with the same widths", async () => {
  const ways = ["--policy", "oq", "--tiers", "oQ8e", "--target-bpw", "12"];
  const { code, stderr } = await runCli(["plan", base, ...ways]);
  expect(code).toBe(0);
  expect(stderr.replaceAll(/\s+/g, " ")).toContain(
    "oQ8e and oQ12.0e have the same widths everywhere: publish one of them, as --tiers oQ8e does",
  );
});

describe.each([
  ["openai/gpt-oss-20b", 13.8e9],
  ["openai/gpt-oss-120b", 65.3e9],
])("plans of %s", (model, published) => {
  const { shaped } = sizeModel(knownModels.find(({ id }) => id === model)!);
  const sensitivity = makeSensitivity(shaped.tensors);
  const experts = shaped.tensors.filter(({ role }) => role.kind === "expert").map(modulePath);
  const plan = (choice: Parameters<typeof planTier>[0], floors: string | null) =>
    planTier(choice, shaped, floors === null ? null : { sensitivity, floors: parseFloors(floors) });

  test.each(tiers.map((tier) => [tier.name, tier] as const))(
    "%s has the base's codes for all experts, and is smaller than the base",
    (_, tier) => {
      const rules = plan(tier, null);
      const measured = plan(tier, defaultFloors);
      for (const made of [rules, measured, plan(tier, "none"), plan(tier, "attention=6,experts=8")])
        for (const path of experts) expect(made.modules[path]).toEqual(keptWidth);
      expect(measured.bytes).toBeLessThanOrEqual(rules.bytes);
      expect(rules.bytes).toBeLessThan(published);
      const of = (path: string) => shaped.tensors.find((one) => modulePath(one) === path)!;
      const kept = experts.reduce((sum, path) => sum + elements(of(path).shape) * (4.25 / 8), 0);
      expect(kept).toBeGreaterThan(0.8 * rules.bytes);
    },
  );

  test.each([null, defaultFloors, "none"])(
    "no tier is larger than the one before it, floors %s",
    (floors) => {
      const bytes = tiers.map((tier) => plan(tier, floors).bytes);
      expect(bytes).toEqual([...bytes].sort((a, b) => b - a));
      expect(bytes[0]).toBeGreaterThan(bytes.at(-1)!);
    },
  );

  test("a target that holds all codes keeps them all", () => {
    const { modules, bpw } = plan({ name: "oQ4.3e", bpw: 4.3 }, "attention=4");
    for (const path of experts) expect(modules[path]).toEqual(keptWidth);
    expect(bpw).toBeLessThanOrEqual(4.3);
  });

  test("below 4.25 bits some experts have 3 bits, the others their codes", () => {
    const { modules, bpw } = plan({ name: "oQ3.9e", bpw: 3.9 }, "none");
    const widths = new Set(experts.map((path) => modules[path]!.mode ?? modules[path]!.bits));
    expect(widths).toEqual(new Set([3, "mxfp4"]));
    expect(bpw).toBeLessThanOrEqual(3.9);
  });

  test("a floor of 3 bits allows both, one of 4 only the codes", () => {
    const tight = { name: "oQ3.6e", bpw: 3.6 };
    expect(() => plan(tight, "experts=4")).toThrow(/smallest possible plan/);
    expect(plan(tight, "experts=3").bpw).toBeLessThanOrEqual(3.6);
  });
});
