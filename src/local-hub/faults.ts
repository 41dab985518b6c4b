/** A failure to inject, for tests of clients: the next `times` requests that fit. */
export interface Fault {
  /** Matched against `METHOD /path?query`, on both origins. */
  match: RegExp;
  times: number;
  /**
   * An answer in place of the real one; `reset`: the connection breaks before anything is done; `truncate`: half of the
   * body, then it breaks; `drop-answer`: the work is done, then it breaks.
   */
  action:
    | { status: number; headers?: Record<string, string>; body?: unknown }
    | "reset"
    | "truncate"
    | "drop-answer";
}

/** The action of the first fault that fits and is not used up; uses it up by one. */
export function takeFault(faults: readonly Fault[], line: string): Fault["action"] | null {
  const fault = faults.find((one) => one.times > 0 && line.search(one.match) !== -1);
  if (!fault) return null;
  fault.times--;
  return fault.action;
}
