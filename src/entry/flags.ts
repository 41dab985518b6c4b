import { parseArgs } from "node:util";
import { OqeError } from "../ground/errors.ts";
import { didYouMean } from "../ground/suggestion.ts";
import type { InputCommand, InputRow } from "../inputs/input-row.ts";
import { inputTable } from "../inputs/input-table.ts";

/** A flag of the command line that is not an input. */
export interface FlagRow {
  readonly name: string;
  /** The value as the help shows it; empty for a flag without a value. */
  readonly hint: string;
  readonly doc: string;
}

export type CommandName = InputCommand | "card" | "hub" | "init";

/** A command: its help text, and its flags that are not inputs. */
export interface CommandRow {
  readonly name: CommandName;
  /** The one argument, as the help shows it: `<model>`. */
  readonly argument: string;
  /** Used without one; undefined: it has to be given. */
  readonly usual?: string;
  readonly doc: string;
  readonly flags: readonly FlagRow[];
}

const modelArgument = "<model>";

export const commandTable: readonly CommandRow[] = [
  {
    name: "plan",
    argument: modelArgument,
    doc: "Prints size and bit widths of every tier. Writes nothing",
    flags: [
      { name: "explain", hint: "", doc: "Add widths by role, and what the next boost would gain" },
    ],
  },
  {
    name: "sensitivity",
    argument: modelArgument,
    doc: "Measures how much each tensor's precision affects the output",
    flags: [{ name: "out", hint: "<file>", doc: "File for the result. Empty means stdout" }],
  },
  {
    name: "quantize",
    argument: modelArgument,
    doc: "Writes one MLX folder per tier, card included",
    flags: [{ name: "out", hint: "<folder>", doc: "Required: parent folder of the tiers" }],
  },
  {
    name: "publish",
    argument: modelArgument,
    doc: "Makes every tier and publishes it on the Hub",
    flags: [
      {
        name: "until",
        hint: "measured|staged|published",
        doc:
          "How far the run goes. measured leaves the sensitivity in the work folder. staged leaves " +
          "finished tiers on the staging branches. Default: published",
      },
    ],
  },
  {
    name: "verify",
    argument: "<repo or folder>",
    doc: "Checks a tier's files against its receipt, and evaluates it again",
    flags: [{ name: "base", hint: modelArgument, doc: "Required: the tier's base model" }],
  },
  {
    name: "card",
    argument: "<folder>",
    doc: "Renders the card of a finished folder from its receipt",
    flags: [],
  },
  {
    name: "init",
    argument: "[folder]",
    usual: ".",
    doc: "Writes a series file, and the GitHub workflow that publishes its series",
    flags: [
      {
        name: "uses",
        hint: "<owner>/oqe-publisher@<commit>",
        doc: "The Action that the workflow uses. Empty means the one that oqe was installed from",
      },
      {
        name: "branch",
        hint: "<name>",
        doc: "The repository's default branch. Empty means the one that git names, or main",
      },
      {
        name: "overwrite",
        hint: "",
        doc: "Replace another workflow of this name. A series.yml that is there always stays",
      },
    ],
  },
  {
    name: "hub",
    argument: "<folder>",
    doc: "Serves a Hub on 127.0.0.1, to rehearse publishing",
    flags: [{ name: "port", hint: "<number>", doc: "Port. Empty or 0 means a free one" }],
  },
];

const json: FlagRow = { name: "json", hint: "", doc: "Print one JSON document" };
const help: FlagRow = { name: "help", hint: "", doc: "Print this" };

/** The flags of a command that are not inputs. */
export function ownFlags({ flags }: CommandRow): readonly FlagRow[] {
  return [...flags, json, help];
}

/** The inputs that a command takes as flags. */
export function inputFlags({ name }: CommandRow): readonly InputRow[] {
  const rows: readonly InputRow[] = inputTable;
  return rows.filter(({ commands }) => commands.some((command) => command === name));
}

/** The flags that a command uses: the others that it takes have no effect on it. */
export function usedFlags(command: CommandRow): readonly InputRow[] {
  return inputFlags(command).filter(
    ({ ignoredBy = [] }) => !ignoredBy.some((name) => name === command.name),
  );
}

function flagNames(command: CommandRow): readonly string[] {
  return [...inputFlags(command), ...ownFlags(command)].map(({ name }) => name);
}

