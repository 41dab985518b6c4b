import { entry, goodConfig, type HostileCase, safetensors, shard } from "./case.ts";

const index = "model.safetensors.index.json";
const one = "model-00001-of-00002.safetensors";
const two = "model-00002-of-00002.safetensors";
const sharded = `{"weight_map": {"a": "${one}", "b": "${two}"}}`;
const sound = { "config.json": goodConfig, "model.safetensors": shard("w") };
const twoShards = { "config.json": goodConfig, [one]: shard("a"), [two]: shard("b") };

/** Texts of an index beside two sound shards that hold "a" and "b". */
const indexes: Record<string, string> = {
  "index empty": "",
  "index not JSON": "weight_map: {}",
  "index array": "[]",
  "index null": "null",
  "index string": '"weight_map"',
  "index cut": `{"weight_map": {"a": "${one}", "b"`,
  "index without weight_map": '{"metadata": {"total_size": 16}}',
  "weight_map null": '{"weight_map": null}',
  "weight_map array": `{"weight_map": ["${one}"]}`,
  "weight_map string": `{"weight_map": "${one}"}`,
  "weight_map empty": '{"weight_map": {}}',
  "file null": `{"weight_map": {"a": null, "b": "${two}"}}`,
  "file number": `{"weight_map": {"a": 1, "b": "${two}"}}`,
  "file list": `{"weight_map": {"a": ["${one}"], "b": "${two}"}}`,
  "file object with a toString": '{"weight_map": {"a": {"toString": 1}}}',
  "file empty": `{"weight_map": {"a": "", "b": "${two}"}}`,
  "file missing": `{"weight_map": {"a": "model-00001-of-00003.safetensors", "b": "${two}"}}`,
  "every file missing (copied from another model)":
    '{"weight_map": {"a": "model-00001-of-00009.safetensors", "b": "x.safetensors"}}',
  "file above the folder": `{"weight_map": {"a": "../outside/secret.safetensors", "b": "${two}"}}`,
  "file above the folder, by a detour": `{"weight_map": {"a": "sub/../../outside/secret.safetensors", "b": "${two}"}}`,
  "file above the folder, with backslashes": `{"weight_map": {"a": "..\\\\outside\\\\secret.safetensors", "b": "${two}"}}`,
  "file absolute": '{"weight_map": {"a": "/etc/passwd.safetensors"}}',
  "file on a drive": '{"weight_map": {"a": "C:evil.safetensors"}}',
  "file at a URL": '{"weight_map": {"a": "https://example.com/a.safetensors"}}',
  "file spelled with a dot": `{"weight_map": {"a": "./${one}", "b": "${two}"}}`,
  "file with NUL": `{"weight_map": {"a": "${one}\\u0000", "b": "${two}"}}`,
  "file with a trailing space": `{"weight_map": {"a": "${one} ", "b": "${two}"}}`,
  "file called __proto__": '{"weight_map": {"a": "__proto__"}}',
  "file a pickle": '{"weight_map": {"a": "pytorch_model.bin"}}',
  "file the index itself": `{"weight_map": {"a": "${index}"}}`,
  "file the config": '{"weight_map": {"a": "config.json"}}',
  "tensor twice": `{"weight_map": {"a": "${one}", "a": "${two}", "b": "${two}"}}`,
  "index with a tensor called __proto__": `{"weight_map": {"__proto__": "${one}", "a": "${one}", "b": "${two}"}}`,
  "tensor only in the index": `{"weight_map": {"a": "${one}", "b": "${two}", "c": "${two}"}}`,
  "tensor only in a shard": `{"weight_map": {"x": "${one}", "b": "${two}"}}`,
  "tensors swapped": `{"weight_map": {"a": "${two}", "b": "${one}"}}`,
  "tensor in the wrong shard": `{"weight_map": {"a": "${one}", "b": "${one}"}}`,
  "index nested deep": `{"weight_map": ${'{"a":'.repeat(50_000)}`,
};

const quantizedTensors: Record<string, Record<string, unknown>> = {
  "packed words": { "w.weight": entry("U32", [2], 0, 8) },
  "packed integers": { "w.weight": entry("I32", [2], 0, 8) },
  "bytes of codes": { "w.weight": entry("U8", [8], 0, 8) },
  "signed bytes of codes": { "w.weight": entry("I8", [8], 0, 8) },
  "8-bit floats": { "w.weight": entry("F8_E4M3", [8], 0, 8) },
  "other 8-bit floats": { "w.weight": entry("F8_E5M2", [8], 0, 8) },
  "scales beside a weight": {
    "w.weight": entry("BF16", [2], 0, 4),
    "w.scales": entry("BF16", [2], 4, 8),
  },
  "an inverse scale": {
    "w.weight": entry("BF16", [2], 0, 4),
    "w.weight_scale_inv": entry("F32", [1], 4, 8),
  },
  "a weight scale": {
    "w.weight": entry("BF16", [2], 0, 4),
    "w.weight_scale": entry("F32", [1], 4, 8),
  },
};

const sets: Record<
  string,
  [files: Record<string, string | Uint8Array>, code: HostileCase["code"], names: string]
