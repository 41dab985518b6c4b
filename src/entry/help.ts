import type { Help } from "commander";
import type { Paint } from "../ground/color.ts";
import { engine } from "../ground/engine.ts";
import { exitCodes } from "../ground/errors.ts";
import { describeInput, type InputRow } from "../inputs/input-row.ts";
import {
  type CommandName,
  type CommandRow,
  commandTable,
  exampleOf,
  type FlagRow,
  inputFlags,
  isBoolean,
  ownFlags,
  usedFlags,
} from "./command-table.ts";

/** Where help goes. */
export interface HelpPage {
  readonly write: (text: string) => void;
  readonly columns: number;
  readonly paint: Paint;
}

/** Longer lines are hard to read, also in a wide terminal. */
const longestLine = 100;
const usualColumns = 80;

/** The page of stdout. */
export function helpPage(
  write: HelpPage["write"],
  columns: number | undefined,
  paint: Paint,
): HelpPage {
  return { write, columns: Math.min(columns || usualColumns, longestLine), paint };
}

/** The text of `oqe --help`. */
export function overviewPage({ columns, paint }: HelpPage, helper: Help): string {
  const width = Math.max(...commandTable.map((command) => callOf(command).length));
  const item = (term: string, text: string) =>
    `  ${paint("cyan", term.padEnd(width))}  ${indented(helper.boxWrap(text, columns - width - 4), width + 4)}`;
  const { failure, usage, gate, time, stopped } = exitCodes;
  const title = `oqe ${engine.version}: publishes the oQe series of a base model`;
  const wrapped = (text: string) => helper.boxWrap(text, columns);
  return [
    wrapped(`${title} (mixed-precision MLX quants)`),
    "",
    paint("bold", "Commands:"),
    ...commandTable.map((command) => item(callOf(command), command.brief)),
    "",
    paint("bold", "Examples:"),
    ...commandTable
      .filter(({ name }) => ["plan", "publish", "verify"].includes(name))
      .map(({ examples }) => `  ${examples.at(-1)![0]}`),
    "",
    paint("bold", "Flags:"),
    item("-h, --help", "Explain the flags of a command"),
    item("-q, --quiet", "Print only the result, warnings and errors"),
    item("-V, --version", "Print the version"),
    "",
    wrapped(
      "<model> is a folder, or org/name[@revision] on the Hub. Inputs also come from OQE_* " +
        "variables and from oqe.yml (docs/inputs.md). The Hub token comes from HF_TOKEN, or from " +
        "`hf auth login`. Prefer both to --hub-token: other users of this machine can see the " +
        "flags of a running command.",
    ),
    "",
    wrapped(
      `Exit codes: 0 success, ${failure} failure, ${usage} wrong usage, ${gate} a tier failed a ` +
        `gate, or differs from its receipt, ${time} stopped at time-limit: run again to go on, ` +
        `${stopped} ended by Ctrl-C. docs/errors.md lists all errors.`,
    ),
    "",
  ].join("\n");
}

/** The text of `oqe <command> --help`: the flags that it uses by group, each with its default. */
export function formatHelp(command: CommandRow, page: HelpPage, helper: Help): string {
  const { paint, columns } = page;
  const groups = new Map<string, string[]>();
  const flag = (row: FlagRow | InputRow, text: string) =>
    `  ${paint("cyan", termOf(row))}\n      ${indented(helper.boxWrap(text, columns - 6), 6)}`;
  const add = (group: string, text: string) =>
    groups.set(group, [...(groups.get(group) ?? []), text]);
  for (const row of ownFlags(command)) add("Flags", flag(row, describeFlag(row)));
  add("Flags", flag({ name: "help", short: "h", hint: "always", doc: "" }, "Print this"));
  for (const row of usedFlags(command)) add(row.group, flag(row, describe(row, command.name)));
  const width = Math.max(...command.examples.map(([call]) => call.length));
  const isWide = command.examples.every(([, does]) => width + does.length + 6 <= columns);
  const examples = command.examples.map(([call, does]) =>
    isWide ? `  ${call.padEnd(width)}  # ${does}` : `  # ${does}\n  ${call}`,
  );
  return [
    `${paint("bold", "Usage:")} ${callOf(command)} [flags]\n`,
    `${helper.boxWrap(`${command.doc}.`, columns)}\n`,
    `${paint("bold", "Examples:")}\n${examples.join("\n")}\n`,
    ...[...groups].map(([group, flags]) => `${paint("bold", `${group}:`)}\n${flags.join("\n")}\n`),
    ...ignored(command).map((text) => `${helper.boxWrap(text, columns)}\n`),
  ].join("\n");
}

/** The flags without effect, in a sentence; none if there are none. */
function ignored(command: CommandRow): readonly string[] {
  const used = usedFlags(command);
  const others = inputFlags(command).filter((row) => !used.includes(row));
  if (others.length === 0) return [];
  const names = others.map(({ name }) => `--${name}`).join(", ");
  const why = "So that a call can be repeated with another command, these are taken too";
  return [`${why}, and have no effect: ${names}.`];
}

export function callOf({ name, argument }: CommandRow): string {
  return `oqe ${name} ${argument}`;
}

/** `-q, --[no-]quiet`, `--tiers <tiers>`. */
function termOf(row: FlagRow | InputRow): string {
  const short = "short" in row && row.short !== undefined ? `-${row.short}, ` : "";
  if (isBoolean(row)) return `${short}--[no-]${row.name}`;
  return `${short}--${row.name}${row.hint === "always" ? "" : ` ${row.hint}`}`;
}

function describeFlag(row: FlagRow): string {
  return `${row.doc}${exampleText(row)}`;
}

/** `oqe verify` always evaluates and never tunes: conditions on an input do not apply to it. */
function describe(row: InputRow, command: CommandName): string {
  const doc = command === "verify" ? (row.verifyDoc ?? row.doc) : describeInput(row);
  const { hint, default: value } = row;
  const usual = hint === "" || value === "" ? [] : [`Default: ${value}`];
  return [doc.replaceAll("`", ""), ...usual].join(". ") + exampleText(row);
}

/** On a line of its own. */
function exampleText(row: FlagRow | InputRow): string {
  const example = isBoolean(row) ? null : exampleOf(row);
  return example === null ? "" : `\nExample: --${row.name} ${example}`;
}

/** Further lines behind as many blanks. */
function indented(text: string, blanks: number): string {
  return text.replaceAll("\n", `\n${" ".repeat(blanks)}`);
}
