import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LocalHub, type SeenRequest, startLocalHub } from "../src/local-hub/local-hub.ts";
import { runCli } from "./support/cli-run.ts";
import {
  castModel,
  editConfig,
  editSafetensors,
  embedded,
  removeFolder,
  scratchFolder,
  smallest,
} from "./support/models.ts";
import { expectRefused, type Refusal, spoiled } from "./support/refusal.ts";

/** Bad input of tuning through the whole command: text, tokenizers, weights and configs. */
let folder: string;
let hub: LocalHub;
const seen: SeenRequest[] = [];

beforeAll(async () => {
  folder = await scratchFolder();
  await mkdir(`${folder}/hub/datasets/acme/texts`, { recursive: true });
  await writeFile(`${folder}/hub/datasets/acme/texts/empty.txt`, "");
  hub = await startLocalHub({
    folder: `${folder}/hub`,
    onRequest: (request) => seen.push(request),
  });
});

afterAll(async () => {
  await hub.close();
  await removeFolder(folder);
});

const llama = smallest.llama!;
const hybrid = smallest.nemotron_h!;
const few = [
  "--calibration-samples",
  "2",
  "--calibration-length",
  "32",
  "--tiers",
  "oQ4e",
  "--evaluation-samples",
  "1",
  "--policy",
  "oq",
];
const tuned = ["--method", "tuned", ...few];
const whole = (base: string) => async () => base;

const refuse = (refusal: Omit<Refusal, "what">) =>
  expectRefused({ what: "", ...refusal }, { hub, seen, work: `${folder}/work` });

describe("options", () => {
  test.each([
    ["a method that is none", ["--method", "gptq"], /method: "gptq" is not one of/],
    [
      "a propagation that is none",
      [...tuned, "--propagation", "both"],
      /propagation: "both".*reference, sequential/,
    ],
    ["rounding as MLX does, tuned", [...tuned, "--rounding", "mlx"], /rounding mlx .*method tuned/],
    ["no rows", ["--method", "tuned", "--calibration-samples", "0"], /calibration-samples: "0"/],
    [
      "rows of no length",
      ["--method", "tuned", "--calibration-length", "1"],
      /calibration-length: "1"/,
    ],
  ])("%s", (_, args, says) => refuse({ base: whole(llama), args, code: "BAD_INPUT", says }));
});

describe("calibration text", () => {
  const sentence = "Not enough for two rows.";
  test.each<readonly [what: string, file: string, content: string | Uint8Array, says: RegExp]>([
    ["of no bytes", "none.txt", "", /none\.txt is empty/],
    ["of blanks", "blank.txt", " \n\n \n", /blank\.txt holds no text/],
    [
      "of objects without words",
      "blank.jsonl",
      '{"text": ""}\n{"text": "  "}\n',
      /blank\.jsonl holds no text/,
    ],
    [
      "in Latin-1",
      "latin1.txt",
      Buffer.from("Müller ".repeat(500), "latin1"),
      /latin1\.txt is not UTF-8/,
    ],
    [
      "in UTF-16",
      "utf16.txt",
      Buffer.from("Miller ".repeat(500), "utf16le"),
      /utf16\.txt holds a zero byte/,
    ],
    [
      "cut within a character",
      "cut.txt",
      Buffer.from("… ".repeat(500)).subarray(0, 1998),
      /cut\.txt is not UTF-8/,
    ],
    [
      "for less than the rows",
      "short.txt",
      sentence,
      /short\.txt is too short: 2 rows of 32 tokens are needed \(64 tokens\), its \d+ tokens give [01]/,
    ],
    [
      "of another format",
      "rows.parquet",
      "PAR1",
      /rows\.parquet is of no format.*\.txt, \.jsonl, \.json/,
    ],
    ["with a broken line", "broken.jsonl", '{"text": "a"}\n{"text": \n', /broken\.jsonl, line 2/],
  ])("%s", async (_, file, content, says) => {
    const path = `${folder}/${file}`;
    await writeFile(path, content);
    await refuse({
      base: whole(llama),
      args: [...tuned, "--calibration", path],
      code: "BAD_INPUT",
      says,
    });
  });

  test.each([
    ["a file that is not there", "./nowhere.txt", "BAD_INPUT", /nowhere\.txt does not exist/],
    ["a folder", hybrid, "BAD_INPUT", /nemotron_h is not a file/],
    ["what is neither file nor dataset", "some words", "BAD_INPUT", /"some words" is neither/],
    ["a dataset that is not there", "datasets/acme/absent/a.txt", "NOT_FOUND", /acme\/absent/],
    ["a file that its dataset lacks", "datasets/acme/texts/a.txt", "NOT_FOUND", /a\.txt/],
    ["a revision that its dataset lacks", "datasets/acme/texts@v9/empty.txt", "NOT_FOUND", /v9/],
    [
      "an empty file of a dataset",
      "datasets/acme/texts/empty.txt",
      "BAD_INPUT",
      /empty\.txt is empty/,
    ],
  ])("%s", (_, calibration, code, says) =>
    refuse({ base: whole(llama), args: [...tuned, "--calibration", calibration], code, says }),
  );
});

