import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { byArchitecture, copyModel, editConfig, removeFolder } from "../../test/support/models.ts";
import { openFolder } from "../checkpoint/folder.ts";
import { type Base, describeConfigChanges, readBase } from "./base.ts";

const folders: string[] = [];
afterAll(() => Promise.all(folders.map(removeFolder)));

/** A copy of the tied qwen3 whose file holds a head, made of the bytes of the embeddings. */
async function withHead(make: (embeddings: Buffer) => Buffer, dtype = "BF16"): Promise<string> {
  const folder = await copyModel(byArchitecture.qwen3!);
  folders.push(folder);
  const path = join(folder, "model.safetensors");
  const file = await readFile(path);
  const start = 8 + Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, start).toString());
  const data = file.subarray(start);
  const { shape, data_offsets } = header["model.embed_tokens.weight"];
  const head = make(Buffer.from(data.subarray(...data_offsets)));
  const end = data.length + head.length;
  header["lm_head.weight"] = { dtype, shape, data_offsets: [data.length, end] };
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  await writeFile(path, Buffer.concat([length, text, data, head]));
  return folder;
}

async function open(folder: string): Promise<Base> {
  const base = await readBase(await openFolder(folder), { allowHeaderOnly: false });
  await base.checkpoint.close();
  return base;
}

const hasHead = ({ tensors }: Base) => tensors.some(({ name }) => name === "lm_head.weight");

/** Changes the lowest bit of the last weight: the two tensors differ in their last piece only. */
function lastBit(bytes: Buffer): Buffer {
  bytes[bytes.length - 2]! ^= 1;
  return bytes;
}

test("a head that differs in one bit is a head of its own, with a warning", async () => {
  const base = await open(await withHead(lastBit));
  expect(base.config.tie_word_embeddings).toBe(false);
  expect(hasHead(base)).toBe(true);
  expect(base.warnings).toEqual([
    expect.stringMatching(/"lm_head.weight" differs from "model.embed_tokens.weight"/),
  ]);
  expect(describeConfigChanges(base).at(-1)).toBe(base.warnings[0]);
});

test("a head of another dtype is a head of its own", async () => {
  const toF32 = (bytes: Buffer) => {
    const wide = Buffer.alloc(2 * bytes.length);
    for (let i = 0; i < bytes.length; i += 2) bytes.copy(wide, 2 * i + 2, i, i + 2);
    return wide;
  };
  expect(hasHead(await open(await withHead(toF32, "F32")))).toBe(true);
});

test("a copy of the embeddings is left out", async () => {
  const base = await open(await withHead((bytes) => bytes));
  expect(base.config.tie_word_embeddings).toBe(true);
  expect(hasHead(base)).toBe(false);
  expect(base.warnings).toEqual([]);
});

test("an untied config keeps its head, even with the values of the embeddings", async () => {
  const folder = await withHead((bytes) => bytes);
  await editConfig(folder, (config) => {
    delete config.tie_word_embeddings;
  });
  const base = await open(folder);
  expect(hasHead(base)).toBe(true);
  expect(base.warnings).toEqual([]);
  expect(describeConfigChanges(base)).toEqual([
    "absent in the base, written with transformers' defaults: `tie_word_embeddings` false",
  ]);
});
