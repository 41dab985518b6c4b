import { StageProgress } from "./stage-progress.ts";

/** Clock, timers and memory, which tests replace. Times are in milliseconds. */
export interface Surroundings {
  /** Never goes back. */
  readonly now: () => number;
  /** Calls `run` after `milliseconds`, if the process still runs. The result cancels that. */
  readonly after: (milliseconds: number, run: () => void) => () => void;
  /** Resident memory of this process. */
  readonly residentBytes: () => number;
}

export const realSurroundings: Surroundings = {
  now: () => performance.now(),
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds).unref();
    return () => clearTimeout(timer);
  },
  residentBytes: () => process.memoryUsage.rss(),
};

/** Looks at a stage; gives the milliseconds until the next look. */
export type Look = (stage: StageProgress, now: number) => number;

/** Follows the stages of a run, and looks at the one that goes on from time to time. */
export class StageWatch {
  readonly #surroundings: Surroundings;
  readonly #look: Look;
  #stage: StageProgress | null = null;
  #cancel: () => void = () => {};

  constructor(surroundings: Surroundings, look: Look) {
    this.#surroundings = surroundings;
    this.#look = look;
  }

  /** Runs a stage. Nothing is looked at after its end, also after an error. */
  async during<T>(name: string, run: () => Promise<T>): Promise<T> {
    const outer = this.#stage;
    this.#stage = new StageProgress(name, this.#surroundings.now());
    if (outer === null) this.#again();
    try {
      return await run();
    } finally {
      this.#stage = outer;
      if (outer === null) this.#cancel();
    }
  }

  tick(done: number, total: number, unit: string): void {
    this.#stage?.tick({ done, total, unit }, this.#surroundings.now());
  }

  #again(): void {
    if (this.#stage === null) return;
    const wait = this.#look(this.#stage, this.#surroundings.now());
    this.#cancel = this.#surroundings.after(wait, () => this.#again());
  }
}
