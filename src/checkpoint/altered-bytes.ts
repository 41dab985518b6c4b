import { OqeError } from "../ground/errors.ts";

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
