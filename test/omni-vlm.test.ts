import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFolder } from "../src/checkpoint/folder.ts";
import { loaderOf } from "../src/mlx/mlx-weights.ts";
import { evaluatedRows, rounded, runCli } from "./support/cli-run.ts";
import { folderHashes } from "./support/folder-hashes.ts";
import { difference, openBase, readNpy, run } from "./support/forward-run.ts";
import { kernelScene } from "./support/kernel-scene.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { wrapInOmni } from "./support/omni.ts";
import { readTensors } from "./support/safetensors.ts";
import { visionBase } from "./support/towers.ts";

/** A tier of Nemotron Omni for mlx-vlm, from `oqe plan` to `oqe verify`. */

const language = smallest["nemotron_h.latent"]!;
const forVlm = ["--loader", "mlx-vlm"];
const scene = kernelScene();
let scratch: string;
let base: string;
let tier: string;
let plain: string;

beforeAll(async () => {
  scratch = await scratchFolder();
  base = wrapInOmni(language, join(scratch, "base"));
  tier = await quantize("whole", [...rounded, ...forVlm]);
  plain = await quantize("plain", rounded);
}, 120_000);
afterAll(() => removeFolder(scratch));

async function quantize(name: string, flags: readonly string[], from = base): Promise<string> {
  const out = join(scratch, name);
  const one = ["--tiers", "oQ4e", ...flags];
  const { code, stderr } = await runCli(["quantize", from, "--out", out, ...one]);
  if (code !== 0) throw new Error(stderr);
  return join(out, (await readdir(out))[0]!);
}

const read = (folder: string, file: string) => readFileSync(join(folder, file), "utf8");
const json = (folder: string, file: string) =>
  JSON.parse(read(folder, file).replaceAll("Infinity", "1e999"));
const receiptOf = (folder: string) => json(folder, "oqe-receipt.json");
const verify = (folder: string) =>
  runCli(["verify", folder, "--base", base, "--evaluation-samples", "1"]);

test("the language model has the bytes of a tier for mlx-lm, under other names", () => {
  const [ours, theirs] = [tier, plain].map((folder) =>
    readTensors(join(folder, "model.safetensors")),
  );
  const own = [...ours!].filter(([name]) => name.startsWith("language_model."));
  expect(own.map(([name]) => name.slice("language_model.".length)).sort()).toEqual(
    [...theirs!.keys()].sort(),
  );
  for (const [name, tensor] of own)
    expect(tensor, name).toEqual(theirs!.get(name.slice("language_model.".length)));
  expect(read(tier, "mtp.safetensors")).toBe(read(plain, "mtp.safetensors"));
});

test("config.json has mlx-vlm's type and nesting", () => {
  const config = json(tier, "config.json");
  expect(config).toMatchObject({
    model_type: "nemotron_h_nano_omni",
    text_config: { model_type: "nemotron_h", num_nextn_predict_layers: 1 },
    vision_config: { model_type: "radio" },
    sound_config: { model_type: "parakeet" },
    img_context_token_id: 18,
    quantization: { bits: 4, group_size: 64 },
  });
  expect(config).not.toHaveProperty("llm_config");
  const widths = Object.keys(config.quantization).filter((key) => key.includes("."));
  for (const module of widths) expect(module).toMatch(/^language_model\.(backbone|lm_head)/);
});

test("carried tensors have mlx-vlm's names and are the base's", () => {
  const [ours, theirs] = [tier, base].map((folder) =>
    readTensors(join(folder, "model.safetensors")),
  );
  expect(ours!.get("mlp1.layers.3.weight")).toEqual(theirs!.get("mlp1.3.weight"));
  const norm = "vision_final_layernorm.bias";
  expect(ours!.get(norm)).toEqual(theirs!.get(`vision_projector.${norm}`));
  const convolution = "sound_encoder.encoder.subsampling.layers.0.weight";
  expect(ours!.get(convolution)!.shape).toEqual([8, 3, 3, 1]);
  const depthwise = "sound_encoder.encoder.layers.1.conv.depthwise_conv.weight";
  expect(ours!.get(depthwise)!.shape).toEqual([32, 5, 1]);
  expect(ours!.get("vision_model.radio_model.model.patch_generator.pos_embed")).toEqual(
    theirs!.get("vision_model.radio_model.model.patch_generator.pos_embed"),
  );
  const odd = [...ours!.keys()].filter((name) => /feature_extractor|summary|batches/.test(name));
  expect(odd).toEqual([]);
});

