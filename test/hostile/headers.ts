import { entry, goodConfig, type HostileCase, safetensors, shard } from "./case.ts";

/** Files that are not safetensors, or whose header cannot be read. */
const files: Record<string, Uint8Array | string> = {
  "empty file": "",
  "one byte": "{",
  "seven bytes": "\x10\0\0\0\0\0\0",
  "only a length": safetensors("", 0, 2n),
  "header length 0": safetensors("{}", 0, 0n),
  "header length 1": safetensors("{}", 0, 1n),
  "header one byte longer than the file": safetensors("{}", 0, 3n),
  "header as long as the crate's limit, in a tiny file": safetensors("{}", 0, 100_000_000n),
  "header longer than the crate's limit": safetensors("{}", 0, 100_000_001n),
  "header length 2^53": safetensors("{}", 0, 2n ** 53n),
  "header length 2^63": safetensors("{}", 0, 2n ** 63n),
  "header length 2^64 - 1": safetensors("{}", 0, 2n ** 64n - 1n),
  "header length in big-endian": safetensors("{}", 0, 2n << 56n),
  "header cut in the middle": shard("a").subarray(0, 30),
  "LFS pointer instead of the file":
    "version https://git-lfs.github.com/spec/v1\noid sha256:0000\nsize 123\n",
  "HTML page instead of the file": "<!DOCTYPE html><html><body>404</body></html>",
  "zip (a PyTorch pickle)": "PK\x03\x04\0\0\0\0\0\0\0\0archive/data.pkl",
  "GGUF file": "GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0",
  "header is not UTF-8": safetensors(Uint8Array.of(0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d)),
  "header cuts a UTF-8 character": safetensors(Uint8Array.of(0x7b, 0x22, 0xe2, 0x82)),
  "overlong UTF-8": safetensors(Uint8Array.of(0x7b, 0x22, 0xc0, 0xaf, 0x22, 0x3a, 0x31, 0x7d)),
  "byte order mark": safetensors("\ufeff{}"),
  "leading space": safetensors(" {}"),
  "array header": safetensors("[]"),
  "string header": safetensors('"tensors"'),
  "null header": safetensors("null"),
  "number header": safetensors("12345678"),
  "__float__ as the whole header": safetensors('{"__float__":"NaN"}'),
  "unclosed object": safetensors('{"a":{}'),
  "unclosed string": safetensors('{"a'),
  "trailing comma": safetensors('{"a":{},}'),
  "single quotes": safetensors("{'a':{}}"),
  comment: safetensors("{/* hello */}"),
  "bare key": safetensors("{a:{}}"),
  "missing colon": safetensors('{"a"{}}'),
  "missing comma": safetensors('{"a":{}"b":{}}'),
  "second document": safetensors("{}{}"),
  "padding with NUL": safetensors("{}\0\0\0\0\0\0"),
  "padding with letters": safetensors("{}xxxxxx"),
  "raw line break in a name": safetensors('{"a\nb":{}}'),
  "bad escape": safetensors('{"a\\x":{}}'),
  "short unicode escape": safetensors('{"a\\u12":{}}'),
  "leading zero": safetensors('{"a":{"dtype":"BF16","shape":[02],"data_offsets":[0,4]}}', 4),
  "hexadecimal number": safetensors('{"a":{"dtype":"BF16","shape":[0x2],"data_offsets":[0,4]}}', 4),
  "number without end": safetensors(`{"a":${"9".repeat(100_000)}}`),
  "nested arrays, 50,000 deep": safetensors(`{"a":${"[".repeat(50_000)}`),
  "nested objects, 50,000 deep": safetensors('{"a":'.repeat(50_000)),
  "name twice": safetensors(
    '{"a":{"dtype":"U64","shape":[],"data_offsets":[0,8]},"a":{"dtype":"U64","shape":[],"data_offsets":[0,8]}}',
    8,
  ),
  "name twice, once escaped": safetensors(
    '{"a":{"dtype":"U64","shape":[],"data_offsets":[0,8]},"\\u0061":{"dtype":"U64","shape":[],"data_offsets":[8,16]}}',
    16,
  ),
  "__metadata__ twice": safetensors('{"__metadata__":{},"__metadata__":{}}'),
  "dtype twice": safetensors(
    '{"a":{"dtype":"U8","dtype":"BF16","shape":[4],"data_offsets":[0,8]}}',
    8,
  ),
  "shape twice": safetensors(
    '{"a":{"dtype":"BF16","shape":[2],"shape":[4],"data_offsets":[0,8]}}',
    8,
  ),
  "tensor called __proto__": safetensors(
    '{"__proto__":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}',
    8,
  ),
  "__proto__ in an escape": safetensors(
    '{"\\u005f_proto__":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}',
    8,
  ),
  "entry with a __proto__ that holds the rest": safetensors(
    '{"a":{"__proto__":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}}',
    8,
  ),
  "__proto__ in the metadata": safetensors('{"__metadata__":{"__proto__":{}}}'),
  "no tensors": safetensors("{}"),
  "only metadata": safetensors('{"__metadata__":{"format":"pt"}}'),
};

