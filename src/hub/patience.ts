import { setTimeout as wait } from "node:timers/promises";
import type { Report } from "../ground/report.ts";
import { newTraffic, type TrafficCount } from "./traffic.ts";

/** Limits of attempts. Times are in milliseconds. */
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
  toldWait: 930_000,
  /**
   * Time without progress, over all attempts of a call: silence, trickles, failed attempts and
   * waits that nobody asked for. What follows a given-up call (a look at main) still fits into five
   * minutes.
   */
  lost: 240_000,
  /** The same after a call that was given up because of silence, until something answers. */
  lostAfterSilence: 30_000,
  /** A gateway of the Hub gives up after a minute itself (504). */
  silence: 60_000,
  /** When the log says that nothing comes. */
  firstWord: 30_000,
  /**
   * Bytes per millisecond that a body must bring in each minute: a tenth of a slow line (1 Mbit/s)
   * that ten transfers share.
   */
  slowest: 8,
  /** A timer that fires later than this says that this machine was busy or asleep, not the Hub. */
  late: 5_000,
} as const;

/** Clock, timers and random numbers, which tests replace. */
export interface Patience {
  /** Milliseconds since 1970, never going back. */
  readonly now: () => number;
  /** Calls `run` after `milliseconds`. The result cancels that. */
  readonly after: (milliseconds: number, run: () => void) => () => void;
  /** Resolves after `milliseconds`; rejects if the signal is aborted first. */
  readonly sleep: (milliseconds: number, signal?: AbortSignal) => Promise<void>;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly report: Report;
  /** Whether the last call was given up because of silence, and nothing has answered since. */
  readonly contact: { isLost: boolean };
  readonly traffic: TrafficCount;
}

/** The real clock, unless `given` says otherwise. */
export function createPatience(report: Report, given: Partial<Patience> = {}): Patience {
  return {
    now: () => performance.timeOrigin + performance.now(),
    after: (milliseconds, run) => {
      const timer = setTimeout(run, milliseconds);
      return () => clearTimeout(timer);
    },
    sleep: async (milliseconds, signal) => {
      await wait(milliseconds, undefined, signal ? { signal } : {});
    },
    random: Math.random,
    contact: { isLost: false },
    traffic: newTraffic(),
    ...given,
    report,
  };
}

/** What else is known of a failure that another attempt may avoid. */
interface Circumstances {
  /** Milliseconds that the server asks to wait; null if it does not say. */
  readonly wait?: number | null;
  /** Attempts that such a failure is worth. */
  readonly attempts?: number;
  /** Whether the server stayed silent, or sent a trickle. */
  readonly isSilence?: boolean;
  /** What to do if no attempt avoids it. */
  readonly hint?: string;
}

/** A failure that another attempt may avoid. */
export class Transient extends Error {
  readonly wait: number | null;
  readonly attempts: number;
  readonly isSilence: boolean;
  readonly hint: string | null;

  constructor(message: string, circumstances: Circumstances = {}) {
    super(message);
    this.wait = circumstances.wait ?? null;
    this.attempts = circumstances.attempts ?? retryLimits.attempts;
    this.isSilence = circumstances.isSilence ?? false;
    this.hint = circumstances.hint ?? null;
  }
}
