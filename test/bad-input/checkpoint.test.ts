import { readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, test } from "vitest";
import { byArchitecture, editConfig, editSafetensors, embedded } from "../support/models.ts";
import { fewTuned, type Refusal, refusalScene, spoiled } from "../support/refusal.ts";

const scene = refusalScene();
const config = (edit: (config: Record<string, unknown>) => void, from = embedded) =>
  spoiled(from, (at) => editConfig(at, edit));
const header = (edit: Parameters<typeof editSafetensors>[1], from = embedded) =>
  spoiled(from, (at) => editSafetensors(at, edit));
const llama = byArchitecture.llama!;

const cases: Refusal[] = [
  {
    what: "an unsupported model_type",
    base: config((c) => {
      c.model_type = "gpt_bigcode";
    }),
    code: "UNSUPPORTED_MODEL",
    says: /"gpt_bigcode".*nemotron_h, llama, mistral, qwen2, qwen3, qwen3_moe/,
  },
  {
    what: "no model_type",
    base: config((c) => {
      delete c.model_type;
    }),
    code: "BAD_CHECKPOINT",
    says: /model_type/,
  },
  {
    what: "an already quantized base",
    base: config((c) => {
      c.quantization = { bits: 4, group_size: 64 };
    }),
    code: "ALREADY_QUANTIZED",
    says: /quantiz/,
  },
  {
    what: "a base with packed weights",
    base: header((h) => {
      const t = h["lm_head.weight"]!;
      t.dtype = "U32";
      t.shape = [t.shape[0]!, t.shape[1]! / 2];
    }),
    code: "ALREADY_QUANTIZED",
    says: /U32/,
  },
  {
    what: "shapes that differ from the config",
    base: config((c) => {
      c.hidden_size = 256;
    }),
    code: "BAD_CHECKPOINT",
    says: /shape \[.*192.*\].*256/,
  },
  {
    what: "more experts than the file has",
    base: config((c) => {
      c.n_routed_experts = 17;
    }),
    code: "BAD_CHECKPOINT",
    says: /experts\.16|\[16, 192\]/,
  },
  {
    what: "a layer pattern of unknown letters",
    base: config((c) => {
      c.hybrid_override_pattern = "MEX";
    }),
    code: "BAD_CHECKPOINT",
    says: /hybrid_override_pattern/,
  },
  {
    what: "too many layers to list",
    base: config((c) => {
      c.num_hidden_layers = 30_000_000;
    }, llama),
    code: "BAD_CHECKPOINT",
    says: /num_hidden_layers.*30000000/,
  },
  {
    what: "too many experts to list",
    base: config((c) => {
      c.n_routed_experts = 1_000_000_000;
    }),
    code: "BAD_CHECKPOINT",
    says: /5000000000 routed experts/,
  },
  {
    what: "more experts per token than there are",
    base: config((c) => {
      c.num_experts_per_tok = 400;
    }),
    code: "BAD_CHECKPOINT",
    says: /400 experts per token out of 16/,
  },
  {
    what: "a config that is not JSON",
    base: spoiled(llama, (at) => writeFile(join(at, "config.json"), "{ nope")),
    code: "BAD_CHECKPOINT",
    says: /config\.json/,
  },
  {
    what: "no config",
    base: spoiled(llama, (at) => rm(join(at, "config.json"))),
    code: "MISSING_FILE",
    says: /config\.json/,
  },
  {
    what: "no weights",
    base: spoiled(llama, (at) => rm(join(at, "model.safetensors"))),
    code: "MISSING_FILE",
    says: /safetensors/,
  },
  {
    what: "no tokenizer",
    base: spoiled(llama, (at) => rm(join(at, "tokenizer.json"))),
    code: "MISSING_FILE",
    says: /tokenizer\.json/,
  },
  {
    what: "a truncated safetensors",
    base: spoiled(llama, (at) => truncate(join(at, "model.safetensors"), 500_000)),
    code: "BAD_CHECKPOINT",
    says: /truncated.*model\.safetensors|model\.safetensors.*truncated/,
  },
  {
    what: "a file that ends after its header",
    base: spoiled(llama, (at) => editSafetensors(at, () => {}).then(() => truncateToHeader(at))),
    code: "BAD_CHECKPOINT",
    says: /model\.safetensors/,
  },
  {
    what: "overlapping tensors",
    base: header((h) => {
      h["lm_head.weight"]!.data_offsets = h["model.embed_tokens.weight"]!.data_offsets;
    }, llama),
    code: "BAD_CHECKPOINT",
    says: /model\.safetensors/,
  },
  {
    what: "a missing tensor",
    base: header((h) => {
      h["model.extra.weight"] = h["model.norm.weight"]!;
      delete h["model.norm.weight"];
    }, llama),
    code: "BAD_CHECKPOINT",
    says: /model\.norm\.weight/,
  },
  {
    what: "an extra tensor",
    base: spoiled(llama, addTensor),
    code: "UNSUPPORTED_MODEL",
    says: /"model\.layers\.0\.mystery\.weight"/,
  },
  {
    what: "an index that names a missing shard",
    base: spoiled(llama, loseShard),
    code: "BAD_CHECKPOINT",
    says: /model-00001-of-00002/,
  },
  {
    what: "NaN among the weights",
    base: spoiled(llama, (at) =>
      editSafetensors(at, (h, data) =>
        data.writeUInt16LE(0x7fc0, h["lm_head.weight"]!.data_offsets[0] + 64),
      ),
    ),
    args: fewTuned,
    code: "BAD_CHECKPOINT",
    says: /"lm_head\.weight".*NaN/,
  },
  {
    what: "NaN in a norm",
    base: spoiled(llama, (at) =>
      editSafetensors(at, (h, data) =>
        data.writeUInt16LE(0xff80, h["model.norm.weight"]!.data_offsets[0] + 6),
      ),
    ),
    code: "BAD_CHECKPOINT",
    says: /"model\.norm\.weight"/,
  },
];

async function truncateToHeader(at: string) {
  const size = Number((await readFile(join(at, "model.safetensors"))).readBigUInt64LE());
  await truncate(join(at, "model.safetensors"), 8 + size);
}

/** Makes the file the second of two shards. The index puts the final norm into the first. */
async function loseShard(at: string) {
  const weightMap: Record<string, string> = {};
  await editSafetensors(at, (h) => {
    for (const name of Object.keys(h)) weightMap[name] = "model-00002-of-00002.safetensors";
    delete weightMap.__metadata__;
    weightMap["model.norm.weight"] = "model-00001-of-00002.safetensors";
  });
  await rename(join(at, "model.safetensors"), join(at, "model-00002-of-00002.safetensors"));
  await writeFile(
    join(at, "model.safetensors.index.json"),
    JSON.stringify({ weight_map: weightMap }),
  );
}

async function addTensor(at: string) {
  await editSafetensors(at, (h) => {
    const end = Math.max(...Object.values(h).map((t) => t.data_offsets?.[1] ?? 0));
    h["model.layers.0.mystery.weight"] = {
      dtype: "BF16",
      shape: [2, 2],
      data_offsets: [end, end + 8],
    };
  });
  await writeFile(join(at, "model.safetensors"), Buffer.alloc(8), { flag: "a" });
}

describe("a run refuses", () => {
  test.each(cases)("$what", (refusal) => scene.expectRefused(refusal));
});
