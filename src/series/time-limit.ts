import { OqeError } from "../ground/errors.ts";

/** Thrown behind a block when the time is up. What was finished is saved. */
export class TimeIsUp extends OqeError {
  /** `behind block 3 of 8` */
  readonly where: string;

  constructor(where: string) {
    super("TIME", `the run stopped ${where}, because time-limit leaves no time for another`);
    this.where = where;
  }
}

/** Seconds since the start of the process. */
export type Clock = () => number;

const sinceStart: Clock = () => performance.now() / 1000;

/** The time that a run may take. */
export class TimeLimit {
  readonly #end: number;
  readonly #clock: Clock;
  #last: number;
  #longest = 0;

  readonly #isStopped: () => boolean;

  /**
   * `seconds`: since the start of the process; null: no limit. `isStopped`: whether the user asked
   * the run to stop meanwhile.
   */
  constructor(
    seconds: number | null,
    isStopped: () => boolean = () => false,
    clock: Clock = sinceStart,
  ) {
    this.#isStopped = isStopped;
    this.#end = seconds ?? Number.POSITIVE_INFINITY;
    this.#clock = clock;
    this.#last = clock();
  }

  /** Called behind each block. Whether another one, as long as the longest, would end too late. */
  isUp(): boolean {
    const now = this.#clock();
    this.#longest = Math.max(this.#longest, now - this.#last);
    this.#last = now;
    return this.#isStopped() || now + this.#longest > this.#end;
  }
}
