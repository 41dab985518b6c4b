import { copyFileSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Architecture, Role } from "../../src/models/architecture.ts";
import { readTensors, type StoredBytes, writeTensors } from "./safetensors.ts";

export type Tensors = Map<string, StoredBytes>;

/** A base with the values of another base in another layout. */
export interface BaseLayout {
  /** Changes the layout of the tensors. */
  readonly store: (tensors: Tensors) => void;
  /** What the role table declares for it, by role. */
  readonly roles: Readonly<Record<string, Partial<Role>>>;
}

/** Writes the base in `from` to `folder`, its tensors changed by `store`. */
export function rewriteBase(
  from: string,
  folder: string,
  store: (tensors: Tensors) => void,
): string {
  mkdirSync(folder, { recursive: true });
  for (const file of readdirSync(from))
    if (/\.(json|jinja)$/.test(file)) copyFileSync(join(from, file), join(folder, file));
  const tensors = readTensors(join(from, "model.safetensors"));
  store(tensors);
  writeTensors(join(folder, "model.safetensors"), tensors);
  return folder;
}

/** The architecture with other rows for some roles. */
export function withRoles(architecture: Architecture, roles: BaseLayout["roles"]): Architecture {
  const refit = (role: Role): Role => ({ ...role, ...roles[role.role] });
  return {
    ...architecture,
    outer: architecture.outer.map(refit),
    roles: (kind) => architecture.roles(kind).map(refit),
  };
}

/** Takes tensors out, one after the other. */
export function take(tensors: Tensors, names: readonly string[]): StoredBytes[] {
  return names.map((name) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) throw new Error(`no tensor ${name}`);
    tensors.delete(name);
    return tensor;
  });
}

/** Tensors of one shape along a new first axis. */
export function stack(parts: readonly StoredBytes[]): StoredBytes {
  const { dtype, shape } = parts[0]!;
  return { dtype, shape: [parts.length, ...shape], bytes: joined(parts.map(({ bytes }) => bytes)) };
}

/** The rows of `a`, then those of `b`. */
export function concatenate(a: StoredBytes, b: StoredBytes): StoredBytes {
  const [rows, ...rest] = a.shape as [number, ...number[]];
  return { ...a, shape: [2 * rows, ...rest], bytes: joined([a.bytes, b.bytes]) };
}

/** Row 0 of `a`, row 0 of `b`, row 1 of `a`, … */
export function interleave(a: StoredBytes, b: StoredBytes): StoredBytes {
  const [rows, ...rest] = a.shape as [number, ...number[]];
  const bytes = Array.from({ length: rows }, (_, row) => [rowOf(a, row), rowOf(b, row)]).flat();
  return { ...a, shape: [2 * rows, ...rest], bytes: joined(bytes) };
}

/** A matrix of 16-bit elements with rows and columns exchanged. */
export function transposed({ dtype, shape, bytes }: StoredBytes): StoredBytes {
  const [rows, columns] = shape as [number, number];
  const from = new Uint16Array(bytes.slice().buffer);
  const to = Uint16Array.from(from, (_, i) => from[(i % rows) * columns + Math.floor(i / rows)]!);
  return { dtype, shape: [columns, rows], bytes: new Uint8Array(to.buffer) };
}

function rowOf({ shape, bytes }: StoredBytes, row: number): Uint8Array {
  const size = bytes.length / shape[0]!;
  return bytes.subarray(row * size, (row + 1) * size);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** Float32 values of BF16 elements. */
export function fromBf16(bytes: Uint8Array): Float32Array {
  const bits = new Uint16Array(bytes.slice().buffer);
  return new Float32Array(Uint32Array.from(bits, (one) => one << 16).buffer);
}

/** BF16 elements of values that BF16 holds. Throws for any other. */
export function toBf16(values: Float32Array): Uint8Array {
  const bits = new Uint32Array(values.slice().buffer);
  if (bits.some((one) => (one & 0xffff) !== 0)) throw new Error("a value that BF16 cannot hold");
  return new Uint8Array(Uint16Array.from(bits, (one) => one >>> 16).buffer);
}