> = {
  "no config": [{ "model.safetensors": shard("w") }, "MISSING_FILE", "config.json"],
  "nothing but a config": [{ "config.json": goodConfig }, "MISSING_FILE", ".safetensors"],
  "only PyTorch weights": [
    { "config.json": goodConfig, "pytorch_model.bin": "PK" },
    "MISSING_FILE",
    "pytorch_model.bin",
  ],
  "only GGUF weights": [
    { "config.json": goodConfig, "model-Q4_K_M.gguf": "GGUF" },
    "MISSING_FILE",
    "model-Q4_K_M.gguf",
  ],
  "GGUF without a config, as on the Hub": [
    { "README.md": "", "model-Q4_K_M.gguf": "GGUF" },
    "MISSING_FILE",
    "its weights as GGUF",
  ],
  "weights below a folder only": [
    { "config.json": goodConfig, "sub/model.safetensors": shard("w") },
    "MISSING_FILE",
    ".safetensors",
  ],
  "weights below a dot-folder only": [
    { "config.json": goodConfig, ".cache/model.safetensors": shard("w") },
    "MISSING_FILE",
    ".safetensors",
  ],
  "first shard missing": [{ "config.json": goodConfig, [two]: shard("b") }, "BAD_CHECKPOINT", one],
  "last shard missing": [{ "config.json": goodConfig, [one]: shard("a") }, "BAD_CHECKPOINT", two],
  "99,998 shards missing": [
    { "config.json": goodConfig, "model-00001-of-99999.safetensors": shard("a") },
    "BAD_CHECKPOINT",
    "model-00002-of-99999",
  ],
  "shard 3 of 2": [
    { ...twoShards, "model-00003-of-00002.safetensors": shard("c") },
    "BAD_CHECKPOINT",
    "model-00003-of-00002",
  ],
  "shard 0 of 2": [
    { ...twoShards, "model-00000-of-00002.safetensors": shard("c") },
    "BAD_CHECKPOINT",
    "model-00000-of-00002",
  ],
  "shard 0 of 0": [
    { "config.json": goodConfig, "model-00000-of-00000.safetensors": shard("c") },
    "BAD_CHECKPOINT",
    "model-00000-of-00000",
  ],
  "two counts": [
    { ...twoShards, "model-00001-of-00003.safetensors": shard("c") },
    "BAD_CHECKPOINT",
    "model-00001-of-00003",
  ],
  "a single file beside shards": [
    { ...twoShards, "model.safetensors": shard("c") },
    "BAD_CHECKPOINT",
    "model.safetensors",
  ],
  "two files of other names": [
    { "config.json": goodConfig, "x.safetensors": shard("a"), "y.safetensors": shard("b") },
    "BAD_CHECKPOINT",
    "y.safetensors",
  ],
  "a name in two shards": [{ ...twoShards, [two]: shard("b", "a") }, "BAD_CHECKPOINT", two],
  "a name in two indexed shards": [
    {
      ...twoShards,
      [two]: shard("b", "a"),
      [index]: sharded,
    },
    "BAD_CHECKPOINT",
    two,
  ],
  "second of two shards truncated": [
    { ...twoShards, [two]: shard("b").subarray(0, -1) },
    "BAD_CHECKPOINT",
    two,
  ],
  "index beside a truncated shard": [
    {
      ...twoShards,
      [one]: shard("a").subarray(0, 12),
      [index]: sharded,
    },
    "BAD_CHECKPOINT",
    one,
  ],
  "a single file beside shards with another tensor, and an index": [
    { ...twoShards, "model.safetensors": shard("a"), [index]: sharded },
    "BAD_CHECKPOINT",
    two,
  ],
  "a single file beside a shard of another shape": [
    {
      ...sound,
      "model-00001-of-00002.safetensors": safetensors({ w: entry("BF16", [4], 0, 8) }, 8),
    },
    "BAD_CHECKPOINT",
    one,
  ],
  "an index of a tensor that no shard holds, beside one that it omits": [
    { ...twoShards, [two]: shard("b", "c"), [index]: sharded.replace('"b"', '"d"') },
    "BAD_CHECKPOINT",
    index,
  ],
};

const links: Record<
  string,
  [links: Record<string, string>, code: HostileCase["code"], names: string]
> = {
  "link out of the folder": [
    { "model.safetensors": "../outside/secret.safetensors" },
    "BAD_INPUT",
    "model.safetensors",
  ],
  "absolute link out of the folder": [
    { "model.safetensors": "/dev/zero" },
    "BAD_INPUT",
    "model.safetensors",
  ],
  "link to a folder outside": [{ sub: "../outside" }, "BAD_INPUT", "sub"],
  "link to the parent": [{ sub: ".." }, "BAD_INPUT", "sub"],
  "link to a sibling whose name starts alike": [
    { "model.safetensors": "../model-evil/secret.safetensors" },
    "BAD_INPUT",
    "model.safetensors",
  ],
  "link to nothing": [
    { "model.safetensors": "gone.safetensors" },
    "BAD_CHECKPOINT",
    "model.safetensors",
  ],
  "link to itself": [
    { "model.safetensors": "model.safetensors" },
    "BAD_CHECKPOINT",
    "model.safetensors",
  ],
  "two links in a circle": [
    { "model.safetensors": "b", b: "model.safetensors" },
    "BAD_CHECKPOINT",
    "model",
  ],
};

export const repositoryCases: readonly HostileCase[] = [
  ...Object.entries(indexes).map(
    ([name, text]): HostileCase => ({
      name,
      files: { ...twoShards, [index]: text },
      code: "BAD_CHECKPOINT",
      names: index,
    }),
  ),
  ...Object.entries(quantizedTensors).map(
    ([name, header]): HostileCase => ({
      name,
      files: { ...sound, "model.safetensors": safetensors(header, 8) },
      code: "ALREADY_QUANTIZED",
      names: Object.keys(header).at(-1)!,
    }),
  ),
  ...Object.entries(sets).map(
    ([name, [files, code, names]]): HostileCase => ({ name, files, code, names }),
  ),
  ...Object.entries(links).map(
    ([name, [targets, code, names]]): HostileCase => ({
      name,
      files: { "config.json": goodConfig },
      links: targets,
      code,
      names,
    }),
  ),
];
