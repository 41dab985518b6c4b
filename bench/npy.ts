import { readFile, writeFile } from "node:fs/promises";

/** Arrays in numpy's file format (NEP 1), which the benchmarks exchange with their Python peers. */
export interface Npy {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array | Uint32Array | Uint16Array;
}

const types = {
  "<f4": Float32Array,
  "<f8": Float64Array,
  "<u4": Uint32Array,
  "<u2": Uint16Array,
} as const;
const magic = "\x93NUMPY";

/** Little-endian, row-major arrays of the types above. Throws for anything else. */
export async function readNpy(file: string): Promise<Npy> {
  const bytes = await readFile(file);
  if (bytes.toString("latin1", 0, 6) !== magic) throw new Error(`${file} is not an .npy file`);
  // Version 1 gives the header's length in two bytes, later versions in four.
  const wide = bytes[6]! > 1;
  const start = wide ? 12 : 10;
  const end = start + (wide ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  const header = bytes.toString("latin1", start, end);
  const descr = /'descr': '([^']+)'/.exec(header)?.[1] ?? "";
  const shape = /'shape': \(([^)]*)\)/
    .exec(header)?.[1]
    ?.split(",")
    .flatMap((n) => (n.trim() ? Number(n) : []));
  if (
    !Object.hasOwn(types, descr) ||
    !header.includes("'fortran_order': False") ||
    shape === undefined
  ) {
    throw new Error(
      `${file}: expected a row-major array of ${Object.keys(types).join(", ")}, got ${header.trim()}`,
    );
  }
  const elements = shape.reduce((product, size) => product * size, 1);
  const Type = types[descr as keyof typeof types];
  if (bytes.length - end !== elements * Type.BYTES_PER_ELEMENT)
    throw new Error(`${file} is cut short`);
  return {
    shape,
    data: new Type(bytes.buffer.slice(bytes.byteOffset + end, bytes.byteOffset + bytes.length)),
  };
}

export async function writeNpy(file: string, { shape, data }: Npy): Promise<void> {
  const descr = Object.entries(types).find(([, Type]) => data instanceof Type)![0];
  const head = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  const padded = head.padEnd(Math.ceil((10 + head.length + 1) / 64) * 64 - 11) + "\n";
  const start = Buffer.alloc(10);
  start.write(`${magic}\x01\x00`, "latin1");
  start.writeUInt16LE(padded.length, 8);
  await writeFile(file, [
    start,
    Buffer.from(padded, "latin1"),
    new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
  ]);
}
