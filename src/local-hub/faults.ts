import type { Reply } from "./exchange.ts";

/**
 * What happens in place of a right answer. `reset` cuts the connection before the request has an
 * effect. `silent` keeps it open and says nothing. `race` lets somebody else commit to the branch
 * first. The others happen after the request had its effect: `drop-answer` cuts the connection
 * without an answer, `truncate` after half of the body; `stall` sends half of the body and then
 * nothing, `trickle` a byte per second. `flip` changes the lowest bit of one byte of a file,
 * counted from the start of the file; answers without this byte are left alone and not counted.
 * `replace` gives another answer for a successful one, whose body it gets.
 */
export type Action =
  | { status: number; headers?: Record<string, string>; body?: unknown }
  | "reset"
  | "silent"
  | "race"
  | "drop-answer"
  | "truncate"
  | "stall"
  | "trickle"
  | { flip: number }
  | { replace: (reply: Reply, body: Buffer) => Reply };

/** A failure for tests of clients. It applies to the next `times` matching requests. */
export interface Fault {
  /** Matched against `METHOD /path?query`, on both origins. */
  match: RegExp;
  times: number;
  /** Matching requests before the first that it applies to. Default 0. */
  after?: number;
  action: Action;
}

/** The action of the first matching fault that is not used up. Counts it as used once. */
export function takeFault(faults: readonly Fault[], line: string): Action | null {
  const fault = faults.find((one) => flipOf(one) === null && isDue(one, line));
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

/** Counts a matching request that comes before the fault's first. */
function isDue(fault: Fault, line: string): boolean {
  const { times, match, after = 0 } = fault;
  if (times === 0 || line.search(match) === -1) return false;
  fault.after = after - 1;
  return after <= 0;
}

function flipOf({ action }: Fault): number | null {
  return typeof action === "object" && "flip" in action ? action.flip : null;
}
