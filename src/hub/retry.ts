import { OqeError } from "../ground/errors.ts";
import { type Patience, retryLimits, Transient } from "./patience.ts";
import { Watch } from "./watch.ts";

/**
 * Repeats `attempt` while it throws `Transient`, at most as often as that failure is worth; then
 * throws NETWORK. The wait is the time that the server asks for, else "full jitter": uniform in [0,
 * min(longestWait, firstWait · 2^n)]. It spreads parallel clients best (M. Brooker, "Exponential
 * Backoff And Jitter", 2015). An attempt that calls `begin` is watched; its time without progress
 * counts, else all of its time.
 */
export async function retry<T>(
  patience: Patience,
  what: string,
  attempt: (begin: () => Watch) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const budget = patience.contact.isLost ? retryLimits.lostAfterSilence : retryLimits.lost;
  const spent = { told: 0, lost: 0 };
  for (let tries = 1; ; tries++) {
    signal?.throwIfAborted();
    const watches: Watch[] = [];
    const began = patience.now();
    try {
      return await attempt(() => {
        watches.push(new Watch({ patience, what, budget: budget - spent.lost }));
        return watches.at(-1)!;
      });
    } catch (failure) {
      if (!(failure instanceof Transient)) throw failure;
      const watched = watches.reduce((sum, watch) => sum + watch.end(), 0);
      spent.lost += watches.length > 0 ? watched : patience.now() - began;
      const wait = nextWait(failure, tries, { patience, what, budget, spent });
      const next = `attempt ${tries + 1} of ${failure.attempts} in ${(wait / 1000).toFixed(1)} s`;
      patience.report.info(`${what}: ${failure.message}; ${next}`);
      patience.traffic.retries++;
      await patience.sleep(wait, signal);
    } finally {
      for (const watch of watches) watch.end();
    }
  }
}

/** A call, and what its attempts took so far, in milliseconds. */
interface Call {
  readonly patience: Patience;
  readonly what: string;
  readonly budget: number;
  readonly spent: { told: number; lost: number };
}

/** The wait before the next attempt; counts it. Throws NETWORK if there is no next attempt. */
function nextWait(failure: Transient, tries: number, call: Call): number {
  const { patience, what, budget, spent } = call;
  const giveUp = (effort: string) => {
    if (failure.isSilence) patience.contact.isLost = true;
    return givenUp(what, effort, failure);
  };
  if (tries >= failure.attempts) throw giveUp(`${tries} attempts`);
  // If the server asks for no wait, wait anyway.
  const wait = failure.wait || backoff(tries, patience.random());
  const kind = failure.wait ? "told" : "lost";
  const lost = spent.lost + (kind === "lost" ? wait : 0);
  if (lost >= budget) throw giveUp(`${tries} attempts in ${Math.round(spent.lost / 1000)} s`);
  spent[kind] += wait;
  if (wait > retryLimits.longestToldWait || spent.told > retryLimits.toldWait) {
    const seconds = Math.ceil(wait / 1000);
    throw giveUp(`${tries} attempts; the next one would be allowed in ${seconds} s`);
  }
  return wait;
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
    last.hint ??
      "Check the Hub endpoint and the connection of this machine, and see " +
        "https://status.huggingface.co. Then run again: finished uploads are not sent twice.",
    last,
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