/** Entries of a tensor "w" that would be sound as BF16 [2, 2] at [0, 8]. */
const entries: Record<string, unknown> = {
  "entry null": null,
  "entry number": 8,
  "entry string": "BF16",
  "entry array": ["BF16", [2, 2], [0, 8]],
  "entry empty": {},
  "no dtype": { shape: [2, 2], data_offsets: [0, 8] },
  "no shape": { dtype: "BF16", data_offsets: [0, 8] },
  "no data_offsets": { dtype: "BF16", shape: [2, 2] },
  "dtype number": entry(16, [2, 2], 0, 8),
  "dtype null": entry(null, [2, 2], 0, 8),
  "dtype list": entry(["BF16"], [2, 2], 0, 8),
  "dtype object with a toString": entry({ toString: 1, valueOf: 1 }, [2, 2], 0, 8),
  "dtype in lower case": entry("bf16", [2, 2], 0, 8),
  "dtype of torch": entry("torch.bfloat16", [2, 2], 0, 8),
  "dtype empty": entry("", [2, 2], 0, 8),
  "dtype unknown": entry("F4", [2, 2], 0, 8),
  "dtype constructor": entry("constructor", [2, 2], 0, 8),
  "dtype toString": entry("toString", [2, 2], 0, 8),
  "dtype __proto__": entry("__proto__", [2, 2], 0, 8),
  "dtype with line breaks": entry("BF16\n::error::pwned", [2, 2], 0, 8),
  "dtype of a megabyte": entry("B".repeat(1 << 20), [2, 2], 0, 8),
  "shape null": entry("BF16", null, 0, 8),
  "shape number": entry("BF16", 4, 0, 8),
  "shape string": entry("BF16", "2x2", 0, 8),
  "shape object": entry("BF16", { 0: 2, 1: 2, length: 2 }, 0, 8),
  "shape nested": entry("BF16", [[2, 2]], 0, 8),
  "shape of strings": entry("BF16", ["2", "2"], 0, 8),
  "shape with null": entry("BF16", [2, 2, null], 0, 8),
  "shape with true": entry("BF16", [4, true], 0, 8),
  "shape negative": entry("BF16", [-2, 2], 0, 8),
  "shape twice negative": entry("BF16", [-2, -2], 0, 8),
  "shape fractional": entry("BF16", [0.5, 8], 0, 8),
  "shape of rank 9": entry("BF16", [2, 2, 1, 1, 1, 1, 1, 1, 1], 0, 8),
  "shape of rank 100,000": entry("BF16", new Array(100_000).fill(1), 0, 2),
  "shape beyond 2^53": entry("BF16", [2 ** 53, 1], 0, 8),
  "shape whose product passes 2^53": entry("BF16", [2 ** 31, 2 ** 31], 0, 8),
  "shape whose product wraps at 2^64 to fit": entry("U8", [2 ** 32, 2 ** 32, 1], 0, 0),
  "shape whose product passes 2^53 before a zero": entry("BF16", [2 ** 50, 2 ** 50, 0], 0, 0),
  "shape zero with bytes": entry("BF16", [0, 2], 0, 8),
  "shape too small": entry("BF16", [2, 1], 0, 8),
  "shape too large": entry("BF16", [2, 3], 0, 8),
  "dtype too wide": entry("F32", [2, 2], 0, 8),
  "dtype too narrow": entry("U8", [2, 2], 0, 8),
  "one byte more than the shape": entry("BF16", [2, 2], 0, 9),
  "data_offsets null": { dtype: "BF16", shape: [2, 2], data_offsets: null },
  "data_offsets object": { dtype: "BF16", shape: [2, 2], data_offsets: { 0: 0, 1: 8 } },
  "data_offsets string": { dtype: "BF16", shape: [2, 2], data_offsets: "0,8" },
  "data_offsets empty": { dtype: "BF16", shape: [2, 2], data_offsets: [] },
  "data_offsets single": { dtype: "BF16", shape: [2, 2], data_offsets: [8] },
  "data_offsets triple": { dtype: "BF16", shape: [2, 2], data_offsets: [0, 8, 8] },
  "data_offsets negative": entry("BF16", [2, 2], -8, 0),
  "data_offsets into the header": entry("BF16", [2, 2], -16, -8),
  "data_offsets fractional": entry("BF16", [2, 2], 0.5, 8.5),
  "data_offsets of strings": entry("BF16", [2, 2], "0", "8"),
  "data_offsets reversed": entry("BF16", [2, 2], 8, 0),
  "data_offsets past the end": entry("BF16", [2, 2], 8, 16),
  "data_offsets at 2^53": entry("BF16", [2, 2], 2 ** 53 - 9, 2 ** 53 - 1),
  "data_offsets beyond 2^53": entry("BF16", [2, 2], 2 ** 60, 2 ** 60 + 8),
};

