import type { ErrorCode } from "../../src/ground/errors.ts";
import { damageBytes, damageText, type Random } from "./damage.ts";

/** A reader of documents from outside. */
export interface Target {
  readonly name: string;
  /** Sound documents. */
  readonly seeds: readonly Uint8Array[];
  /** Gives a damaged copy. Default: of a text (damageText). */
  readonly damage?: (seed: Uint8Array, random: Random) => Uint8Array;
  /**
   * Reads a document, and checks what was read. False: it was passed over, as damaged work is that
   * can be made again.
   */
  readonly read: (document: Uint8Array) => Promise<boolean>;
  /** Codes of the errors that it may throw. */
  readonly codes: readonly ErrorCode[];
}

export const utf8 = (text: string) => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

export function damageDocument(seed: Uint8Array, random: Random): Uint8Array {
  return random(4) === 0 ? damageBytes(seed, random) : utf8(damageText(textOf(seed), random));
}