describe("a tokenizer", () => {
  interface Definition {
    model: { type: string; vocab: Record<string, number> };
    pre_tokenizer: object;
  }
  const tokenizer = (edit: (definition: Definition) => void) =>
    spoiled(llama, async (at) => {
      const path = join(at, "tokenizer.json");
      const definition = JSON.parse(await readFile(path, "utf8"));
      edit(definition);
      await writeFile(path, JSON.stringify(definition));
    });
  const text = (content: string) =>
    spoiled(llama, (at) => writeFile(join(at, "tokenizer.json"), content));

  test.each<readonly [what: string, base: Refusal["base"], code: string, says: RegExp]>([
    [
      "with ids outside of the vocabulary",
      tokenizer((definition) => {
        definition.model.vocab.e = 9000;
      }),
      "BAD_CHECKPOINT",
      /tokenizer\.json gives token 9000, outside of the model's vocabulary of 384/,
    ],
    [
      "with the first id after the vocabulary",
      tokenizer((definition) => {
        definition.model.vocab.e = 384;
      }),
      "BAD_CHECKPOINT",
      /gives token 384, outside/,
    ],
    [
      "of a kind that the library does not know",
      tokenizer((definition) => {
        definition.model.type = "Oracle";
      }),
      "UNSUPPORTED_MODEL",
      /tokenizer\.json cannot be used by @huggingface\/tokenizers.*"Oracle"/,
    ],
    [
      "with a step that the library does not know",
      tokenizer((definition) => {
        definition.pre_tokenizer = { type: "Magic" };
      }),
      "UNSUPPORTED_MODEL",
      /tokenizer\.json cannot be used/,
    ],
    ["of nothing", text("{}"), "UNSUPPORTED_MODEL", /tokenizer\.json cannot be used/],
    ["that is no JSON", text("{ nope"), "BAD_CHECKPOINT", /tokenizer\.json is not JSON/],
    [
      "in another file than the one that can be read",
      spoiled(llama, (at) => rename(join(at, "tokenizer.json"), join(at, "tokenizer.model"))),
      "MISSING_FILE",
      /has no tokenizer\.json: tuning reads text/,
    ],
  ])("%s", (_, base, code, says) => refuse({ base, args: tuned, code, says }));

  test("is no matter of method rounded", async () => {
    const model = await text("{}")();
    const args = [
      "quantize",
      model,
      "--out",
      `${folder}/no-tokenizer`,
      "--tiers",
      "oQ4e",
      "--method",
      "rounded",
    ];
    const stderr = expect.stringMatching(
      /warning: the tiers will not be evaluated: .*tokenizer\.json/,
    );
    expect(await runCli(args)).toMatchObject({ code: 0, stderr });
  });
});

