import { appendFile, cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { copyModel, editConfig, editSafetensors, embedded, smallest } from "./support/models.ts";
import { type TierReceipt, tierName, verifyScene } from "./support/published-tier.ts";

/** Targets and bases that `oqe verify` refuses. */
const hybrid = smallest.nemotron_h!;
const scene = verifyScene(hybrid);
let receipt: TierReceipt;
beforeAll(async () => {
  receipt = await scene.publishTier("--floors", "none");
});

/** A damaged copy of the tier. */
async function spoil(change: (at: string) => Promise<unknown>): Promise<string> {
  const copy = `${scene.folder}/spoiled/${tierName}`;
  await rm(copy, { recursive: true, force: true });
  await mkdir(`${scene.folder}/spoiled`, { recursive: true });
  await cp(scene.tier, copy, { recursive: true });
  await change(copy);
  return copy;
}

/** Changes the receipt of a copy. */
const receiptOf = (edit: (root: TierReceipt) => void) => async (at: string) => {
  const root = JSON.parse(await readFile(`${at}/oqe-receipt.json`, "utf8"));
  edit(root);
  await writeFile(`${at}/oqe-receipt.json`, JSON.stringify(root));
};
const dropReceipt = (at: string) => rm(`${at}/oqe-receipt.json`);
const changeShard = async (at: string) => {
  const file = await readFile(`${at}/model.safetensors`);
  file[file.length - 1]! ^= 1;
  await writeFile(`${at}/model.safetensors`, file);
};
const module = "backbone.layers.1.mixer.switch_mlp.fc1";
const widthOf = (at: string, bits: number) =>
  editConfig(at, (config) => {
    (config.quantization as Record<string, unknown>)[module] = { bits, group_size: 64 };
  });

describe("a target that differs from its receipt is refused", () => {
  const bytes = "[\\d,]+";
  test.each<[string, (at: string) => Promise<unknown>, RegExp]>([
    [
      "a longer shard",
      (at) => appendFile(`${at}/model.safetensors`, "x"),
      new RegExp(`model\\.safetensors has ${bytes} bytes, oqe-receipt\\.json says ${bytes} `),
    ],
    [
      "a shard of other content",
      changeShard,
      /model\.safetensors has the SHA-256 [0-9a-f]{64}, oqe-receipt\.json says [0-9a-f]{64} /,
    ],
    [
      "another config",
      (at) => widthOf(at, 5),
      /config\.json has [\d,]+ bytes, oqe-receipt\.json says [\d,]+ /,
    ],
    [
      "no shard",
      (at) => rm(`${at}/model.safetensors`),
      /model\.safetensors is missing, oqe-receipt\.json lists it/,
    ],
    [
      "one shard more",
      (at) => cp(`${at}/model.safetensors`, `${at}/model-2.safetensors`),
      /model-2\.safetensors is a shard that oqe-receipt\.json does not list/,
    ],
    [
      "another plan in the receipt",
      receiptOf(({ plan }) => {
        plan.modules[module] = { bits: 8, groupSize: 64 };
      }),
      /config\.json has "backbone\.layers\.1\.mixer\.switch_mlp\.fc1" \d-bit in groups of 64, oqe-receipt\.json says 8-bit in groups of 64/,
    ],
    [
      "a module missing from the receipt",
      receiptOf((root) => {
        const { tuning, sensitivity } = root as unknown as Record<
          string,
          Record<string, Record<string, unknown>>
        >;
        for (const byModule of [root.plan.modules, tuning!.modules!, sensitivity!.costs!])
          delete byModule[module];
      }),
      /config\.json has ".*fc1" \d-bit in groups of 64, oqe-receipt\.json says unquantized/,
    ],
  ])("%s", async (_, change, says) => {
    await scene.expectRefused([await spoil(change), "--base", hybrid], "GATE", says);
  });

  test("also if the receipt cannot be read", async () => {
    const target = await spoil((at) => writeFile(`${at}/oqe-receipt.json`, "{"));
    const says = /oqe-receipt\.json is not JSON/;
    await scene.expectRefused([target, "--base", hybrid], "BAD_INPUT", says);
  });

  test("after the figures are printed, where the receipt has other figures", async () => {
    const forged = receiptOf(({ evaluation }) => {
      evaluation.meanKl = (evaluation.meanKl as number) / 3;
      (evaluation.gates as { value: number }[])[0]!.value = evaluation.meanKl as number;
    });
    const { code, stdout, stderr } = await scene.oqe(
      "verify",
      await spoil(forged),
      "--base",
      hybrid,
      "--json",
    );
    expect({ code, meanKl: JSON.parse(stdout).meanKl }).toEqual({
      code: 3,
      meanKl: receipt.evaluation.meanKl,
    });
    expect(stderr).toMatch(
      /^error: .*meanKl is 0\.0\d+, oqe-receipt\.json says 0\.0\d+ \[GATE\]$/m,
    );
  });

  test("without a receipt, where config and shards differ", async () => {
    const target = await spoil(async (at) => {
      await dropReceipt(at);
      await widthOf(at, 8);
    });
    const says =
      /model\.safetensors: tensor ".*fc1\.weight" has shape \[[\d, ]+\], but config\.json gives \[[\d, ]+\]/;
    await scene.expectRefused([target, "--base", hybrid], "BAD_CHECKPOINT", says);
  });
});

describe("another base is refused", () => {
  test("at another commit, and the message names the right one", async () => {
    const moved = await copyModel(hybrid, "nemotron-nano-tiny");
    await writeFile(`${moved}/NOTES.md`, "changed since");
    const before = receipt.base.revision;
    const now = await scene.hub.seed("base/nemotron-nano-tiny", moved);
    const target = `acme/${tierName}`;
    const says = new RegExp(
      `at ${now}, oqe-receipt\\.json says ${before} of base/nemotron-nano-tiny`,
    );
    await scene.expectRefused([target, "--base", "base/nemotron-nano-tiny"], "BAD_INPUT", says);
    const then = `base/nemotron-nano-tiny@${before}`;
    const { code, stdout } = await scene.oqe("verify", target, "--base", then, "--json");
    expect(code).toBe(0);
    // The tier was planned by its sensitivity, so the evaluation has predicted figures.
    expect(JSON.parse(stdout)).toEqual(receipt.evaluation);
    expect(receipt.evaluation.predicted).toMatchObject({ kl: expect.any(Number) });
  });

  test("in a folder of another fingerprint", async () => {
    const own = await scene.oqe(
      ...[
        "quantize",
        hybrid,
        "--out",
        `${scene.folder}/own`,
        "--tiers",
        "oQ8e",
        "--method",
        "rounded",
      ],
      ...["--evaluation-samples", "1", "--json"],
    );
    const [target] = JSON.parse(own.stdout).folders;
    const other = await copyModel(hybrid, "nemotron_h");
    await appendFile(`${other}/config.json`, "\n");
    const says =
      /the base nemotron_h is at sha256:[0-9a-f]{64}, oqe-receipt\.json says sha256:[0-9a-f]{64} of nemotron_h/;
    await scene.expectRefused([target, "--base", other], "BAD_INPUT", says);
    expect(await scene.oqe("verify", target, "--base", hybrid)).toMatchObject({ code: 0 });
  });

  test("with a weight that is not finite: the message names the base's tensor", async () => {
    const bare = await spoil(dropReceipt);
    const base = await copyModel(hybrid, "nemotron-nano-tiny");
    const tensor = "backbone.layers.0.mixer.in_proj.weight";
    await editSafetensors(base, (header, data) => {
      data.writeUInt16LE(0x7fc0, header[tensor]!.data_offsets[0] + 2 * (300 * 128 + 7));
    });
    const says = new RegExp(
      `tensor "${tensor.replaceAll(".", "\\.")}" holds 1 NaN .*at \\[300, 7\\]`,
    );
    await scene.expectRefused([bare, "--base", base], "BAD_CHECKPOINT", says);
  });

  test("of another architecture or shape, without a receipt", async () => {
    const bare = await spoil(dropReceipt);
    await scene.expectRefused(
      [bare, "--base", smallest.llama!],
      "BAD_INPUT",
      /is not a quant of llama: it is a nemotron_h model/,
    );
    await scene.expectRefused(
      [bare, "--base", embedded],
      "BAD_INPUT",
      /is not a quant of nemotron-nano-tiny: .*tensor/,
    );
  });
});
