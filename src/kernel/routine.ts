import { OqeError } from "../ground/errors.ts";

/** Ends a check: throws an error that describes the fault of an operand. */
export type Fail = (what: string) => never;

/**
 * One kind of job. All arrays in a job lie over SharedArrayBuffers: inputs are read, outputs are
 * written in place, and only numbers travel back. A routine's result depends on its job alone.
 */
export interface Routine<Job, Answer> {
  /** Names a job in errors: `gram of 2048x1024`. */
  readonly describe: (job: Job) => string;
  /**
   * Calls `fail` where an operand contradicts the job. After this `run` may trust every length.
   * Runs on the caller's thread.
   */
  readonly check: (job: Job, fail: Fail) => void;
  /** Does the job on a worker's thread. */
  readonly run: (job: Job) => Answer;
}

/** Throws INTERNAL, naming the job. */
export function failOf(job: string): Fail {
  return (what) => {
    throw new OqeError(
      "INTERNAL",
      `${job}: ${what}`,
      "This is a bug in oqe-publisher, not in the checkpoint.",
    );
  };
}
