import { expect, test } from "vitest";
import { entry, safetensors } from "../../test/hostile/case.ts";
import { hostileCases, withHostileFolder } from "../../test/hostile/corpus.ts";
import { OqeError } from "../ground/errors.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { architectures } from "../models/registry.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { openFolder } from "./folder.ts";
import { parseJson } from "./json.ts";
import type { ModelConfig } from "./model-config.ts";
import type { ByteSource } from "./repository.ts";
import { readHeader } from "./safetensors.ts";

/** As every reader of a checkpoint does next. */
function fold(config: ModelConfig): void {
  architectures.find(({ modelType }) => modelType === config.model_type)?.fold(config);
}

async function open(folder: string): Promise<void> {
  const repository = await openFolder(folder);
  try {
    const { config } = await openCheckpoint(repository);
    fold(config);
  } finally {
    await repository.close?.();
  }
}

test("the corpus has no case twice", () => {
  expect(new Set(hostileCases.map(({ name }) => name)).size).toBe(hostileCases.length);
  expect(hostileCases.length).toBeGreaterThanOrEqual(200);
});

test.each(hostileCases)("refuses $name", async (hostile) => {
  await withHostileFolder(hostile, async (folder) => {
    const error = await open(folder).then(
      () => undefined,
      (thrown) => thrown,
    );
    expect(error).toBeInstanceOf(OqeError);
    const { code, message, hint } = error as OqeError;
    expect({ code, message }).toEqual({
      code: hostile.code,
      message: expect.stringContaining(hostile.names),
    });
    expect(hint).not.toBe("");
    expect(message.length).toBeLessThan(1000);
    expect(message).not.toMatch(/\p{Cc}/u);
  });
});

test("refuses more tensors than any model has", async () => {
  const empty = JSON.stringify(entry("U8", [0], 0, 0));
  const header = `{${Array.from({ length: 250_001 }, (_, i) => `"${i}":${empty}`).join(",")}}`;
  await expect(readHeader(memory(safetensors(header)))).rejects.toThrow(
    "250001 tensors; at most 250000",
  );
});

test("refuses millions of tiny values before they fill the memory", () => {
  expect(() => parseJson(`[${"[],".repeat(4_000_001)}[]]`, "bomb.json")).toThrow(
    /bomb.json.*more than 4000000 values/,
  );
});

/** Deterministic noise: mulberry32. */
function randomInts(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** A file in memory that refuses reads outside of it, as every ByteSource does. */
function memory(file: Uint8Array): ByteSource {
  return {
    name: "memory.safetensors",
    size: file.length,
    read: async (offset, length) => {
      if (offset < 0 || length < 0 || offset + length > file.length)
        throw new Error(`read outside the file: ${offset}+${length}`);
      return file.slice(offset, offset + length);
    },
  };
}

/**
 * One or two byte changes, cuts, insertions or digit changes: the last hits numbers, where the lies
 * are.
 */
function damage(file: Uint8Array, random: (below: number) => number): Uint8Array {
  let bytes = Uint8Array.from(file);
  for (let i = random(2); i >= 0; i--) {
    const at = random(bytes.length);
    const kind = random(5);
    if (kind === 0) bytes[at] = random(256);
    if (kind === 1) bytes[at]! ^= 1 << random(8);
    if (kind === 2) bytes = bytes.slice(0, at + 1);
    if (kind === 3)
      bytes = Uint8Array.from([...bytes.slice(0, at), random(256), ...bytes.slice(at)]);
    const digits = [...bytes.keys()].filter((k) => k > 8 && bytes[k]! >= 0x30 && bytes[k]! <= 0x39);
    if (kind === 4 && digits.length > 0) bytes[digits[random(digits.length)]!] = 0x30 + random(10);
  }
  return bytes;
}

const seedFile = safetensors(
  {
    __metadata__: { format: "pt" },
    "a.weight": entry("BF16", [4, 3], 0, 24),
    "b.weight": entry("F32", [5], 24, 44),
    empty: entry("F16", [0, 7], 44, 44),
    scalar: entry("I64", [], 44, 52),
  },
  52,
);

test("3000 damaged headers: sound tensors or a refusal, nothing else", async () => {
  const random = randomInts(20261124);
  let sound = 0;
  for (let i = 0; i < 3000; i++) {
    const file = damage(seedFile, random);
    try {
      const { tensors } = await readHeader(memory(file));
      let reached = tensors[0]?.start ?? file.length;
      for (const { dtype, shape, start, end } of tensors) {
        expect(start).toBe(reached);
        expect(end - start).toBe(shape.reduce((n, size) => n * size, bytesPerElement[dtype]!));
        reached = end;
      }
      expect(reached).toBe(file.length);
      sound++;
    } catch (error) {
      expect(error).toBeInstanceOf(OqeError);
      expect((error as OqeError).code).toBe("BAD_CHECKPOINT");
      expect((error as OqeError).message).toContain("memory.safetensors");
    }
  }
  expect(sound).toBeGreaterThan(100);
  expect(sound).toBeLessThan(2500);
});

test("2000 damaged configs: a config or a refusal, nothing else", () => {
  const random = randomInts(7);
  const text =
    '{"model_type":"nemotron_h","dtype":"float16","layers_block_type":["mamba","moe"],"rope_parameters":{"rope_theta":1e4,"rope_type":"yarn"},"time_step_limit":[0.0,{"__float__":"Infinity"}],"x":-Infinity}';
  const seed = new TextEncoder().encode(text);
  for (let i = 0; i < 2000; i++) {
    const damaged = new TextDecoder().decode(damage(seed, random));
    try {
      const value = parseJson(damaged, "config.json");
      if (typeof value === "object" && value !== null) fold(value as ModelConfig);
    } catch (error) {
      expect(error).toBeInstanceOf(OqeError);
      expect((error as OqeError).message).toContain("config.json");
    }
  }
});
