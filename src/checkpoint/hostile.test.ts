import { expect, test } from "vitest";
import { entry, safetensors } from "../../test/hostile/case.ts";
import { hostileCases, withHostileFolder } from "../../test/hostile/corpus.ts";
import { damageBytes, randomInts } from "../../test/hostile/damage.ts";
import { memoryFile as memory } from "../../test/hostile/memory.ts";
import { openCoded } from "../coding/open-coded.ts";
import { OqeError } from "../ground/errors.ts";
import { bytesPerElement } from "../kernel/dtype.ts";
import { architectureFor } from "../models/registry.ts";
import { openFolder } from "./folder.ts";
import { parseJson } from "./json.ts";
import type { ModelConfig } from "./model-config.ts";
import { readHeader } from "./safetensors.ts";

/** As every reader of a checkpoint does next. */
function fold(config: ModelConfig): void {
  architectureFor(config.model_type)?.fold(config);
}

async function open(folder: string): Promise<void> {
  const repository = await openFolder(folder);
  try {
    const { checkpoint } = await openCoded(repository, {});
    fold(checkpoint.config);
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
    const file = damageBytes(seedFile, random);
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
    const damaged = new TextDecoder().decode(damageBytes(seed, random));
    try {
      const value = parseJson(damaged, "config.json");
      if (typeof value === "object" && value !== null) fold(value as ModelConfig);
    } catch (error) {
      expect(error).toBeInstanceOf(OqeError);
      expect((error as OqeError).message).toContain("config.json");
    }
  }
});
