import { Command, CommanderError, Option } from "commander";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import { didYouMean } from "../ground/suggestion.ts";
import type { InputRow } from "../inputs/input-row.ts";
import {
  type CommandRow,
  commandTable,
  type FlagRow,
  flagNames,
  inputFlags,
  isBoolean,
  ownFlags,
} from "./command-table.ts";
import { callOf, formatHelp, type HelpPage, overviewPage } from "./help.ts";

/** The values of flags by name: true or false for a switch, otherwise text. */
export type Flags = Readonly<Record<string, string | boolean | undefined>>;

/** A command that was called. */
export interface CommandLine {
  readonly command: CommandRow;
  readonly positionals: readonly string[];
  readonly flags: Flags;
}

/**
 * Reads a command line. null: it asked for help or version, which was written. Throws BAD_INPUT for
 * an unknown command or flag, or a flag that is given twice.
 */
export function parseCommandLine(argv: readonly string[], page: HelpPage): CommandLine | null {
  let called: CommandLine | null = null;
  const program = newCommand("oqe", page)
    .version(engine.version, "-V, --version", "Print the version")
    .helpCommand("help [command]", "Print the help of a command");
  for (const row of commandTable) {
    const flags: Record<string, string | boolean> = {};
    const command = newCommand(row.name, page, row).argument("[target...]").allowExcessArguments();
    for (const flag of [...ownFlags(row), ...inputFlags(row)]) addFlag(command, flag, flags, argv);
    command.action((positionals: string[]) => {
      called = { command: row, positionals, flags };
    });
    program.addCommand(command);
  }
  refuseSwitchValues(argv);
  try {
    program.parse(argv.length === 0 ? ["--help"] : [...argv], { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return null;
    throw wrongCall(error, argv);
  }
  return called;
}

function newCommand(name: string, page: HelpPage, row?: CommandRow): Command {
  return new Command(name)
    .exitOverride()
    .helpOption("-h, --help", "Print this")
    .configureOutput({
      writeOut: page.write,
      writeErr: () => {}, // the errors are ours
      outputError: () => {},
      getOutHelpWidth: () => page.columns,
      getOutHasColors: () => true, // `page.paint` decides
    })
    .configureHelp({
      formatHelp: (_, helper) =>
        row === undefined ? overviewPage(page, helper) : formatHelp(row, page, helper),
    });
}

/** A flag, and for a boolean its negation, which keep their value in `flags`. */
function addFlag(
  command: Command,
  row: FlagRow | InputRow,
  flags: Record<string, unknown>,
  argv: readonly string[],
): void {
  const { name, hint } = row;
  const set = (value: string | boolean) => {
    if (Object.hasOwn(flags, name)) throw repeated(name);
    flags[name] = value;
  };
  const short = "short" in row && row.short !== undefined ? `-${row.short}, ` : "";
  command.addOption(new Option(hint === "" ? `${short}--${name}` : `--${name} <value>`));
  if (hint === "") command.on(`option:${name}`, () => set(true));
  else
    command.on(`option:${name}`, (value: string) => {
      // Commander takes the next flag for the value of one whose value was forgotten.
      const isApart = !argv.includes(`--${name}=${value}`);
      if (value.startsWith("-") && value !== "-" && isApart) throw noValue(name, value);
      set(value);
    });
  if (!isBoolean(row)) return;
  command.addOption(new Option(`--no-${name}`));
  command.on(`option:no-${name}`, () => set(hint === "" ? false : "false"));
}

/** parseArgs and Commander would silently use the last value. */
function repeated(name: string): OqeError {
  const hint =
    name === "tiers" ? "Give several tiers as one list: --tiers oQ6e,oQ4e." : "Give it once.";
  return new OqeError("BAD_INPUT", `--${name} is given more than once`, hint);
}

function noValue(name: string, next: string | null): OqeError {
  const hint =
    next === null ? seeHelp() : `A value that starts with "-" is written --${name}=${next}.`;
  return new OqeError("BAD_INPUT", `--${name} has no value`, hint);
}

/** The switches of all commands: flags that are given without a value. */
const switches = new Set(
  commandTable.flatMap((row) =>
    [...ownFlags(row), ...inputFlags(row)].flatMap(({ name, hint }) =>
      hint === "" ? [`--${name}`] : [],
    ),
  ),
);

/** Throws BAD_INPUT for `--overwrite=false` and `--overwrite false`. */
function refuseSwitchValues(argv: readonly string[]): void {
  const end = argv.indexOf("--");
  const words = end === -1 ? argv : argv.slice(0, end);
  for (const [at, word] of words.entries()) {
    const [flag, value] = word.split("=") as [string, string | undefined];
    if (!switches.has(flag)) continue;
    const next = words[at + 1] ?? "";
    if (value === undefined && !/^(true|false)$/i.test(next)) continue;
    const hint = `Give ${flag} alone for true, and ${flag.replace("--", "--no-")} for false.`;
    throw new OqeError("BAD_INPUT", `${flag} takes no value`, hint);
  }
}

/** Our error for what Commander refuses. Its text quotes the word: "unknown option '--x'". */
function wrongCall(cause: CommanderError, argv: readonly string[]): OqeError {
  const command = commandTable.find(({ name }) => argv.includes(name));
  const [, word = ""] = /'([^']*)'/.exec(cause.message) ?? [];
  switch (cause.code) {
    case "commander.unknownCommand":
    case "commander.help": {
      const name = argv.find((one) => one !== "help" && !one.startsWith("-")) ?? word;
      const names = commandTable.map((row) => row.name);
      const near = didYouMean(name, names, (one) => `oqe ${one}`);
      return new OqeError("BAD_INPUT", `"${name}" is not a command`, near + seeHelp(), cause);
    }
    case "commander.unknownOption":
      return unknownFlag(word, command, argv);
    case "commander.optionMissingArgument":
      return noValue(/--([\w-]+)/.exec(word)?.[1] ?? word, null);
    default:
      return new OqeError("BAD_INPUT", cause.message.replace(/^error: /, ""), seeHelp(), cause);
  }
}

function unknownFlag(
  word: string,
  command: CommandRow | undefined,
  argv: readonly string[],
): OqeError {
  const flag = word.split("=")[0]!;
  const name = flag.replace(/^-+/, "");
  const others = commandTable.flatMap(flagNames);
  if (command !== undefined && argv.indexOf(word) < argv.indexOf(command.name))
    return new OqeError(
      "BAD_INPUT",
      `${flag} stands before the command`,
      `Flags come behind it: ${callOf(command)} ${flag}.`,
    );
  if (command !== undefined && others.includes(name))
    return new OqeError(
      "BAD_INPUT",
      `oqe ${command.name} does not take ${flag}`,
      seeHelp(command.name),
    );
  const near = didYouMean(
    name,
    [...new Set(command === undefined ? others : flagNames(command))],
    (one) => `--${one}`,
  );
  return new OqeError("BAD_INPUT", `Unknown option '${flag}'`, near + seeHelp(command?.name));
}

/** The hint of a wrong call. */
export function seeHelp(command?: string): string {
  return command === undefined
    ? "See oqe --help for the commands, and oqe <command> --help for their flags."
    : `See oqe ${command} --help.`;
}
