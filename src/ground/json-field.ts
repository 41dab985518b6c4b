import { type ErrorCode, OqeError } from "./errors.ts";

const longestText = 4096;

/** What is said of a document that holds something else than it should. */
export interface Refusal {
  readonly code: ErrorCode;
  readonly hint: string;
}

/** A value inside an untrusted JSON document that knows where it is, so that every complaint names its field. */
export class Field {
  readonly value: unknown;
  /** Name of the document. */
  readonly where: string;
  /** `plan.modules.lm_head.bits`; empty for the document itself. */
  readonly path: string;
  private readonly refusal: Refusal;

  constructor(value: unknown, where: string, refusal: Refusal, path = "") {
    this.value = value;
    this.where = where;
    this.refusal = refusal;
    this.path = path;
  }

  /** A member of an object; one that is missing has the value undefined, which every reader below refuses. */
  at(name: string): Field {
    const object = this.object();
    return new Field(
      Object.hasOwn(object, name) ? object[name] : undefined,
      this.where,
      this.refusal,
      this.path === "" ? name : `${this.path}.${name}`,
    );
  }

  has(name: string): boolean {
    return this.at(name).value !== undefined;
  }

  /** Text without control characters, at most 4,096 characters. */
  text(): string {
    if (
      typeof this.value !== "string" ||
      /\p{Cc}/u.test(this.value) ||
      this.value.length > longestText
    ) {
      return this.fail(`text of one line, at most ${longestText} characters`);
    }
    return this.value;
  }

  matching(pattern: RegExp, expected: string): string {
    return pattern.test(this.text()) ? this.text() : this.fail(expected);
  }

  /** A number that a JSON document can hold exactly: an integer from 0 to 2^53 - 1. */
  count(): number {
    const value = this.value;
    return typeof value === "number" && Number.isSafeInteger(value) && value >= 0
      ? value
      : this.fail("a whole number");
  }

  /** A finite number, not negative. */
  number(): number {
    const value = this.value;
    return typeof value === "number" && Number.isFinite(value) && value >= 0
      ? value
      : this.fail("a number, not negative");
  }

  /** A part of a whole, 0 to 1. */
  share(): number {
    return this.number() <= 1 ? this.number() : this.fail("a number from 0 to 1");
  }

  flag(): boolean {
    return typeof this.value === "boolean" ? this.value : this.fail("true or false");
  }

  oneOf<const T>(choices: readonly T[]): T {
    const found = choices.find((choice) => choice === this.value);
    return found === undefined
      ? this.fail(choices.map((choice) => JSON.stringify(choice)).join(", "))
      : found;
  }

  list<T>(read: (item: Field) => T): T[] {
    if (!Array.isArray(this.value)) return this.fail("a list");
    return this.value.map((item, index) =>
      read(new Field(item, this.where, this.refusal, `${this.path}[${index}]`)),
    );
  }

  /** An object of any keys, sorted by code unit, so that the same content is always the same text. */
  entries<T>(read: (item: Field, key: string) => T): Record<string, T> {
    const keys = Object.keys(this.object()).sort();
    // fromEntries makes a key called __proto__ an ordinary one.
    return Object.fromEntries(keys.map((key) => [key, read(this.at(key), key)]));
  }

  isKey(key: string, known: readonly string[]): boolean {
    return known.includes(key) || this.fail(`one of ${known.join(", ")} as the key`);
  }

  /** Refuses a path that is not plainly inside its folder, on any operating system. */
  isPathInside(path: string): void {
    const parts = path.split("/");
    const odd = /[\p{Cc}\\:]/u.test(path) || path.length > longestText;
    if (odd || parts.some((part) => part === "" || part === "." || part === "..")) {
      this.fail("a path inside the repository's folder");
    }
  }

  /** The value for a message: short, on one line. */
  shown(): string {
    const text = JSON.stringify(this.value) ?? "missing";
    return text.length > 80 ? `${text.slice(0, 79)}…` : text;
  }

  fail(expected: string): never {
    throw new OqeError(
      this.refusal.code,
      `${this.where}: field "${JSON.stringify(this.path).slice(1, -1)}" is ${this.shown()}; expected ${expected}`,
      this.refusal.hint,
    );
  }

  private object(): Record<string, unknown> {
    if (typeof this.value !== "object" || this.value === null || Array.isArray(this.value))
      return this.fail("an object");
    return this.value as Record<string, unknown>;
  }
}