/** Number tokens that JSON.stringify cannot write, put in place of the first size or offset. */
const tokens = [
  "NaN",
  "Infinity",
  "-Infinity",
  "1e400",
  "-0",
  "18446744073709551616",
  '{"__float__":"Infinity"}',
];

/** Headers of several tensors, with the size of the data that follows. */
const layouts: Record<string, [header: Record<string, unknown>, data: number]> = {
  "gap at the start": [{ a: entry("BF16", [2], 4, 8) }, 8],
  "gap in the middle": [{ a: entry("BF16", [2], 0, 4), b: entry("BF16", [2], 6, 10) }, 10],
  "overlap of one byte": [{ a: entry("U8", [4], 0, 4), b: entry("U8", [4], 3, 7) }, 7],
  "two tensors on the same bytes": [
    { a: entry("BF16", [2], 0, 4), b: entry("BF16", [2], 0, 4) },
    4,
  ],
  "tensor inside another": [{ a: entry("U8", [8], 0, 8), b: entry("U8", [2], 2, 4) }, 8],
  "empty tensor inside another": [{ a: entry("U8", [8], 0, 8), b: entry("U8", [0], 4, 4) }, 8],
  "empty tensor far behind": [
    { a: entry("U8", [8], 0, 8), b: entry("U8", [0], 1 << 20, 1 << 20) },
    8,
  ],
  "data one byte short": [{ a: entry("BF16", [2], 0, 4) }, 3],
  "no data at all": [{ a: entry("BF16", [2], 0, 4) }, 0],
  "second tensor missing": [{ a: entry("BF16", [2], 0, 4), b: entry("BF16", [2], 4, 8) }, 4],
  "one byte after the data": [{ a: entry("BF16", [2], 0, 4) }, 5],
  "a megabyte after the data": [{ a: entry("BF16", [2], 0, 4) }, 4 + (1 << 20)],
  "petabytes declared": [{ a: entry("U8", [2 ** 50], 0, 2 ** 50) }, 16],
};

const names: Record<string, string> = {
  "name empty": "",
  "name with NUL": "a\0b",
  "name with a line break": "a\n::set-output name=x::y",
  "name with an escape sequence": "\x1b[2Jweight",
  "name with DEL": "a\x7f",
  "name with a C1 control": "a\x9b31m",
  "name with a lone surrogate": "a\ud800",
  "name of 513 characters": "n".repeat(513),
  "name of a megabyte": "n".repeat(1 << 20),
};

const metadata: Record<string, unknown> = {
  "metadata array": ["format", "pt"],
  "metadata string": "pt",
  "metadata number": 1,
  "metadata true": true,
  "metadata value number": { format: 1 },
  "metadata value null": { format: null },
  "metadata value object": { format: { pt: "pt" } },
  "metadata value list": { format: ["pt"] },
};

function headerCase(name: string, file: Uint8Array | string): HostileCase {
  return {
    name,
    files: { "config.json": goodConfig, "model.safetensors": file },
    code: "BAD_CHECKPOINT",
    names: "model.safetensors",
  };
}

function fromEach<T>(
  table: Record<string, T>,
  build: (value: T) => Uint8Array | string,
): HostileCase[] {
  return Object.entries(table).map(([name, value]) => headerCase(name, build(value)));
}

export const headerCases: readonly HostileCase[] = [
  ...fromEach(files, (file) => file),
  ...fromEach(entries, (value) => safetensors({ w: value }, 8)),
  ...tokens.map((token) =>
    headerCase(
      `shape ${token}`,
      safetensors(`{"w":{"dtype":"BF16","shape":[${token}],"data_offsets":[0,8]}}`, 8),
    ),
  ),
  ...tokens.map((token) =>
    headerCase(
      `data_offsets ${token}`,
      safetensors(`{"w":{"dtype":"BF16","shape":[4],"data_offsets":[${token},8]}}`, 8),
    ),
  ),
  ...fromEach(layouts, ([header, data]) => safetensors(header, data)),
  ...fromEach(names, (name) => safetensors({ [name]: entry("BF16", [2, 2], 0, 8) }, 8)),
  ...fromEach(metadata, (value) =>
    safetensors({ __metadata__: value, w: entry("BF16", [2, 2], 0, 8) }, 8),
  ),
];
