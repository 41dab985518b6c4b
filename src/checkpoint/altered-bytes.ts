import { OqeError } from "../ground/errors.ts";
import { type ContentHash, hashName } from "./content-hash.ts";

/** What to do about bytes that are not those of the commit. */
export const alteredHint =
  "Something between the Hub and this machine changes bytes: a proxy, a cache, memory or a disk. " +
  "Nothing was published. Run again, from another network if the error stays.";

/** Weights were used that may not be those of the commit: what was made of them is void. */
export class AlteredBytes extends OqeError {
  constructor(message: string) {
    super("NETWORK", message, alteredHint);
  }
}

/** The hash of a file that was read whole. */
interface FoundHash {
  readonly found: string;
  /** That of another reading, over another connection. */
  readonly again: string;
  /** Where the bytes began to differ, as the end of a phrase. */
  readonly place: string;
}

/** The error for a file that does not have its listed hash. */
export function wrongHash(
  name: string,
  listed: ContentHash,
  { found, again, place }: FoundHash,
): AlteredBytes {
  const expected = `expected the ${hashName(listed)} ${listed.value}, got ${found}`;
  return new AlteredBytes(
    again === listed.value
      ? `the bytes of ${name} were wrong when they were read${place}: ` +
          `${expected}; a reading over another connection has it`
      : `${name} does not have the bytes of its commit: ${expected}, then ${again}`,
  );
}
