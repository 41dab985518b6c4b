import { OqeError } from "../ground/errors.ts";

/**
 * No config or header is nested this deep. The limit keeps the recursion from filling the stack.
 */
const MAX_DEPTH = 100;
/**
 * 100 MB of `[],[],…` would become gigabytes of objects. A header of 250,000 tensors is smaller.
 */
const MAX_VALUES = 4_000_000;
/** No double needs more digits. */
const MAX_NUMBER_LENGTH = 400;

export interface JsonOptions {
  /**
   * How to treat a key that occurs twice in one object. Python and JavaScript use the last; a
   * safetensors header must not have such a key.
   */
  readonly duplicateKeys?: "last" | "refuse";
  /**
   * Receives every key whose number, or array of numbers, is written as a float: `10000.0`,
   * `1e-05`. See `writeJson`.
   */
  readonly floatKeys?: Set<string>;
}

/**
 * Reads JSON as Python writes it: also bare `NaN`, `Infinity`, `-Infinity`, and transformers'
 * `{"__float__": "Infinity"}`.
 * Refuses the key `__proto__`. `where` names the file in messages.
 * Throws BAD_CHECKPOINT with line and column.
 */
export function parseJson(text: string, where: string, options: JsonOptions = {}): unknown {
  return new JsonReader(text, where, options).document();
}

/**
 * The value as an object with string keys; undefined for anything else, such as arrays and null.
 */
