import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { expect, test } from "vitest";
import { memoryRepository } from "../../test/hostile/memory.ts";
import { utf8 } from "../../test/hostile/target.ts";
import { smallest } from "../../test/support/models.ts";
import { line } from "../ground/schema.ts";
import { describeConfigChanges, readBase } from "./base.ts";

/** The notes about the small llama with another dtype in its config. */
async function notesOf(dtype: unknown): Promise<readonly string[]> {
  const [config, weights] = await Promise.all(
    ["config.json", "model.safetensors"].map((name) => readFile(join(smallest.llama!, name))),
  );
  const text = JSON.stringify({ ...JSON.parse(config!.toString()), torch_dtype: dtype });
  const files = { "config.json": utf8(text), "model.safetensors": weights! };
  return describeConfigChanges(await readBase(memoryRepository(files), { allowHeaderOnly: false }));
}

test("a note names both values", async () => {
  const [note] = await notesOf("float32");
  expect(note).toMatch(/^`torch_dtype` is "bfloat16" \("float32" in the base\): scales, biases/);
});

// A receipt refuses longer lines, and a base whose receipt cannot be written cannot be used.
test.each<[string, unknown]>([
  ["a text of 5,000 characters", "9".repeat(5000)],
  ["a list of 3,000 numbers", new Array(3000).fill(0.5)],
  ["a control character", "b\u0085float16"],
])("a note on %s in the config has room in a receipt", async (_, dtype) => {
  const notes = await notesOf(dtype);
  expect(notes.filter((note) => note.startsWith("`torch_dtype`")).length).toBe(1);
  for (const note of notes) expect(v.is(line, note), note).toBe(true);
});
