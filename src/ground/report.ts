import * as core from "@actions/core";
import { grouped } from "./digits.ts";

/**
 * Where a run reports its progress. The entries pass one in: log groups in Actions, plain lines on
 * stderr in a terminal.
 */
export interface Report {
  /** Runs one stage of the pipeline under its name (in Actions a log group); gives its result. */
  stage<T>(name: string, run: () => Promise<T>): Promise<T>;
  /** One line of detail. */
  info(line: string): void;
  /** A warning. The run goes on. */
  warn(line: string): void;
  /** Progress inside a stage: `done` of `total`, in any unit. Not every call is printed. */
  tick(done: number, total: number, unit: string): void;
}

/** A report that drops everything: for tests. */
export const silentReport: Report = {
  stage: (_name, run) => run(),
  info: () => {},
  warn: () => {},
  tick: () => {},
};

/** Milliseconds between two progress lines. The log of a run of six hours must stay readable. */
const tickInterval = { terminal: 2_000, actions: 20_000 };

/** Prints at most one tick per interval, and the last one of those that it has begun to print. */
function throttle(interval: number, print: (line: string) => void): Report["tick"] {
  let last = Date.now();
  let isShown = false;
  return (done, total, unit) => {
    const isEnd = done >= total && isShown;
    if (!isEnd && Date.now() - last < interval) return;
    last = Date.now();
    isShown = done < total;
    const percent = total > 0 ? Math.floor((100 * done) / total) : 100;
    print(`${percent} % (${grouped(done)} of ${grouped(total)} ${unit})`);
  };
}

/** Plain lines on stderr; stdout is for the result of a command. */
export function terminalReport(
  write: (text: string) => void = (text) => process.stderr.write(text),
): Report {
  return {
    stage: (name, run) => {
      write(`${name}\n`);
      return run();
    },
    info: (line) => write(`  ${line}\n`),
    warn: (line) => write(`  warning: ${line}\n`),
    tick: throttle(tickInterval.terminal, (line) => write(`  ${line}\n`)),
  };
}

/** Log groups, annotations and progress lines of a GitHub job. */
export function actionsReport(): Report {
  return {
    stage: (name, run) => core.group(name, run),
    info: (line) => core.info(line),
    warn: (line) => core.warning(line),
    tick: throttle(tickInterval.actions, (line) => core.info(line)),
  };
}