test("receipt and card say what is carried and what loads it", () => {
  const { options, plan, files } = receiptOf(tier);
  expect(options).toMatchObject({ carry: ["vision", "audio", "mtp"], loader: "mlx-vlm" });
  const tensors = readTensors(join(tier, "model.safetensors"));
  const bytes = (pattern: RegExp) =>
    [...tensors].reduce((sum, [name, one]) => sum + (pattern.test(name) ? one.bytes.length : 0), 0);
  expect(plan.carried).toMatchObject({
    vision: bytes(/^(vision_|mlp1)/),
    audio: bytes(/^sound_/),
  });
  expect(plan.bytes - plan.carried.vision - plan.carried.audio).toBe(receiptOf(plain).plan.bytes);
  expect(plan.fileBpw).toBe(receiptOf(plain).plan.fileBpw);
  expect(Object.keys(files)).toContain("preprocessor_config.json");
  const card = read(tier, "README.md");
  expect(card).toMatch(/mlx_vlm\.generate --model \S+ --image photo\.jpg --prompt/);
  expect(card).toMatch(/mlx_vlm\.generate --model \S+ --audio speech\.wav --prompt/);
  expect(card).toContain("mlx-lm does not load this repository");
  expect(card).toContain("--loader mlx-vlm");
  expect(card).toMatch(/^- \*\*Audio tower\*\*: carried unquantized, [\d.]+ [kM]B of every tier/m);
  expect(card).not.toContain("mlx_lm.generate");
  expect(card).not.toMatch(/mlx-lm skips it|language model alone/);
});

test("a tier for mlx-lm says that it lacks the towers", () => {
  expect(receiptOf(plain).options).toMatchObject({ carry: ["mtp"], leftOut: ["vision", "audio"] });
  expect(receiptOf(plain).options).not.toHaveProperty("loader");
  const card = read(plain, "README.md");
  expect(card).toContain("**Vision tower**: the base has one, this tier does not.");
  expect(card).toContain("**Audio tower**: the base has one, this tier does not.");
  expect(card).toContain("the tiers are the language model alone");
});

describe("oqe verify", () => {
  test("knows the loader, and compares carried tensors", async () => {
    for (const [folder, loader] of [
      [tier, "mlx-vlm"],
      [plain, "mlx-lm"],
    ] as const) {
      const repository = await openFolder(folder);
      expect(await loaderOf(repository)).toBe(loader);
      await repository.close?.();
    }
    const { code, stderr } = await verify(tier);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain("Compare carried tensors");
  });

  test("refuses a tower with one other bit", async () => {
    const folder = join(scratch, "flipped");
    await cp(tier, folder, { recursive: true });
    const path = join(folder, "model.safetensors");
    const bytes = readFileSync(path);
    const start = 8 + Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.toString("utf8", 8, start));
    bytes[start + header["sound_projection.norm.weight"].data_offsets[0]]! ^= 1;
    writeFileSync(path, bytes);
    const receipt = receiptOf(folder);
    receipt.files["model.safetensors"].sha256 = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(folder, "oqe-receipt.json"), JSON.stringify(receipt));
    const { code, stderr } = await verify(folder);
    expect(code).toBe(3);
    expect(stderr).toContain(
      'tensor "sound_projection.norm.weight" does not have the base\'s values',
    );
  });
});

test("a tuned tier is evaluated, and has the same towers", async () => {
  const tuned = await quantize("tuned", [...evaluatedRows, "--policy", "oq", ...forVlm]);
  expect(receiptOf(tuned).evaluation).not.toBeNull();
  const [own, other] = [tuned, tier].map((folder) =>
    readTensors(join(folder, "model.safetensors")),
  );
  for (const [name, tensor] of own!)
    if (!name.startsWith("language_model.")) expect(tensor, name).toEqual(other!.get(name));
}, 120_000);

test("a sensitivity serves the tiers for both loaders", async () => {
  const file = join(scratch, "sensitivity.json");
  const few = ["--calibration-samples", "4", "--calibration-length", "32"];
  const { code, stderr } = await runCli(["sensitivity", base, "--out", file, ...few]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const given = ["--sensitivity", file, "--policy", "measured", "--floors", "none"];
  const flags = [...given, ...rounded];
  const [one, two] = [
    receiptOf(await quantize("measured", flags)).plan.modules,
    receiptOf(await quantize("measured-vlm", [...flags, ...forVlm])).plan.modules,
  ];
  const named = Object.entries(one).map(([module, width]) => [`language_model.${module}`, width]);
  expect(two).toEqual(Object.fromEntries(named));
}, 120_000);

test("the plan counts carried bytes apart", async () => {
  const { code, stdout } = await runCli(["plan", base, "--policy", "oq", ...forVlm]);
  expect({ code, stdout }).toMatchObject({ code: 0 });
  expect(stdout).toMatch(/vision tower, carried unquantized: [\d.]+ kB; not evaluated/);
  expect(stdout).toMatch(/audio tower, carried unquantized: [\d.]+ kB; not evaluated/);
});

test("logits through the prefix are torch's", async () => {
  const model = await openBase(base, scene.kernel, { loader: "mlx-vlm" });
  const ids = Uint32Array.from(json(language, "ref_ids.json").flat() as number[]);
  const { logits, vocabulary } = await run(model, ids, ids.length);
  const reference = readNpy(join(language, "ref_logits_f32_torch.npy"), Float32Array);
  const gap = difference(logits, reference, vocabulary);
  expect(gap.relative, gap.text).toBeLessThan(2e-6);
  await model.close();
});

test("of a type that both load, either loader gives the same files", async () => {
  const vision = visionBase(join(scratch, "vision"));
  const [one, other] = [
    await quantize("both", rounded, vision),
    await quantize("both-vlm", [...rounded, ...forVlm], vision),
  ];
  expect(await folderHashes(other)).toEqual(await folderHashes(one));
});
