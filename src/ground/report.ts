import * as core from "@actions/core";
import { type Paint, plainPaint } from "./color.ts";
import { byteSize, grouped } from "./digits.ts";
import { LiveLine, openTerminal, type Terminal } from "./live-line.ts";
import { placeOf } from "./message-place.ts";
import { percentText, type StageProgress } from "./stage-progress.ts";
import { realSurroundings, StageWatch, type Surroundings } from "./stage-watch.ts";
import { wrapped } from "./wrap.ts";

/**
 * Where a run reports its progress. The entries pass one in: log groups in Actions, lines on stderr
 * otherwise, with a live line below them in a terminal.
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
  /** Clears the live line, before the process ends in the middle of a stage. */
  close?(): void;
  /** A line that people copy, so it is not wrapped. Without this: a warning. */
  copy?(line: string): void;
}

/** A report that drops everything: for tests. */
export const silentReport: Report = {
  stage: (_name, run) => run(),
  info: () => {},
  warn: () => {},
  tick: () => {},
};

/** Only warnings: for a user who waits for the result alone. */
export function quietReport({ warn, close, copy }: Report): Report {
  return { ...silentReport, warn, ...(close && { close }), ...(copy && { copy }) };
}

/** Milliseconds between two progress lines. The log of a run of six hours must stay readable. */
const tickInterval = { terminal: 2_000, actions: 20_000 };

/** Milliseconds after which the live line is looked at again. */
const frameInterval = 250;

/**
 * Milliseconds after which a silent stage says that it goes on. A line is promised for each 30 s,
 * and a busy process runs its timers late.
 */
const longestSilence = 25_000;

/** Prints at most one tick per interval, and the last one of those that it has begun to print. */
function throttle(
  interval: number,
  now: () => number,
  print: (line: string) => void,
): Report["tick"] {
  let last = now();
  let isShown = false;
  return (done, total, unit) => {
    const isEnd = done >= total && isShown;
    if (!isEnd && now() - last < interval) return;
    last = now();
    isShown = done < total;
    const percent = total > 0 ? Math.floor((100 * done) / total) : 100;
    print(`${percent} % (${grouped(done)} of ${grouped(total)} ${unit})`);
  };
}

/** `Measure (7 of 12) goes on: 12 min, 23 % (12 of 53 blocks), 19 min left, 3.2 GB of memory`. */
function heartbeatLine(stage: StageProgress, now: number, residentBytes: number): string {
  const { name, elapsed, work } = stage.view(now);
  const parts = [
    elapsed,
    ...(work === null ? [] : [`${percentText(work)} (${work.amount})`]),
    ...(work?.left ? [`${work.left} left`] : []),
    `${byteSize(residentBytes)} of memory`,
  ];
  return `${name} goes on: ${parts.join(", ")}`;
}

/** Lines that are printed once. A stage that is silent for long says that it goes on. */
function plainReport(
  printer: Omit<Report, "tick">,
  interval: number,
  { now, ...rest }: Surroundings,
): Report {
  let heard = now();
  const hear = (print: (line: string) => void) => (line: string) => {
    heard = now();
    print(line);
  };
  const info = hear(printer.info);
  const stages = new StageWatch({ now, ...rest }, (stage, time) => {
    if (time - heard >= longestSilence) info(heartbeatLine(stage, time, rest.residentBytes()));
    return heard + longestSilence - time;
  });
  const print = throttle(interval, now, info);
  return {
    stage: (name, run) => {
      heard = now();
      return printer.stage(name, () => stages.during(name, run));
    },
    info,
    warn: hear(printer.warn),
    tick: (...work) => {
      stages.tick(...work);
      print(...work);
    },
  };
}

/** Lines as in a plain report, and below them one that shows how far the stage is. */
function liveReport(terminal: Terminal, surroundings: Surroundings, paint: Paint): Report {
  const line = new LiveLine(terminal);
  const yellow = paint("yellow", "warning:");
  const print = (text: string, colored = (said: string) => said) =>
    line.print(colored(wrapped(text, terminal.columns() ?? Number.POSITIVE_INFINITY, "  ")));
  const stages = new StageWatch(surroundings, (stage, now) => {
    line.show(stage.view(now));
    return frameInterval;
  });
  return {
    stage: async (name, run) => {
      line.print(paint("bold", name));
      try {
        return await stages.during(name, run);
      } finally {
        line.clear();
      }
    },
    info: (text) => print(text),
    warn: (text) => print(`warning: ${text}`, (said) => said.replace("warning:", yellow)),
    tick: (...work) => stages.tick(...work),
    close: () => line.clear(),
    copy: (text) => line.print(`  ${text}`),
  };
}

/** Lines on stderr; stdout is for the result of a command. In a terminal with a live line. */
export function terminalReport(
  terminal: Terminal = openTerminal(),
  surroundings: Surroundings = realSurroundings,
  paint: Paint = plainPaint,
): Report {
  if (terminal.columns() !== null) return liveReport(terminal, surroundings, paint);
  const print = (line: string) => terminal.write(`${line}\n`);
  const printer: Omit<Report, "tick"> = {
    stage: (name, run) => {
      print(name);
      return run();
    },
    info: (line) => print(`  ${line}`),
    warn: (line) => print(`  warning: ${line}`),
  };
  return plainReport(printer, tickInterval.terminal, surroundings);
}

/**
 * A runner takes `::` at the start of a line, and `##[` anywhere, for a command. The toolkit
 * escapes the commands that it prints itself, but not plain lines.
 */
function withoutCommands(text: string): string {
  return text.replace(/^(\s*):(?=:)/gm, "$1: ").replace(/##(?=\[)/g, "## ");
}

/** Log groups, annotations and progress lines of a GitHub job. */
export function actionsReport(surroundings: Surroundings = realSurroundings): Report {
  const printer: Omit<Report, "tick"> = {
    stage: (name, run) => core.group(name, run),
    info: (line) => core.info(withoutCommands(line)),
    warn: (line) => core.warning(line, placeOf(line)),
  };
  return plainReport(printer, tickInterval.actions, surroundings);
}
