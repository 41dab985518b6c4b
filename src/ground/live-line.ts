import { isatty, WriteStream } from "node:tty";
import { percentText, type StageView } from "./stage-progress.ts";

/** Where a terminal's report goes. */
export interface Terminal {
  readonly write: (text: string) => void;
  /** Width now; null: a pipe, a file, or a terminal that cannot rewrite a line. */
  readonly columns: () => number | null;
}

/**
 * Names the file descriptor of the terminal in a supervised process, whose stderr is a pipe
 * (entry/supervise). Unset: there is no terminal.
 */
export const terminalVariable = "OQE_TERMINAL";

type Environment = Readonly<Record<string, string | undefined>>;

/** Whether stderr, or the terminal that a supervised process was handed, is watched. */
export function hasTerminal(environment: Environment): boolean {
  return isLive(environment) && isatty(Number(environment[terminalVariable] ?? "2"));
}

/** The terminal of this process: stderr, because stdout is for the result of a command. */
export function openTerminal(environment: Environment = process.env): Terminal {
  const handed = Number(environment[terminalVariable] ?? "2");
  if (!hasTerminal(environment))
    return { write: (text) => void process.stderr.write(text), columns: () => null };
  const stream = handed === 2 ? process.stderr : new WriteStream(handed);
  // Asked each time: only Node's own streams hear that a window has another size.
  const columns = () => (stream as WriteStream).getWindowSize()[0] || usualColumns;
  return { write: (text) => void stream.write(text), columns };
}

const usualColumns = 80;

/** Whether a terminal in this environment is watched, and can rewrite a line. */
export function isLive({ TERM, CI }: Environment, platform = process.platform): boolean {
  const isDumb = TERM === "dumb" || (!TERM && platform !== "win32");
  return !isDumb && (!CI || CI === "false");
}

const eraseToEnd = "\u001b[K";

/** The last line of a terminal, which is written again and again; other lines go above it. */
export class LiveLine {
  readonly #terminal: Terminal;
  #shown = "";

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  show(view: StageView): void {
    const text = liveText(view, (this.#terminal.columns() ?? usualColumns) - 1);
    if (text === this.#shown) return;
    this.#shown = text;
    this.#terminal.write(`\r${text}${eraseToEnd}`);
  }

  print(line: string): void {
    this.#terminal.write(`${this.#erased()}${line}\n${this.#shown}`);
  }

  clear(): void {
    if (this.#shown !== "") this.#terminal.write(this.#erased());
    this.#shown = "";
  }

  #erased(): string {
    return this.#shown === "" ? "" : `\r${eraseToEnd}`;
  }
}

/** In characters. */
const barWidths = { long: 24, short: 10 };

/**
 * `Measure (7 of 12)  23 % [=====>      ]  12 of 53 blocks  2.1/min  5 min, 19 min left`.
 * What `columns` have no room for is left out, the least needed first. There are no colors.
 */
export function liveText(view: StageView, columns: number): string {
  return candidates(view).find((text) => text.length <= columns) ?? view.name.slice(0, columns);
}

/** The line with ever less in it. */
function candidates({ name, elapsed, work }: StageView): readonly string[] {
  if (work === null) return [`${name}  ${elapsed}`];
  const { share, amount, rate, left } = work;
  const percent = percentText(work);
  const time = left === null ? elapsed : `${elapsed}, ${left} left`;
  const short = `${percent} ${bar(share, barWidths.short)}`;
  const line = (...parts: readonly (string | null)[]) =>
    [name, ...parts].filter((part) => part !== null).join("  ");
  return [
    line(`${percent} ${bar(share, barWidths.long)}`, amount, rate, time),
    line(short, amount, rate, time),
    line(short, rate, time),
    line(short, time),
    line(percent, time),
    line(percent),
  ];
}

function bar(share: number, width: number): string {
  const full = Math.floor(share * width);
  const done = full === width ? "=".repeat(width) : `${"=".repeat(full)}>`;
  return `[${done.padEnd(width)}]`;
}
