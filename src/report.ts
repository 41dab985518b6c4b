/** Where a run says what it does. Entries pass one in: log groups in Actions, plain lines on stderr in a terminal. */
export interface Report {
  /** Runs one stage of the pipeline under its name (a log group in Actions) and passes its result on. */
  stage<T>(name: string, run: () => Promise<T>): Promise<T>;
  /** One line of detail. */
  info(line: string): void;
  /** Something the user should know although the run goes on. Warnings also land on the receipt where they concern it. */
  warn(line: string): void;
  /** Progress inside a stage: `done` of `total` in any unit. Throttled by the implementation. */
  tick(done: number, total: number, unit: string): void;
}

/** A report that says nothing: for tests and for `--json` runs. */
export const silentReport: Report = {
  stage: (_name, run) => run(),
  info: () => {},
  warn: () => {},
  tick: () => {},
};
