/** A failure for tests of clients. It applies to the next `times` matching requests. */
export interface Fault {
  /** Matched against `METHOD /path?query`, on both origins. */
  match: RegExp;
  times: number;
  /**
   * An answer in place of the real one. `reset` cuts the connection before the request has an
   * effect. `truncate` cuts it after half of the body. `drop-answer` cuts it after the request had
   * its effect. `flip` changes the lowest bit of one byte of a file, counted from the start of the
   * file; answers without this byte are left alone and not counted.
   */
  action:
    | { status: number; headers?: Record<string, string>; body?: unknown }
    | "reset"
    | "truncate"
    | "drop-answer"
    | { flip: number };
}

/** The action of the first matching fault that is not used up. Counts it as used once. */
export function takeFault(faults: readonly Fault[], line: string): Fault["action"] | null {
  const fault = faults.find((one) => isDue(one, line) && flipOf(one) === null);
  if (!fault) return null;
  fault.times--;
  return fault.action;
}

/**
 * The byte to change in an answer with the bytes `[start, end)` of a file; null: none. Counts the
 * fault as used once.
 */
export function takeFlip(
  faults: readonly Fault[],
  line: string,
  { start, end }: { readonly start: number; readonly end: number },
): number | null {
  const fault = faults.find((one) => {
    const at = flipOf(one);
    return at !== null && at >= start && at < end && isDue(one, line);
  });
  if (!fault) return null;
  fault.times--;
  return flipOf(fault);
}

function isDue({ times, match }: Fault, line: string): boolean {
  return times > 0 && line.search(match) !== -1;
}

function flipOf({ action }: Fault): number | null {
  return typeof action === "object" && "flip" in action ? action.flip : null;
}