describe("weights that are not finite are named with their place", () => {
  const bits = { NaN: 0x7fc0, Inf: 0x7f80, "-Inf": 0xff80 } as const;
  /** A base (BF16) with one value of a tensor replaced. */
  const poisoned = (from: string, tensor: string, element: number, value: keyof typeof bits) =>
    spoiled(from, (at) =>
      editSafetensors(at, (header, data) => {
        data.writeUInt16LE(bits[value], header[tensor]!.data_offsets[0] + 2 * element);
      }),
    );

  const layer = "backbone.layers";
  const places = [
    [
      "a quantized tensor",
      hybrid,
      `${layer}.0.mixer.in_proj.weight`,
      300 * 128 + 7,
      "NaN",
      "[300, 7]",
    ],
    [
      "a quantized tensor",
      hybrid,
      `${layer}.3.mixer.o_proj.weight`,
      127 * 128 + 127,
      "-Inf",
      "[127, 127]",
    ],
    ["the embeddings", hybrid, "backbone.embeddings.weight", 5, "Inf", "[0, 5]"],
    [
      "embeddings that are the head",
      smallest.qwen3!,
      "model.embed_tokens.weight",
      383 * 128,
      "NaN",
      "[383, 0]",
    ],
    [
      "embeddings that every row reads",
      smallest.qwen3!,
      "model.embed_tokens.weight",
      71 * 128,
      "NaN",
      "[71, 0]",
    ],
    ["the head", hybrid, "lm_head.weight", 383 * 128 + 1, "NaN", "[383, 1]"],
    ["an expert", hybrid, `${layer}.1.mixer.experts.0.up_proj.weight`, 64, "Inf", "[0, 64]"],
    [
      "the last expert",
      hybrid,
      `${layer}.4.mixer.experts.7.down_proj.weight`,
      127 * 64 + 3,
      "NaN",
      "[127, 3]",
    ],
    ["a kept matrix", hybrid, `${layer}.1.mixer.gate.weight`, 7 * 128 + 2, "NaN", "[7, 2]"],
    ["a kept vector", hybrid, `${layer}.2.norm.weight`, 3, "-Inf", "[3]"],
    ["a convolution", hybrid, `${layer}.2.mixer.conv1d.weight`, 191 * 4 + 1, "NaN", "[191, 0, 1]"],
    ["a kept scalar a head", hybrid, `${layer}.0.mixer.A_log`, 7, "NaN", "[7]"],
  ] as const;
  const both = places.flatMap((place) =>
    (["tuned", "rounded"] as const).map((method) => [method, ...place] as const),
  );

  test.each(both)("%s: %s", (method, _, from, tensor, element, value, place) => {
    const says = new RegExp(
      `tensor "${tensor}" holds 1 NaN or infinite values, the first at ${place}`.replace(
        /[[\].]/g,
        "\\$&",
      ),
    );
    const base = poisoned(from, tensor, element, value);
    return refuse({ base, args: [...few, "--method", method], code: "BAD_CHECKPOINT", says });
  });

  test.each(["tuned", "rounded"])("%s: a kept one beyond the storage dtype's range", (method) => {
    const base = async () => {
      const copy = await castModel(llama, "F32", "wide");
      await editConfig(copy, (config) => {
        config.torch_dtype = "float16";
      });
      await editSafetensors(copy, (header, data) => {
        data.writeFloatLE(1e6, header["model.norm.weight"]!.data_offsets[0] + 4 * 100);
      });
      return copy;
    };
    const says = /"model\.norm\.weight" holds 1 .*beyond the range/;
    return refuse({ base, args: [...few, "--method", method], code: "BAD_CHECKPOINT", says });
  });

  test("and so are activations", () => {
    const base = spoiled(llama, (at) =>
      editSafetensors(at, (header, data) => {
        // Finite, but its squares are not.
        const [start, end] = header["model.layers.0.mlp.up_proj.weight"]!.data_offsets;
        for (let at = start; at < end; at += 2) data.writeUInt16LE(0x7e80, at);
      }),
    );
    const says = /activations of \d+ rows are not finite at layer \d+, [a-z.]+; at most 1 %/;
    return refuse({ base, args: tuned, code: "BAD_CHECKPOINT", says });
  });
});

