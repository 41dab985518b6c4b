import type { ErrorCode } from "../../src/ground/errors.ts";

/** One hostile model folder, and how it must be refused. */
export interface HostileCase {
  readonly name: string;
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  /**
   * Symbolic links: path -> target, relative to the model folder. Beside that folder is
   * `outside/secret.safetensors`.
   */
  readonly links?: Readonly<Record<string, string>>;
  readonly code: ErrorCode;
  /** What the message must name. */
  readonly names: string;
}

export const goodConfig = '{"model_type": "llama", "torch_dtype": "bfloat16"}';

/** A safetensors file: the length of `header` (or another one), `header`, `data`. */
export function safetensors(
  header: unknown,
  data: number | Uint8Array = 0,
  length?: bigint,
): Uint8Array {
  const text =
    header instanceof Uint8Array
      ? header
      : new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const tail = typeof data === "number" ? new Uint8Array(data) : data;
  const file = new Uint8Array(8 + text.length + tail.length);
  new DataView(file.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  file.set(text, 8);
  file.set(tail, 8 + text.length);
  return file;
}

export function entry(dtype: unknown, shape: unknown, from: unknown, to: unknown) {
  return { dtype, shape, data_offsets: [from, to] };
}

/** A valid shard with one BF16 tensor [2, 2] per name. */
export function shard(...names: string[]): Uint8Array {
  return safetensors(
    Object.fromEntries(names.map((name, i) => [name, entry("BF16", [2, 2], 8 * i, 8 * i + 8)])),
    8 * names.length,
  );
}
