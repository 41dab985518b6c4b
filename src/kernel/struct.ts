import { memory } from "./arena.ts";

/** A 32-bit whole number or address, a float32, a float64. */
type Kind = "usize" | "f32" | "f64";
type Fields = Readonly<Record<string, Kind>>;
type Values<F extends Fields> = { readonly [K in keyof F]: number };

const sizes: Readonly<Record<Kind, number>> = { usize: 4, f32: 4, f64: 8 };

/**
 * A `#[repr(C)]` struct of kernel-wasm/src/exports: the numbers that one call of the kernel reads.
 */
export interface Struct<F extends Fields> {
  /** Names in camelCase, in the order of the Rust struct. */
  readonly fields: F;
  /** Size in the arena. */
  readonly bytes: number;
  /** Writes it at an address that is a multiple of 8. */
  write(address: number, values: Values<F>): void;
  read(address: number): Values<F>;
}

/** Declares a struct. Exported under the Rust struct's name; struct.test.ts compares the two. */
export function struct<const F extends Fields>(fields: F): Struct<F> {
  const offsets = new Map<string, number>();
  let bytes = 0;
  for (const [name, kind] of Object.entries(fields)) {
    bytes = Math.ceil(bytes / sizes[kind]) * sizes[kind];
    offsets.set(name, bytes);
    bytes += sizes[kind];
  }
  // As in Rust, so that structs can follow one another.
  const alignment = Math.max(...Object.values(fields).map((kind) => sizes[kind]));
  bytes = Math.ceil(bytes / alignment) * alignment;
  const view = (address: number) => new DataView(memory.buffer, address, bytes);
  return {
    fields,
    bytes,
    write(address, values) {
      const at = view(address);
      for (const [name, offset] of offsets) set[fields[name]!](at, offset, values[name]!);
    },
    read(address) {
      const at = view(address);
      const values = [...offsets].map(([name, offset]) => [name, get[fields[name]!](at, offset)]);
      return Object.fromEntries(values) as Values<F>;
    },
  };
}

type Set = (view: DataView, offset: number, value: number) => void;
const set: Readonly<Record<Kind, Set>> = {
  usize: (view, offset, value) => view.setUint32(offset, value, true),
  f32: (view, offset, value) => view.setFloat32(offset, value, true),
  f64: (view, offset, value) => view.setFloat64(offset, value, true),
};
const get: Readonly<Record<Kind, (view: DataView, offset: number) => number>> = {
  usize: (view, offset) => view.getUint32(offset, true),
  f32: (view, offset) => view.getFloat32(offset, true),
  f64: (view, offset) => view.getFloat64(offset, true),
};
