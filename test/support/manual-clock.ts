import type { Patience } from "../../src/hub/patience.ts";

/** A clock that stands still until a test moves it. */
export interface ManualClock extends Pick<Patience, "now" | "after"> {
  /** Moves the clock by `milliseconds`, and runs the timers that are due, in order. */
  advance(milliseconds: number): void;
  /** Whether something waits for a time to come. */
  isAwaited(): boolean;
  /** The same as if the machine had slept: all due timers run late, when it wakes up. */
  sleepThrough(milliseconds: number): void;
}

export function manualClock(start = Date.UTC(2026, 0, 1, 10, 0)): ManualClock {
  let time = start;
  const timers = new Set<{ due: number; run: () => void }>();
  return {
    now: () => time,
    after: (milliseconds, run) => {
      const timer = { due: time + milliseconds, run };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    advance: (milliseconds) => {
      const end = time + milliseconds;
      for (;;) {
        const [next] = [...timers].filter(({ due }) => due <= end).sort((a, b) => a.due - b.due);
        if (next === undefined) break;
        timers.delete(next);
        time = next.due;
        next.run();
      }
      time = end;
    },
    isAwaited: () => timers.size > 0,
    sleepThrough: (milliseconds) => {
      time += milliseconds;
      const late = [...timers].filter(({ due }) => due <= time);
      for (const timer of late) if (timers.delete(timer)) timer.run();
    },
  };
}
