import { setTimeout } from "node:timers/promises";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";

/** Named limits of every retry, with their reason. All times in milliseconds. */
export const retryLimits = {
  /** With waits that double from one second, eight attempts ride out an outage of about two minutes. */
  attempts: 8,
  /** First wait; it doubles with every attempt. */
  firstWait: 1_000,
  /** A longer wait of our own choice gains nothing: the Hub is either back by then or down for long. */
  longestWait: 60_000,
  /** The Hub counts requests in windows of five minutes; whoever asks for more than that does not want us back soon. */
  longestToldWait: 310_000,
  /** One request may cost three such windows, not more. */
  totalWait: 930_000,
} as const;

/** A failure that another attempt may cure. `wait` is what the server asked for, null where it did not say. */
export class Transient extends Error {
  readonly wait: number | null;

  constructor(message: string, wait: number | null = null) {
    super(message);
    this.wait = wait;
  }
}

/** Dependencies of the clock and of chance, so that tests wait for nothing. */
export interface Patience {
  /** Resolves after `milliseconds`, rejects when the signal fires first. */
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
 * Runs `attempt` until it does not throw `Transient`, at most `retryLimits.attempts` times; then NETWORK.
 * Waits are what the server asks for, else "full jitter": uniform in [0, min(longestWait, firstWait · 2^n)]
 * (M. Brooker, "Exponential Backoff And Jitter", 2015), which spreads parallel clients best.
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
      if (tries === retryLimits.attempts) throw givenUp(what, `${tries} attempts`, failure);
      // A told wait of zero is no reason to hammer.
      const wait = failure.wait || backoff(tries, patience.random());
      if (wait > retryLimits.longestToldWait || waited + wait > retryLimits.totalWait) {
        throw givenUp(
          what,
          `${tries} attempts; the next one would be allowed in ${Math.ceil(wait / 1000)} s`,
          failure,
        );
      }
      waited += wait;
      patience.report.info(
        `${what}: ${failure.message}; attempt ${tries + 1} of ${retryLimits.attempts} in ${(wait / 1000).toFixed(1)} s`,
      );
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
    `${what} failed after ${effort}. Last answer: ${last.message}`,
    "See https://status.huggingface.co and the connection of this machine, then run again: finished uploads are not sent twice.",
  );
}

/** Statuses by which a server says "later": timeouts, rate limits and passing faults. */
export function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || (status >= 502 && status <= 504);
}

/**
 * The wait a server asks for, in milliseconds: `Retry-After` as seconds or as a date (RFC 9110 §10.2.3; measured against
 * the server's own `Date`, so a wrong clock here does no harm), or on 429 the Hub's `RateLimit: "api";r=0;t=55`.
 * Null where it does not say.
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