export function asObject(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/**
 * A name from an untrusted file, quoted and shortened for a message. Line breaks, control
 * characters and marks of writing direction are escaped.
 */
export function quote(name: string): string {
  const short = name.length > 100 ? `${name.slice(0, 100)}…` : name;
  return JSON.stringify(short).replace(
    /[\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Any value from an untrusted file for a message. `String(value)` would throw for an object with a
 * key `toString`.
 */
export function show(value: unknown): string {
  if (typeof value === "number") return String(value); // JSON has no word for Infinity
  return typeof value === "string"
    ? quote(value)
    : quote(JSON.stringify(value) ?? "nothing").slice(1, -1);
}

const words: Readonly<Record<string, unknown>> = {
  true: true,
  false: false,
  null: null,
  NaN: Number.NaN,
  Infinity: Number.POSITIVE_INFINITY,
  "-Infinity": Number.NEGATIVE_INFINITY,
};

class JsonReader {
  private readonly text: string;
  private readonly where: string;
  private readonly refuseDuplicates: boolean;
  private readonly floatKeys: Set<string> | undefined;
  private at = 0;
  private values = 0;

  constructor(text: string, where: string, options: JsonOptions) {
    this.text = text;
    this.where = where;
    this.refuseDuplicates = options.duplicateKeys === "refuse";
    this.floatKeys = options.floatKeys;
  }

  document(): unknown {
    const value = this.value(0, "");
    this.skipBlank();
    if (this.at < this.text.length) this.fail(`expected the end, got ${this.here()}`);
    return value;
  }

  private value(depth: number, key: string): unknown {
    if (depth > MAX_DEPTH) this.fail(`nested deeper than ${MAX_DEPTH}`);
    if (++this.values > MAX_VALUES) this.fail(`more than ${MAX_VALUES} values`);
    this.skipBlank();
    const first = this.text[this.at];
    if (first === "{") return this.object(depth);
    if (first === "[") return this.array(depth, key);
    if (first === '"') return this.string();
    for (const word in words) {
      if (this.text.startsWith(word, this.at)) {
        this.at += word.length;
        return words[word];
      }
    }
    return this.number(key);
  }

  private object(depth: number): unknown {
    const object: Record<string, unknown> = {};
    this.at++;
    if (this.accept("}")) return object;
    do {
      this.skipBlank();
      if (this.text[this.at] !== '"')
        this.fail(`expected a key in double quotes, got ${this.here()}`);
      const key = this.string();
      if (key === "__proto__") this.fail('the key "__proto__" is not allowed');
      if (this.refuseDuplicates && Object.hasOwn(object, key))
        this.fail(`the key ${quote(key)} occurs twice`);
      if (!this.accept(":")) this.fail(`expected ':', got ${this.here()}`);
      object[key] = this.value(depth + 1, key);
    } while (this.accept(","));
    if (!this.accept("}")) this.fail(`expected ',' or '}', got ${this.here()}`);
    return decodeFloat(object);
  }

  private array(depth: number, key: string): unknown[] {
    const array: unknown[] = [];
    this.at++;
    if (this.accept("]")) return array;
    do array.push(this.value(depth + 1, key));
    while (this.accept(","));
    if (!this.accept("]")) this.fail(`expected ',' or ']', got ${this.here()}`);
    return array;
  }

  private string(): string {
    const start = this.at++;
    let plain = true;
    for (; ; this.at++) {
      const c = this.text.charCodeAt(this.at);
      if (c === 0x22) break;
      if (c === 0x5c) {
        plain = false;
        this.at++;
      } else if (c < 0x20) this.fail("control character in a string");
      else if (Number.isNaN(c)) this.fail("a string without end");
    }
    this.at++;
    if (plain) return this.text.slice(start + 1, this.at - 1);
    try {
      return JSON.parse(this.text.slice(start, this.at)) as string;
    } catch {
      return this.fail("a bad escape in the string that ends here");
    }
  }

  private number(key: string): number {
    const start = this.at;
    while (/[-+.eE\d]/.test(this.text[this.at] ?? "")) {
      if (++this.at - start > MAX_NUMBER_LENGTH)
        this.fail(`a number of more than ${MAX_NUMBER_LENGTH} digits`);
    }
    const token = this.text.slice(start, this.at);
    if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(token)) {
      this.at = start;
      this.fail(`expected a value, got ${this.here()}`);
    }
    if (/[.eE]/.test(token)) this.floatKeys?.add(key);
    return Number(token);
  }

  private accept(mark: string): boolean {
    this.skipBlank();
    if (this.text[this.at] !== mark) return false;
    this.at++;
    return true;
  }

  private skipBlank(): void {
    for (;;) {
      const c = this.text.charCodeAt(this.at);
      if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) return;
      this.at++;
    }
  }

  private here(): string {
    return this.at < this.text.length
      ? quote(this.text.slice(this.at, this.at + 12))
      : "the end of the text";
  }

  private fail(problem: string): never {
    const before = this.text.slice(0, this.at);
    const line = before.split("\n").length;
    const column = this.at - before.lastIndexOf("\n");
    throw new OqeError(
      "BAD_CHECKPOINT",
      `${this.where} is not valid JSON: line ${line}, column ${column}: ${problem}`,
      "Download the file again, or ask the model's authors.",
    );
  }
}

const namedFloats = new Map<unknown, number>([
  ["NaN", Number.NaN],
  ["Infinity", Number.POSITIVE_INFINITY],
  ["-Infinity", Number.NEGATIVE_INFINITY],
]);

function decodeFloat(object: Record<string, unknown>): unknown {
  const name = object.__float__;
  if (name === undefined || Object.keys(object).length > 1) return object;
  return namedFloats.get(name) ?? object;
}

/**
 * JSON text as mlx-lm writes a config: keys of the top level sorted, nested ones in their order,
 * `indent` spaces, no line break at the end. Non-finite floats become `{"__float__": "Infinity"}`,
 * since only Python reads the bare words. Whole numbers below a key of `floatKeys` keep their `.0`:
 * transformers' config classes tell 0 from 0.0 and refuse the wrong one.
 */
export function writeJson(
  value: unknown,
  indent: number,
  floatKeys: ReadonlySet<string> = new Set(),
): string {
  const object = asObject(value);
  const sorted =
    object && Object.fromEntries(Object.entries(object).sort(([a], [b]) => (a < b ? -1 : 1)));
  const step = " ".repeat(indent);

  const write = (item: unknown, key: string, margin: string): string => {
    if (typeof item === "number") return writeNumber(item, floatKeys.has(key));
    if (typeof item !== "object" || item === null) return JSON.stringify(item);
    const inner = margin + step;
    if (Array.isArray(item)) {
      const items = item.map((one) => write(one ?? null, key, inner));
      return items.length === 0 ? "[]" : `[${inner}${items.join(`,${inner}`)}${margin}]`;
    }
    const members = Object.entries(item)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => `${JSON.stringify(name)}: ${write(member, name, inner)}`);
    return members.length === 0 ? "{}" : `{${inner}${members.join(`,${inner}`)}${margin}}`;
  };
  return write(sorted ?? value, "", "\n");
}

function writeNumber(value: number, asFloat: boolean): string {
  if (!Number.isFinite(value)) return `{"__float__": "${value}"}`;
  if (!Number.isInteger(value)) return String(value);
  // String() would write an integer like 10**30 as a float.
  if (!asFloat) return BigInt(value).toString();
  const text = String(value);
  return text.includes("e") ? text : `${text}.0`;
}
