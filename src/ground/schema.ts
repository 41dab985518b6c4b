import * as v from "valibot";
import { type ErrorCode, OqeError } from "./errors.ts";
import { notJson } from "./reasons.ts";

/** Longest text and longest path that a document may hold, in UTF-16 code units. */
const longestText = 4096;
/** Longest value that an error message quotes. */
const longestQuote = 80;
/** A reader wants the first fault; a hostile document may have millions. */
const firstFault = { abortEarly: true } as const;

/** An untrusted document: its name, and the error to throw if a value is wrong. */
export interface Document {
  readonly where: string;
  readonly code: ErrorCode;
  readonly hint: string;
}

/**
 * The value as its schema describes it. Throws `document.code`, naming field, value and
 * expectation.
 */
export function parse<const S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  document: Document,
): v.InferOutput<S> {
  const result = v.safeParse(schema, value, firstFault);
  if (result.success) return result.output;
  const { where, code, hint } = document;
  throw new OqeError(code, `${where}: ${describeIssue(result.issues[0])}`, hint);
}

/** The value of a JSON document. Throws `document.code` for text that is not JSON. */
export function readJson(text: string, { where, code, hint }: Document): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OqeError(code, `${where} ${notJson(cause)}`, hint, cause);
  }
}

/** One issue in words: `field "plan.bpw" is "4.7"; expected a number, not negative`. */
export function describeIssue(issue: v.BaseIssue<unknown>): string {
  const path = printed(JSON.stringify(pathOf(issue)).slice(1, -1));
  const subject = issue.path === undefined ? "it" : `field "${path}"`;
  return `${subject} is ${quote(issue.input)}; expected ${issue.message}`;
}

/** `plan.modules.lm_head.bits`, `series[0].tier`; empty for the document itself. */
function pathOf({ path }: v.BaseIssue<unknown>): string {
  return (path ?? [])
    .map(({ key }, at) => (typeof key === "number" ? `[${key}]` : `${at > 0 ? "." : ""}${key}`))
    .join("");
}

/** A value for a message: its JSON on one line, cut where it is long. */
export function quote(value: unknown): string {
  const text = printed(toJson(value));
  return text.length > longestQuote ? `${text.slice(0, longestQuote - 1)}…` : text;
}

function toJson(value: unknown): string {
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  try {
    return JSON.stringify(value) ?? "missing";
  } catch {
    return "nested too deeply to be shown"; // JSON.stringify recurses, JSON.parse does not
  }
}

/**
 * Without control characters and line separators: a line break in a log of Actions can start a
 * command.
 */
function printed(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ");
}

const plainObject = v.custom<Readonly<Record<string, unknown>>>(
  (value) => typeof value === "object" && value !== null && !Array.isArray(value),
  "an object",
);

/** An object with these fields, in this order; it drops others. A missing field is a fault. */
export function object<const E extends v.ObjectEntries>(fields: E) {
  // valibot reports a missing field as a fault of the object; the field's own schema says what it
  // expects.
  const message = ({ path }: v.BaseIssue<unknown>) => {
    const field = fields[String(path?.[0].key)];
    const missing = field && v.safeParse(field as v.GenericSchema, undefined, firstFault);
    return missing?.issues?.[0].message ?? "an object";
  };
  return v.pipe(plainObject, v.object(fields, message), v.readonly());
}

/** A list of at most `most` items. The length is checked before any item. */
export function list<const S extends v.GenericSchema>(item: S, most = Number.POSITIVE_INFINITY) {
  return v.pipe(
    v.array(v.unknown(), "a list"),
    v.maxLength(most, `a list of at most ${most} items`),
    v.array(item),
    v.readonly(),
  );
}

/** All keys may be missing where they are a closed set. */
type Entries<K extends string, V> = string extends K ? Record<string, V> : Partial<Record<K, V>>;

/**
 * An object of any keys, sorted by code unit, so that the same content is always the same text.
 * Unlike `v.record` it keeps keys such as `__proto__` and `constructor`, which are names of files
 * and modules like any other.
 */
