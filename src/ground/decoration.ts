import { OqeError } from "./errors.ts";
import { reasonOf } from "./reasons.ts";
import type { Report } from "./report.ts";

/** Output that no result depends on: a table, a picture, a summary. */
export interface Decoration<T> {
  /** For the warning: `the plan table`. */
  readonly what: string;
  readonly make: () => T | Promise<T>;
  /** Takes its place if it cannot be made. */
  readonly placeholder: T;
}

/** Makes a decoration. If that fails, warns and gives the placeholder: the run goes on. */
export async function decorate<T>(
  report: Pick<Report, "warn">,
  { what, make, placeholder }: Decoration<T>,
): Promise<T> {
  try {
    return await make();
  } catch (cause) {
    const reason = cause instanceof OqeError ? cause.message : reasonOf(cause);
    report.warn(`${what} could not be made: ${reason}`);
    return placeholder;
  }
}
