import { OqeError } from "../../src/ground/errors.ts";
import { randomInts } from "./damage.ts";
import { damageDocument, type Target } from "./target.ts";

/** What became of the damaged documents of a target. */
export interface Tally {
  /** Read as a value that the reader allows. */
  accepted: number;
  /** Passed over: the work is made again. */
  passed: number;
  /** Refused with one clear error. */
  refused: number;
}

/** Largest document that is tried, in bytes. */
const largest = 4 << 20;

/**
 * Damages the documents of the targets in turn, `cases` times, and reads them. Throws an Error that
 * names seed, case and target, if one ends with anything but a value, being passed over, or an
 * OqeError of the target's codes.
 */
export async function fuzz(
  targets: readonly Target[],
  { seed, cases, first = 0 }: { seed: number; cases: number; first?: number },
): Promise<ReadonlyMap<string, Tally>> {
  const tallies = new Map<string, Tally>();
  for (let number = first; number < first + cases; number++) {
    const target = targets[number % targets.length]!;
    const tally = tallies.get(target.name) ?? { accepted: 0, passed: 0, refused: 0 };
    tallies.set(target.name, tally);
    const random = randomInts(Math.imul(seed, 0x9e3779b1) + number);
    const sound = target.seeds[random(target.seeds.length)]!;
    const document = (target.damage ?? damageDocument)(sound, random).subarray(0, largest);
    try {
      if (await target.read(document)) tally.accepted++;
      else tally.passed++;
    } catch (error) {
      const fault = faultOf(error, target);
      if (fault !== null)
        throw new Error(`seed ${seed}, case ${number}, ${target.name}: ${fault}`, { cause: error });
      tally.refused++;
    }
  }
  return tallies;
}

/** What is wrong about an error; null: it is a clear refusal. */
function faultOf(error: unknown, { codes }: Target): string | null {
  if (!(error instanceof OqeError)) return `not an OqeError: ${error}`;
  const { code, message, hint } = error;
  if (!codes.includes(code)) return `code ${code}: ${message}`;
  if (hint === "") return `no hint: ${message}`;
  if (message.length > 1000) return `a message of ${message.length} characters`;
  return /\p{Cc}/u.test(message) ? "control characters in the message" : null;
}