/** The values of flags by name: true for a flag without a value. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

export interface CommandLine {
  readonly flags: Flags;
  readonly positionals: readonly string[];
}

/** Splits a command line. Throws BAD_INPUT for an unknown flag, or one that is given twice. */
export function parseFlags(argv: readonly string[]): CommandLine {
  const rows = [...inputTable, ...commandTable.flatMap(ownFlags)];
  const options = {
    ...Object.fromEntries(
      rows.map(({ name, hint }) => [name, { type: hint === "" ? "boolean" : "string" } as const]),
    ),
    help: { type: "boolean", short: "h" },
    version: { type: "boolean" },
  } as const;
  let parsed: ReturnType<typeof parseArgs>;
  try {
    parsed = parseArgs({ args: [...argv], options, allowPositionals: true, tokens: true });
  } catch (cause) {
    throw wrongFlag(
      cause,
      commandTable.find(({ name }) => argv.includes(name)),
    );
  }
  const tokens = parsed.tokens ?? [];
  tokens.forEach((token, at) => {
    const next = tokens[at + 1];
    const isSwitch = token.kind === "option" && token.value === undefined;
    if (isSwitch && next?.kind === "positional" && /^(true|false)$/i.test(next.value))
      throw switchWithValue(token.rawName);
  });
  refuseRepeated(tokens.flatMap((token) => (token.kind === "option" ? [token.name] : [])));
  return { flags: parsed.values as Flags, positionals: parsed.positionals };
}

/**
 * The error for what Node's parser refuses. Its text quotes the flag: "Unknown option '--x'."
 * `command`: the one that is called; undefined: none is named.
 */
function wrongFlag(cause: unknown, command: CommandRow | undefined): OqeError {
  const said = cause instanceof Error ? cause.message.split(/\.\s/)[0]! : "";
  const [, unknown] = /^Unknown option '--([^']+)'$/.exec(said) ?? [];
  if (unknown !== undefined) {
    const taken = (command === undefined ? commandTable : [command]).flatMap(flagNames);
    const near = didYouMean(unknown, [...new Set(taken)], (flag) => `--${flag}`);
    return new OqeError("BAD_INPUT", said, near + seeHelp(command?.name), cause);
  }
  const [, withValue] = /^Option '([^' ]+).*' does not take an argument$/.exec(said) ?? [];
  if (withValue !== undefined) return switchWithValue(withValue, cause);
  const [, missing] = /^Option '([^' ]+).*' argument (missing|is ambiguous)$/.exec(said) ?? [];
  if (missing === undefined) return new OqeError("BAD_INPUT", said, seeHelp(), cause);
  const hint = said.endsWith("ambiguous")
    ? `A value that starts with "-" is written ${missing}=-1.`
    : seeHelp();
  return new OqeError("BAD_INPUT", `${missing} has no value`, hint, cause);
}

function switchWithValue(flag: string, cause?: unknown): OqeError {
  const hint = `Give ${flag} alone for true, and leave it out for false.`;
  return new OqeError("BAD_INPUT", `${flag} takes no value`, hint, cause);
}

/** Throws BAD_INPUT for a flag that is given twice. parseArgs would silently use the last value. */
function refuseRepeated(flags: readonly string[]): void {
  const repeated = flags.find((flag, at) => flags.indexOf(flag) < at);
  if (repeated === undefined) return;
  const hint =
    repeated === "tiers" ? "Give several tiers as one list: --tiers oQ6e,oQ4e." : "Give it once.";
  throw new OqeError("BAD_INPUT", `--${repeated} is given more than once`, hint);
}

/** Throws BAD_INPUT for a flag that this command does not take. */
export function refuseStrayFlags(command: CommandRow, flags: Flags): void {
  const known = flagNames(command);
  const stray = Object.keys(flags).find((flag) => !known.includes(flag));
  if (stray === undefined) return;
  throw new OqeError(
    "BAD_INPUT",
    `oqe ${command.name} does not take --${stray}`,
    seeHelp(command.name),
  );
}

/** The hint of a wrong call. */
export function seeHelp(command?: string): string {
  return command === undefined
    ? "See oqe --help for the commands, and oqe <command> --help for their flags."
    : `See oqe ${command} --help.`;
}
