import { readFile } from "node:fs/promises";
import { test } from "vitest";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import { copyModel, editSafetensors, smallest } from "../support/models.ts";
import { makeRandomModel } from "../support/random-model.ts";
import { fewTuned, refusalScene } from "../support/refusal.ts";

/** Faults deep in a model of many blocks. */
const scene = refusalScene();

/** A Nemotron-H of 52 blocks with one NaN in block 40. */
async function deepModel(): Promise<string> {
  const at = await copyModel(smallest.nemotron_h!);
  const own = await readFile(`${smallest.nemotron_h!}/config.json`, "utf8");
  const config = JSON.parse(own.replaceAll("Infinity", "1e6")) as ModelConfig;
  const pattern = "ME*M".repeat(13);
  await makeRandomModel(at, {
    ...config,
    hybrid_override_pattern: pattern,
    layers_block_type: undefined,
    num_hidden_layers: pattern.length,
  });
  await editSafetensors(at, (header, data) => {
    const [start] = header["backbone.layers.40.mixer.in_proj.weight"]!.data_offsets;
    data.writeUInt16LE(0x7fc0, start + 2 * (5 * 128 + 7));
  });
  return at;
}

test("a weight that is not finite in block 40 of 52 is named, and finished blocks are kept", async () => {
  await scene.expectRefused({
    base: deepModel,
    args: [...fewTuned, "--method", "tuned"],
    code: "BAD_CHECKPOINT",
    keepsParts: true,
    says: /"backbone\.layers\.40\.mixer\.in_proj\.weight" holds 1 NaN .*the first at \[5, 7\]/,
  });
});
