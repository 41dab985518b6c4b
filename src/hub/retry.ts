import { setTimeout } from "node:timers/promises";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";

/** Limits of retries. Times are in milliseconds. */
export const retryLimits = {
  /**
   * Eight attempts, with waits that double from one second, cover an outage of about two minutes.
   */
  attempts: 8,
  /** Attempts to connect before any server has answered: the address may be wrong. */
  firstContact: 3,
  /** First wait; it doubles with every attempt. */
  firstWait: 1_000,
  /**
   * After a minute the Hub is either back or down for long, so that a longer wait gains nothing.
   */
  longestWait: 60_000,
  /** The Hub limits requests per five minutes, so that a legitimate `Retry-After` is not longer. */
  longestToldWait: 310_000,
  /** Three such windows. */
  totalWait: 930_000,
} as const;

/**
 * A failure that another attempt may avoid. `wait` is the time that the server asks for in
 * milliseconds; null if it does not say. `attempts` is the number of attempts that such a failure
 * is worth.
 */
export class Transient extends Error {
  readonly wait: number | null;
  readonly attempts: number;

  constructor(
    message: string,
    wait: number | null = null,
    attempts: number = retryLimits.attempts,
  ) {
    super(message);
    this.wait = wait;
    this.attempts = attempts;
  }
}

/** Clock and random numbers, which tests replace. */
export interface Patience {
  /** Resolves after `milliseconds`; rejects if the signal is aborted first. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: Report;
}

/** The real clock. */
export async function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await setTimeout(milliseconds, undefined, signal ? { signal } : {});
}

/**
 * Repeats `attempt` while it throws `Transient`, at most as often as that failure is worth; then
 * throws NETWORK. The wait is the time that the server asks for, else "full jitter": uniform in [0,
 * min(longestWait, firstWait · 2^n)]. It spreads parallel clients best (M. Brooker, "Exponential
 * Backoff And Jitter", 2015).
 */
export async function retry<T>(
  patience: Patience,
  what: string,
  attempt: () => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  let waited = 0;
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    try {
      return await attempt();
    } catch (failure) {
      if (!(failure instanceof Transient)) throw failure;
      if (tries >= failure.attempts) throw givenUp(what, `${tries} attempts`, failure);
      // If the server asks for no wait, wait anyway.
      const wait = failure.wait || backoff(tries, patience.random());
      if (wait > retryLimits.longestToldWait || waited + wait > retryLimits.totalWait) {
        throw givenUp(
          what,
          `${tries} attempts; the next one would be allowed in ${Math.ceil(wait / 1000)} s`,
          failure,
        );
      }
      waited += wait;
      const seconds = (wait / 1000).toFixed(1);
      const next = `attempt ${tries + 1} of ${failure.attempts} in ${seconds} s`;
      patience.report.info(`${what}: ${failure.message}; ${next}`);
      await patience.sleep(wait, signal);
    }
  }
}

function backoff(tries: number, chance: number): number {
  return Math.round(
    chance * Math.min(retryLimits.longestWait, retryLimits.firstWait * 2 ** (tries - 1)),
  );
}

function givenUp(what: string, effort: string, last: Transient): OqeError {
  return new OqeError(
    "NETWORK",
    `${what} failed after ${effort}. The last one: ${last.message}`,
    "Check the Hub endpoint and the connection of this machine, and see " +
      "https://status.huggingface.co. Then run again: finished uploads are not sent twice.",
  );
}

/** Statuses for "try later": timeouts, rate limits and temporary faults. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || (status >= 502 && status <= 504);
}

/**
 * The wait that a server asks for, in milliseconds; null if it does not say. It is `Retry-After` in
 * seconds or as a date (RFC 9110 §10.2.3), else for 429 the Hub's `RateLimit: "api";r=0;t=55`. A
 * date is compared with the server's own `Date`, so that a wrong local clock does not matter.
 */
export function toldWait(status: number, headers: Headers, now = Date.now()): number | null {
  const after = headers.get("retry-after")?.trim();
  if (after && /^\d+$/.test(after)) return Number(after) * 1000;
  if (after && !Number.isNaN(Date.parse(after))) {
    const sent = Date.parse(headers.get("date") ?? "");
    return Math.max(0, Date.parse(after) - (Number.isNaN(sent) ? now : sent));
  }
  if (status !== 429) return null;
  const resets = [...(headers.get("ratelimit") ?? "").matchAll(/;\s*t=(\d+)/g)].map((match) =>
    Number(match[1]),
  );
  return resets.length === 0 ? null : Math.max(...resets) * 1000;
}
