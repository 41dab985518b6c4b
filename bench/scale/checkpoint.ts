import { copyFile, mkdir, open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ModelConfig } from "../../src/checkpoint/model-config.ts";
import type { Role } from "../../src/models/architecture.ts";
import { expandTable } from "../../src/models/expand.ts";
import { findArchitecture } from "../../src/models/registry.ts";

/** The tokenizer of the embedded model. Its ids are below every vocabulary of a bench. */
const tokenizer = fileURLToPath(new URL("../../test/models/nemotron-nano-tiny/", import.meta.url));

/** Values that all tensors are cut from, each from another place on. */
const noiseValues = 2 ** 23;

/**
 * Writes a base of the shapes of a config in one file: random bf16 weights, scaled so that the
 * activations of every block keep their size. Returns its bytes.
 */
export async function makeScaled(folder: string, config: ModelConfig): Promise<number> {
  await mkdir(folder, { recursive: true });
  const architecture = findArchitecture(config);
  const tensors = expandTable(architecture, architecture.fold(config).config).flatMap(
    ({ role, sources }) => sources.map(({ tensor: name, base: shape }) => ({ role, name, shape })),
  );
  const header: Record<string, unknown> = {};
  let end = 0;
  for (const { role, name, shape } of tensors) {
    const bytes = count(shape) * (role.exemptFromCast === true ? 4 : 2);
    const dtype = role.exemptFromCast === true ? "F32" : "BF16";
    header[name] = { dtype, shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = await open(join(folder, "model.safetensors"), "w");
  await file.write(Buffer.concat([length, text]));
  const noise = new Noise();
  for (const [i, { role, shape }] of tensors.entries())
    for (const part of noise.parts(role, shape, i)) await file.write(part);
  await file.close();
  await writeFile(join(folder, "config.json"), JSON.stringify(config));
  for (const name of ["tokenizer.json", "tokenizer_config.json", "LICENSE"])
    await copyFile(join(tokenizer, name), join(folder, name));
  return end;
}

/** Bf16 noise of about a normal distribution, at any power of two. */
class Noise {
  readonly #units = normal(noiseValues);
  readonly #scaled = new Map<number, Uint8Array>();

  /** The bytes of a tensor, in parts. */
  *parts(role: Role, shape: readonly number[], place: number): Generator<Uint8Array> {
    const size = count(shape);
    if (role.exemptFromCast === true) {
      const values = this.#units.subarray(place, place + size);
      yield new Uint8Array(Float32Array.from(values, (x) => middleOf(role) + x / 8).buffer);
      return;
    }
    if (middleOf(role) !== 0) {
      const values = this.#units.subarray(place, place + size);
      yield halves(Float32Array.from(values, (x) => middleOf(role) + x / 8));
      return;
    }
    const whole = this.#at(Math.round(Math.log2(deviationOf(role, shape))));
    let start = (place * 1_000_003) % noiseValues;
    for (let done = 0; done < size; start = 0) {
      const some = Math.min(size - done, noiseValues - start);
      yield whole.subarray(2 * start, 2 * (start + some));
      done += some;
    }
  }

  #at(exponent: number): Uint8Array {
    const known = this.#scaled.get(exponent);
    const made = known ?? halves(this.#units.map((x) => x * 2 ** exponent));
    this.#scaled.set(exponent, made);
    return made;
  }
}

function middleOf({ role, kind }: Role): number {
  if (kind === "norm" || role.endsWith(".D")) return 1;
  return role.endsWith(".A_log") ? 0.5 : 0;
}

function deviationOf({ kind }: Role, shape: readonly number[]): number {
  if (kind === "bias" || kind === "correction" || kind === "state") return 0.125;
  return kind === "embeddings" ? 0.25 : 1.5 / Math.sqrt(shape.at(-1)!);
}

function count(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Sums of four uniform numbers of a fixed sequence, with variance 1. */
function normal(size: number): Float32Array {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const scale = Math.sqrt(3);
  return Float32Array.from({ length: size }, () => {
    return scale * (uniform() + uniform() + uniform() + uniform());
  });
}

/** Bf16, cut instead of rounded. */
function halves(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  return new Uint8Array(Uint16Array.from(bits, (word) => word >>> 16).buffer);
}
