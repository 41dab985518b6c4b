import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import type { Receipt } from "../src/receipt/receipt.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { publications, publish } from "./support/coded-bases.ts";
import { editConfig, removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { readTensors } from "./support/safetensors.ts";

/** What a run makes of a coded base: its tiers, receipt and card. */

let folder: string;
let hub: LocalHub;
beforeAll(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({ folder: `${folder}/hub` });
});
afterAll(async () => {
  await hub.close();
  await removeFolder(folder);
});

/** Publishes the oQ4e tier of a base on the Hub. Gives what was printed. */
async function publishTier(base: string) {
  const own = ["--namespace", "acme", "--tiers", "oQ4e", "--policy", "oq", "--verify", "false"];
  const args = ["publish", base, ...own, "--method", "rounded"];
  const given = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_good" };
  const run = await runCli([...args, "--work-dir", `${folder}/work`], given);
  expect(run).toMatchObject({ code: 0 });
  return run;
}

/** Words of settings, and ends of names of tensors, that only a coded base has. */
const leftovers =
  /^(quant_|quantized_|config_groups|kv_cache|compression|modelopt|ignore$|modules_to_not|producer$)/;
const codedTensor = /scale(_inv)?$|_(packed|shape|blocks|scales|g_idx)$|zero_point$/;

/** Every key of a config, at any depth, and every text in it. */
function wordsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [key, ...wordsOf(inner)]);
}

/** The base in every place where readers look for settings. */
async function declareEverywhere(codes: string, settings: Record<string, unknown>): Promise<void> {
  const own = { quantization: settings, producer: { name: "modelopt" } };
  if (settings.quant_method === "modelopt")
    await writeFile(join(codes, "hf_quant_config.json"), JSON.stringify(own));
  await editConfig(codes, (config) => {
    config.compression_config = { ...settings };
    config.text_config = { quantization_config: { ...settings } };
  });
}

test.each(Object.entries(publications))(
  "nothing of the coding reaches a tier: %s",
  async (name, way) => {
    const { codes } = await publish(smallest.llama!, join(folder, `left ${name}`), way);
    await declareEverywhere(codes, { ...way.settings });
    const out = join(folder, `out ${name}`);
    const run = await runCli(["quantize", codes, "--out", out, "--tiers", "oQ4e", ...rounded]);
    expect(run).toMatchObject({ code: 0 });
    const [tier] = await readdir(out);
    const at = join(out, tier!);
    const files = await readdir(at);
    expect(files.filter((file) => /quant|compress|scale/.test(file))).toEqual([]);
    const { quantization, quantization_config, ...config } = JSON.parse(
      await readFile(join(at, "config.json"), "utf8"),
    );
    expect(quantization).toEqual(quantization_config);
    const paths = Object.keys(quantization).filter((key) => !/^(bits|group_size|mode)$/.test(key));
    expect(paths.filter((path) => !path.includes("."))).toEqual([]);
    expect(wordsOf(config).filter((word) => leftovers.test(word))).toEqual([]);
    const names = files
      .filter((file) => file.endsWith(".safetensors"))
      .flatMap((file) => [...readTensors(join(at, file)).keys()]);
    expect(names.length).toBeGreaterThan(20);
    const own = /\.scales$/;
    expect(names.filter((one) => codedTensor.test(one) && !own.test(one))).toEqual([]);
    const index = JSON.parse(await readFile(join(at, "model.safetensors.index.json"), "utf8"));
    expect(Object.keys(index.weight_map).sort()).toEqual(names.sort());
  },
);

test("receipt and card tell of the coding, and no file has a word of it", async () => {
  const way = publications["fp8, a scale a tensor, of ModelOpt"]!;
  const { codes } = await publish(smallest.llama!, join(folder, "modelopt"), way);
  const settings = '{"producer":{"name":"modelopt"},"quantization":{"quant_algo":"FP8"}}';
  await writeFile(join(codes, "hf_quant_config.json"), settings);
  await editConfig(codes, (config) => {
    config.text_config = { quantization_config: { ...way.settings } };
  });
  const { code, stderr } = await runCli(["quantize", codes, "--out", `${folder}/out`, ...rounded]);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect(stderr).toContain("the base is published as FP8 with a scale for each tensor");
  expect(stderr).toContain("has no card");
  const tiers = await readdir(`${folder}/out`);
  expect(tiers).toHaveLength(4);
  for (const tier of tiers) {
    const files = (await readdir(`${folder}/out/${tier}`, { recursive: true, withFileTypes: true }))
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name));
    for (const file of files) {
      expect(file).not.toContain("hf_quant_config");
      const bytes = await readFile(file);
      for (const word of ["modelopt", "quant_method", "quant_algo", "_scale", "compression"])
        expect(bytes.includes(`"${word}`) || bytes.includes(`${word}"`), `${word} in ${file}`).toBe(
          false,
        );
    }
    const card = await readFile(`${folder}/out/${tier}/README.md`, "utf8");
    expect(card).toContain("the base is published as FP8 with a scale for each tensor");
    const config = JSON.parse(await readFile(`${folder}/out/${tier}/config.json`, "utf8"));
    expect(config.text_config?.quantization_config).toBeUndefined();
    expect(config.quantization).toEqual(config.quantization_config);
  }
});

test("a coded base on the Hub is read to its last byte, and a second run changes nothing", async () => {
  const way = publications["int4 with zero points of compressed-tensors"]!;
  const { codes } = await publish(smallest.llama!, join(folder, "int4"), way);
  const card = "---\nlicense: mit\n---\n# Tiny\n";
  await writeFile(join(codes, "README.md"), card);
  await hub.seed("base/coded-tiny", codes);
  await publishTier("base/coded-tiny");
  const url = `${hub.url}/acme/coded-tiny-oQ4e/resolve/main/oqe-receipt.json`;
  const receipt = (await (await fetch(url)).json()) as Pick<
    Receipt,
    "verifiedBase" | "configNotes"
  >;
  const { length } = await readFile(join(codes, "model.safetensors"));
  expect(receipt.verifiedBase).toEqual({ shards: 1, bytes: length });
  expect(receipt.configNotes.join("\n")).toContain(
    "the base is published as 4-bit integers with a scale for each group of 64, with zero points",
  );
  expect((await publishTier("base/coded-tiny")).stderr).toMatch(/unchanged/i);
  const verified = await runCli(["verify", "acme/coded-tiny-oQ4e"], { HF_ENDPOINT: hub.url });
  expect(verified).toMatchObject({ code: 0 });
});