describe("a config", () => {
  type Config = Record<string, unknown>;
  const config = (from: string, edit: (config: Config) => void) =>
    spoiled(from, (at) => editConfig(at, edit));
  const rope = (scaling: unknown, from = llama) =>
    config(from, (c) => {
      c.rope_scaling = scaling;
    });
  const pattern = (text: string) =>
    config(embedded, (c) => {
      c.hybrid_override_pattern = text;
      c.num_hidden_layers = text.length;
    });

  test.each<readonly [what: string, base: Refusal["base"], code: string, says: RegExp]>([
    [
      "with a rope of no type",
      rope({ rope_type: "spiral" }),
      "UNSUPPORTED_MODEL",
      /"spiral".*default, linear, llama3/,
    ],
    [
      "with a rope that only layers of a kind have",
      rope({ type: "longrope", factor: 4 }, smallest.qwen3_moe!),
      "UNSUPPORTED_MODEL",
      /rope type "longrope"/,
    ],
    [
      "with a rope type that is no word",
      rope({ rope_type: 4 }),
      "UNSUPPORTED_MODEL",
      /rope type 4/,
    ],
    [
      "with a rope that shrinks to nothing",
      rope({ type: "linear", factor: 0 }),
      "BAD_CHECKPOINT",
      /"factor".*got 0/,
    ],
    [
      "with a rope that is no object",
      rope("linear"),
      "BAD_CHECKPOINT",
      /"rope_scaling" should be an object/,
    ],
    [
      "with an activation that we do not compute",
      config(llama, (c) => {
        c.hidden_act = "swish2";
      }),
      "UNSUPPORTED_MODEL",
      /"hidden_act" is "swish2"/,
    ],
    [
      "whose pattern names a block of another kind",
      pattern("MEME*MEMEME"),
      "BAD_CHECKPOINT",
      /backbone\.layers\.[45]\.mixer/,
    ],
    [
      "whose pattern is longer than the model",
      pattern("MEMEM*EMEMEM"),
      "BAD_CHECKPOINT",
      /backbone\.layers\.11/,
    ],
    [
      "whose pattern is shorter than the model",
      pattern("MEMEM*EMEM"),
      "UNSUPPORTED_MODEL",
      /backbone\.layers\.10.*no role/,
    ],
    [
      "whose pattern is not as long as it says",
      config(embedded, (c) => {
        c.num_hidden_layers = 10;
      }),
      "BAD_CHECKPOINT",
      /"hybrid_override_pattern" names 11 blocks, "num_hidden_layers" says 10/,
    ],
    [
      "whose heads do not fit its tensors",
      config(llama, (c) => {
        c.num_attention_heads = 8;
      }),
      "BAD_CHECKPOINT",
      /q_proj.*\[128, 128\].*\[256, 128\]/,
    ],
    [
      "whose groups of heads are no groups",
      config(embedded, (c) => {
        c.n_groups = 3;
      }),
      "BAD_CHECKPOINT",
      /n_groups|shape/,
    ],
  ])("%s", (_, base, code, says) => refuse({ base, args: tuned, code, says }));

  const rounded = ["--tiers", "oQ4e", "--method", "rounded"];

  test("with a rope of no type is not rounded either: mlx-lm could not load it", async () => {
    const model = await rope({ rope_type: "spiral" })();
    const stderr = expect.stringMatching(/rope type "spiral"; mlx-lm computes .*UNSUPPORTED_MODEL/);
    const args = ["quantize", model, "--out", `${folder}/spiral`, ...rounded];
    expect(await runCli(args)).toMatchObject({ code: 1, stderr });
  });

  test("with a sliding window is rounded, with a warning that mlx-lm has none", async () => {
    const model = await config(smallest.qwen3!, (c) => {
      Object.assign(c, { layer_types: null, use_sliding_window: true, sliding_window: 64 });
      c.max_window_layers = 0;
    })();
    const stderr = expect.stringMatching(
      /warning: .*"sliding_window" is 64; mlx-lm's "qwen3" attends to all positions/,
    );
    const args = ["quantize", model, "--out", `${folder}/window`, ...rounded];
    expect(await runCli(args)).toMatchObject({ code: 0, stderr });
  });
});
