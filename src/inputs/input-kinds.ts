import { parseSize, sizeUnits } from "../ground/digits.ts";
import { OqeError } from "../ground/errors.ts";
import { didYouMean } from "../ground/suggestion.ts";

/** How the text of an input becomes a value, and how help and JSON Schema describe that text. */
export interface InputKind<T> {
  /** The value as the help shows it: `<rows>`; empty for a flag without a value. */
  readonly hint: string;
  /** Of the text, as JSON Schema has it. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** `name` is the input's, for messages. Throws BAD_INPUT. */
  readonly parse: (text: string, name: string) => T;
}

/** Text that is used as it is, or parsed once other inputs are known. */
export function plain(hint: string): InputKind<string> {
  return { hint, schema: { type: "string" }, parse: (text) => text };
}

/** Text with a parser of its own. */
export function parsed<T>(hint: string, parse: (text: string, name: string) => T): InputKind<T> {
  return { hint, schema: { type: "string" }, parse };
}

/** One of some words, in any case. */
export function choice<T extends string>(...choices: readonly T[]): InputKind<T> {
  return {
    hint: choices.join("|"),
    schema: { enum: choices },
    parse: (text, name) => oneOf(text, name, choices),
  };
}

/** The same, or nothing: null. */
export function optionalChoice<T extends string>(...choices: readonly T[]): InputKind<T | null> {
  return {
    hint: choices.join("|"),
    schema: { enum: ["", ...choices] },
    parse: (text, name) => (text === "" ? null : oneOf(text, name, choices)),
  };
}

/** Any of some words in the order of `choices`, or `none`. */
export function several<T extends string>(...choices: readonly T[]): InputKind<readonly T[]> {
  return {
    hint: `${choices.join(",")}|none`,
    schema: { type: "string" },
    parse: (text, name) => {
      const words = text.split(/[\s,]+/).map((word) => oneOf(word, name, [...choices, "none"]));
      if (words.includes("none") && words.length > 1)
        throw new OqeError("BAD_INPUT", `${name}: "${text}" has none beside another value`);
      return choices.filter((word) => words.includes(word));
    },
  };
}

/** A whole number from `least` to `most`. */
export function count(hint: string, least: number, most: number): InputKind<number> {
  const schema = { type: "integer", minimum: least, maximum: most };
  const parse = (text: string, name: string) => wholeNumber(text, name, [least, most]);
  return { hint, schema, parse };
}

/** The same, or nothing: null. */
export function optionalCount(hint: string, least: number, most: number): InputKind<number | null> {
  const kind = count(hint, least, most);
  const schema = { anyOf: [kind.schema, { const: "" }] };
  return { hint, schema, parse: (text, name) => (text === "" ? null : kind.parse(text, name)) };
}

/** Bytes as a number with a unit, or nothing: null. */
export function optionalSize(hint: string): InputKind<number | null> {
  const parse = (text: string, name: string) => {
    if (text === "") return null;
    const bytes = parseSize(text);
    if (bytes !== null && bytes > 0) return bytes;
    throw new OqeError(
      "BAD_INPUT",
      `${name}: "${text}" is not a size`,
      `Give a number and a unit (${sizeUnits.join(", ")}), as in 4GB; at most three decimals.`,
    );
  };
  return { hint, schema: { type: "string" }, parse };
}

/** Hours, minutes and seconds in seconds, as in `5h30m`, or nothing: null. */
export function optionalTime(hint: string): InputKind<number | null> {
  const parse = (text: string, name: string) => {
    if (text === "") return null;
    const parts = /^(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?$/i.exec(text.replace(/\s+/g, ""));
    const [hours, minutes, seconds] = [1, 2, 3].map((i) => Number(parts?.[i] ?? 0)) as Three;
    const time = 3600 * hours + 60 * minutes + seconds;
    if (time > 0) return time;
    throw new OqeError(
      "BAD_INPUT",
      `${name}: "${text}" is not a time`,
      "Give hours, minutes or seconds, as in 5h30m, 90m or 45s.",
    );
  };
  return { hint, schema: { type: "string" }, parse };
}

type Three = [number, number, number];

/** `true` or `false`. A switch is set on the command line by its name alone, without a value. */
export function toggle(of: "value" | "switch"): InputKind<boolean> {
  return {
    hint: of === "value" ? "true|false" : "",
    schema: { type: "boolean" },
    parse: (text, name) => {
      if (/^true$/i.test(text)) return true;
      if (/^false$/i.test(text)) return false;
      throw new OqeError("BAD_INPUT", `${name}: "${text}" is neither true nor false`);
    },
  };
}

function oneOf<T extends string>(text: string, name: string, choices: readonly T[]): T {
  const found = choices.find((word) => word === text.toLowerCase());
  if (found !== undefined) return found;
  throw new OqeError(
    "BAD_INPUT",
    `${name}: "${text}" is not one of ${choices.join(", ")}`,
    didYouMean(text, choices).trim() || undefined,
  );
}

/** Throws BAD_INPUT unless `text` is a whole number within the range, both ends included. */
export function wholeNumber(
  text: string,
  name: string,
  [least, most]: readonly [number, number],
): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= least && value <= most) return value;
  throw new OqeError(
    "BAD_INPUT",
    `${name}: "${text}" is not a whole number from ${least} to ${most}`,
  );
}
