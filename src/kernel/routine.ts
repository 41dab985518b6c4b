/**
 * One kind of coarse job. All arrays in a job lie over SharedArrayBuffers: inputs are read, outputs written in place, and only
 * numbers travel back. A routine's result depends on its job alone.
 */
export interface Routine<Job, Answer> {
  /** How errors call a job: `gram of 2048x1024`. */
  readonly describe: (job: Job) => string;
  /** Calls `fail` where operands cannot be what the job says; after this `run` may trust every length. On the caller's thread. */
  readonly check: (job: Job, fail: (what: string) => never) => void;
  /** Does it, on a worker's thread. */
  readonly run: (job: Job) => Answer;
}
