/** A failure for tests of clients. It applies to the next `times` matching requests. */
export interface Fault {
  /** Matched against `METHOD /path?query`, on both origins. */
  match: RegExp;
  times: number;
  /**
   * An answer in place of the real one. `reset` cuts the connection before the request has an
   * effect. `truncate` cuts it after half of the body. `drop-answer` cuts it after the request had
   * its effect.
   */
  action:
    | { status: number; headers?: Record<string, string>; body?: unknown }
    | "reset"
    | "truncate"
    | "drop-answer";
}

/** The action of the first matching fault that is not used up. Counts it as used once. */
export function takeFault(faults: readonly Fault[], line: string): Fault["action"] | null {
  const fault = faults.find((one) => one.times > 0 && line.search(one.match) !== -1);
  if (!fault) return null;
  fault.times--;
  return fault.action;
}
