import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Base } from "../../src/base/base.ts";
import { openTokenizer } from "../../src/calibration/tokenizer.ts";
import { inheritFrom } from "../../src/card/inherit.ts";
import { renderCard } from "../../src/card/render.ts";
import { defaultFloors, parseFloors } from "../../src/plan/floors.ts";
import { planTier } from "../../src/plan/plan.ts";
import { tiers } from "../../src/plan/tiers.ts";
import { parseReceipt, writeReceipt } from "../../src/receipt/receipt-file.ts";
import { parseSensitivity } from "../../src/sensitivity/sensitivity-file.ts";
import { embedded, smallest } from "../support/models.ts";
import { nemotronReceipt } from "../support/receipts.ts";
import { memoryRepository } from "./memory.ts";
import { type Target, textOf, utf8 } from "./target.ts";

/** The files of a tokenizer without tokenizer.json, one of which is damaged. */
async function vocabularyTargets(): Promise<readonly Target[]> {
  const text = await readFile(join(smallest.qwen2!, "tokenizer.json"), "utf8");
  const { model, added_tokens: added } = JSON.parse(text);
  const merges = model.merges.map((pair: readonly string[]) => pair.join(" "));
  const decoder = Object.fromEntries(added.map(({ id, ...token }: { id: number }) => [id, token]));
  const settings = { tokenizer_class: "Qwen2Tokenizer", added_tokens_decoder: decoder };
  const special = { eos_token: "</s>", unk_token: "<s>", pad_token: "<pad>" };
  const files: Readonly<Record<string, Uint8Array>> = {
    "config.json": utf8('{"model_type":"qwen2"}'),
    "vocab.json": utf8(JSON.stringify(model.vocab)),
    "merges.txt": utf8(`#version: 0.2\n${merges.join("\n")}\n`),
    "tokenizer_config.json": utf8(JSON.stringify({ ...settings, ...special })),
    "added_tokens.json": utf8('{"<extra>":358}'),
  };
  const changed = ["vocab.json", "merges.txt", "tokenizer_config.json", "added_tokens.json"];
  return changed.map((path) => ({
    name: path,
    seeds: [files[path]!],
    codes: ["UNSUPPORTED_MODEL", "BAD_CHECKPOINT"],
    read: async (document) => {
      const tokenizer = await openTokenizer(memoryRepository({ ...files, [path]: document }));
      const ids = tokenizer.encode("It's a test, 42 日本 <s><extra>\n");
      assert.ok(ids.every((id) => Number.isInteger(id) && id >= 0));
      return true;
    },
  }));
}

/** What the card takes of the base's README.md. */
async function readmeTarget(): Promise<Target> {
  const sound = await readFile(join(embedded, "README.md"), "utf8");
  const own = "---\nlicense: other\nlicense_name: x\nlanguage:\n- en\ntags: &a [b, c]\n---\n";
  return {
    name: "README.md of the base",
    seeds: [sound.slice(0, 2000), own].map(utf8),
    codes: [],
    read: async (document) => {
      const inherited = await inheritFrom(memoryRepository({ "README.md": document }));
      const receipt = nemotronReceipt();
      const changed = { ...receipt, base: { ...receipt.base, inherited } };
      await renderCard(parseReceipt(writeReceipt(changed), "again"));
      return true;
    },
  };
}

/** A sensitivity, as far as the plans that follow from it. */
function plannedTarget(sensitivity: string, base: Base): Target {
  return {
    name: "sensitivity, planned",
    seeds: [utf8(sensitivity)],
    codes: ["BAD_SENSITIVITY", "BAD_INPUT"],
    read: async (document) => {
      const found = parseSensitivity(textOf(document), "sensitivity.json");
      const basis = { sensitivity: found, floors: parseFloors(defaultFloors) };
      for (const tier of tiers) {
        const { bytes, modules } = planTier(tier, base, basis);
        assert.ok(Number.isSafeInteger(bytes) && bytes > 0 && Object.keys(modules).length > 0);
      }
      return true;
    },
  };
}

/** Readers of files beside a base's weights, and of a sensitivity. */
export async function baseFileTargets(sensitivity: string, base: Base): Promise<readonly Target[]> {
  return [...(await vocabularyTargets()), await readmeTarget(), plannedTarget(sensitivity, base)];
}