export function entries<K extends string, const S extends v.GenericSchema>(
  key: v.GenericSchema<K>,
  value: S,
) {
  return v.pipe(
    plainObject,
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      const holder = dataset.value;
      const output: [string, v.InferOutput<S>][] = [];
      for (const name of Object.keys(holder).sort()) {
        const input = holder[name];
        const at: v.IssuePathItem = {
          type: "unknown",
          origin: "value",
          input: holder,
          key: name,
          value: input,
        };
        const keyFault = v.safeParse(key, name, firstFault).issues?.[0];
        const parsed = v.safeParse(value, input, firstFault);
        if (keyFault !== undefined) {
          addIssue({ message: `${keyFault.message} as the key`, input, path: [at] });
          return NEVER;
        }
        if (!parsed.success) {
          const [{ message, input: wrong, path }] = parsed.issues;
          addIssue({ message, input: wrong, path: [at, ...(path ?? [])] });
          return NEVER;
        }
        output.push([name, parsed.output]);
      }
      // fromEntries makes a key called __proto__ an ordinary one. `key` has checked that each is a
      // K.
      return Object.fromEntries(output) as Entries<K, v.InferOutput<S>>;
    }),
    v.readonly(),
  );
}

/** A field that contradicts others: its place in the value, and what it should be. */
export interface Contradiction {
  readonly at: readonly (string | number)[];
  readonly expected: string;
}

/** A check over several fields, which runs once each of them is right by itself. */
export function agree<T>(contradictions: (value: T) => Iterable<Contradiction>) {
  return v.rawCheck<T>(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    for (const { at, expected } of contradictions(dataset.value)) {
      const path: v.IssuePathItem[] = [];
      let input: unknown = dataset.value;
      for (const key of at) {
        const holder = input as Readonly<Record<string | number, unknown>>;
        input = holder[key];
        path.push({ type: "unknown", origin: "value", input: holder, key, value: input });
      }
      const [first, ...rest] = path;
      addIssue({ message: expected, input, ...(first && { path: [first, ...rest] }) });
    }
  });
}

function lineOf(expected: string) {
  const isLine = (text: string) => text.length <= longestText && !/\p{Cc}/u.test(text);
  return v.pipe(v.string(expected), v.check(isLine, expected));
}

/** Text of one line, at most 4,096 characters. */
export const line = lineOf(`text of one line, at most ${longestText} characters`);

/** A line that the pattern matches. */
export function matching(pattern: RegExp, expected: string) {
  return v.pipe(lineOf(expected), v.regex(pattern, expected));
}

export const sha256 = matching(/^[0-9a-f]{64}$/, "64 hexadecimal digits");

/** A version of an engine. */
export const version = matching(/^[\w.+-]{1,64}$/, "a version");

/** An integer from 0 to 2^53 - 1: JSON readers store these exactly. */
export const count = v.pipe(
  v.number("a whole number"),
  v.safeInteger("a whole number"),
  v.minValue(0, "a whole number"),
);

/** A finite number: JSON has no others. */
export const finite = v.pipe(v.number("a number"), v.finite("a finite number"));

/** A finite number, not negative. */
export const amount = v.pipe(
  v.number("a number, not negative"),
  v.finite("a number, not negative"),
  v.minValue(0, "a number, not negative"),
);

/** A part of a whole, 0 to 1. */
export const share = v.pipe(
  v.number("a number from 0 to 1"),
  v.minValue(0, "a number from 0 to 1"),
  v.maxValue(1, "a number from 0 to 1"),
);

export const flag = v.boolean("true or false");

/** One of these values. */
export function oneOf<const T extends readonly (string | number)[]>(choices: T) {
  return v.picklist(choices, choices.map((choice) => JSON.stringify(choice)).join(", "));
}

/** A path that is plainly inside its folder, on any operating system. */
export const pathInside = v.pipe(
  v.string(),
  v.check((path) => {
    const odd = /[\p{Cc}\\:]/u.test(path) || path.length > longestText;
    return !odd && !path.split("/").some((part) => ["", ".", ".."].includes(part));
  }, "a path inside the repository's folder"),
);
