import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { runCli } from "../support/cli-run.ts";
import { smallest } from "../support/models.ts";
import { fewTuned, type Refusal, refusalScene, spoiled } from "../support/refusal.ts";

/** Calibration text and tokenizers that cannot be used, through the whole command. */
const scene = refusalScene(async ({ folder, hub }) => {
  await mkdir(`${folder}/texts`);
  await writeFile(`${folder}/texts/empty.txt`, "");
  await hub.seed("datasets/acme/texts", `${folder}/texts`);
});
const llama = smallest.llama!;
const hybrid = smallest.nemotron_h!;
const tuned = ["--method", "tuned", ...fewTuned];
const whole = (base: string) => async () => base;

describe("calibration text is refused", () => {
  const sentence = "Not enough for two rows.";
  test.each<readonly [what: string, file: string, content: string | Uint8Array, says: RegExp]>([
    ["of no bytes", "none.txt", "", /none\.txt is empty/],
    ["of blanks", "blank.txt", " \n\n \n", /blank\.txt holds no text/],
    [
      "of objects without text",
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
      "that is too short for the rows",
      "short.txt",
      sentence,
      /short\.txt is too short: 2 rows of 32 tokens are needed \(64 tokens\), its \d+ tokens give [01]/,
    ],
    [
      "in another format",
      "rows.parquet",
      "PAR1",
      /rows\.parquet is of no format.*\.txt, \.jsonl, \.json/,
    ],
    ["with a broken line", "broken.jsonl", '{"text": "a"}\n{"text": \n', /broken\.jsonl, line 2/],
  ])("%s", async (_, file, content, says) => {
    const path = `${scene.folder}/${file}`;
    await writeFile(path, content);
    await scene.expectRefused({
      base: whole(llama),
      args: [...tuned, "--calibration", path],
      code: "BAD_INPUT",
      says,
    });
  });

  test("of chats, for a base without chat template", async () => {
    const path = `${scene.folder}/chats.jsonl`;
    await writeFile(path, '{"messages": [{"role": "user", "content": "Hello"}]}\n');
    await scene.expectRefused({
      base: spoiled(llama, (at) => rm(join(at, "chat_template.jinja"))),
      args: [...tuned, "--calibration", path],
      code: "BAD_INPUT",
      says: /chats\.jsonl, line 1 is a chat \("messages"\), but \S+ has no chat template/,
    });
  });

  test.each([
    ["a missing file", "./nowhere.txt", "BAD_INPUT", /nowhere\.txt does not exist/],
    ["a folder", hybrid, "BAD_INPUT", /nemotron_h is not a file/],
    [
      "a name that is neither file nor dataset",
      "some words",
      "BAD_INPUT",
      /"some words" is neither/,
    ],
    ["a missing dataset", "datasets/acme/absent/a.txt", "NOT_FOUND", /acme\/absent/],
    ["a file missing from its dataset", "datasets/acme/texts/a.txt", "NOT_FOUND", /a\.txt/],
    ["a missing revision of its dataset", "datasets/acme/texts@v9/empty.txt", "NOT_FOUND", /v9/],
    [
      "an empty file of a dataset",
      "datasets/acme/texts/empty.txt",
      "BAD_INPUT",
      /empty\.txt is empty/,
    ],
  ])("%s", (_, calibration, code, says) =>
    scene.expectRefused({
      base: whole(llama),
      args: [...tuned, "--calibration", calibration],
      code,
      says,
    }),
  );
});

describe("a tokenizer is refused", () => {
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
      "of a model type that the library does not know",
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
    ["without a model", text("{}"), "UNSUPPORTED_MODEL", /tokenizer\.json cannot be used/],
    ["that is not JSON", text("{ nope"), "BAD_CHECKPOINT", /tokenizer\.json is not JSON/],
    [
      "in tokenizer.model only",
      spoiled(llama, (at) => rename(join(at, "tokenizer.json"), join(at, "tokenizer.model"))),
      "MISSING_FILE",
      /has no tokenizer\.json, nor vocab\.json with merges\.txt.*: tuning reads text/,
    ],
  ])("%s", (_, base, code, says) => scene.expectRefused({ base, args: tuned, code, says }));

  test("is not needed by method rounded, which warns", async () => {
    const model = await text("{}")();
    const args = [
      "quantize",
      model,
      "--out",
      `${scene.folder}/no-tokenizer`,
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
