import { engine } from "../ground/engine.ts";
import { exitCodes } from "../ground/errors.ts";
import { describeInput, type InputRow } from "../inputs/input-row.ts";
import {
  type CommandName,
  type CommandRow,
  commandTable,
  inputFlags,
  ownFlags,
  usedFlags,
} from "./flags.ts";

const lineLength = 100;

/** The text of `oqe --help`. */
export function overview(): string {
  const calls = commandTable.map((command) => [callOf(command), command.doc] as const);
  const size = Math.max(...calls.map(([call]) => call.length));
  const { failure, usage, gate, time } = exitCodes;
  const title = `oqe ${engine.version}: publishes the oQe series of a base model`;
  return `${title} (mixed-precision MLX quants)

Commands:
${calls.map(([call, doc]) => `  ${call.padEnd(size)}  ${doc}`).join("\n")}

<model> is a folder, or org/name[@revision] on the Hub.
oqe <command> --help lists the flags of a command.
HF_ENDPOINT and HF_TOKEN give the Hub's address and token. Prefer HF_TOKEN to --hub-token: other
users of this machine can see the flags of a running command.

Exit codes: 0 success, ${failure} failure, ${usage} wrong usage, ${gate} a tier failed a gate, or
differs from its receipt, ${time} stopped at time-limit: run again to go on.
docs/errors.md lists all errors.
`;
}

/** The text of `oqe <command> --help`: the flags that it uses by group, each with its default. */
export function commandHelp(command: CommandRow): string {
  const groups = new Map<string, string[]>();
  for (const flag of ownFlags(command)) add("Flags", describeFlag(flag.name, flag.hint, flag.doc));
  for (const row of usedFlags(command)) add(row.group, describeInputFlag(row, command.name));
  function add(group: string, text: string) {
    groups.set(group, [...(groups.get(group) ?? []), text]);
  }
  const lists = [...groups].map(([group, flags]) => `${group}:\n${flags.join("\n")}\n`);
  return [`${callOf(command)} [flags]\n`, `${command.doc}.\n`, ...lists, ...ignored(command)].join(
    "\n",
  );
}

/** The flags without effect, in a sentence; none if there are none. */
function ignored(command: CommandRow): readonly string[] {
  const used = usedFlags(command);
  const others = inputFlags(command).filter((row) => !used.includes(row));
  if (others.length === 0) return [];
  const names = others.map(({ name }) => `--${name}`).join(", ");
  const why = "So that a call can be repeated with another command, these are taken too";
  return [`${wrap(`${why}, and have no effect: ${names}.`, "").join("\n")}\n`];
}

function callOf({ name, argument }: CommandRow): string {
  return `oqe ${name} ${argument}`;
}

/** `oqe verify` always evaluates and never tunes: conditions on an input do not apply to it. */
function describeInputFlag(row: InputRow, command: CommandName): string {
  const doc = (command === "verify" ? (row.verifyDoc ?? row.doc) : describeInput(row)).replaceAll(
    "`",
    "",
  );
  const { name, hint, default: value } = row;
  return describeFlag(name, hint, hint === "" || value === "" ? doc : `${doc}. Default: ${value}`);
}

/** The flag on its own line, then its meaning, indented and wrapped. */
function describeFlag(name: string, hint: string, doc: string): string {
  const lines = wrap(doc, "      ");
  return `  --${name}${hint === "" ? "" : ` ${hint}`}\n${lines.join("\n")}`;
}

/** Lines of at most `lineLength` columns, each after `indent`. */
function wrap(text: string, indent: string): readonly string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 1 + word.length > lineLength) lines.push(indent + word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines;
}
