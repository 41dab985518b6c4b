import type { InputCommand, InputRow } from "../inputs/input-row.ts";
import { inputTable } from "../inputs/input-table.ts";

/** A flag of the command line that is not an input. */
export interface FlagRow {
  readonly name: string;
  /** The value as the help shows it; empty for a flag without a value. */
  readonly hint: string;
  readonly doc: string;
  /** A value, for the help and for completion. */
  readonly example?: string;
  /** One letter that stands for the flag. */
  readonly short?: string;
}

export type CommandName = InputCommand | "card" | "check" | "completion" | "hub" | "init" | "site";

/** A command: its help text, and its flags that are not inputs. */
export interface CommandRow {
  readonly name: CommandName;
  /** The one argument, as the help shows it: `<model>`. */
  readonly argument: string;
  /** Takes several. */
  readonly isMany?: true;
  /** Used without one; undefined: it has to be given. */
  readonly usual?: string;
  /** What the argument may be, where it is one of some words. */
  readonly words?: readonly string[];
  /** In the list of commands, on one line of 80 columns. */
  readonly brief: string;
  readonly doc: string;
  readonly flags: readonly FlagRow[];
  /** Whole command lines, each with what it does. */
  readonly examples: readonly (readonly [call: string, does: string])[];
}

const modelArgument = "<model>";

export const commandTable: readonly CommandRow[] = [
  {
    name: "plan",
    argument: modelArgument,
    brief: "Prints size and bit widths of every tier",
    doc: "Prints size and bit widths of every tier. Writes nothing",
    flags: [
      {
        name: "measure",
        hint: "",
        doc: "Measure first, for the plan of a tuned run. Without it, headers alone are read",
      },
      { name: "explain", hint: "", doc: "Add widths by role, and what the next boost would gain" },
    ],
    examples: [
      ["oqe plan Qwen/Qwen3-1.7B", "sizes from headers, and what measuring would cost"],
      ["oqe plan ./my-model --target-size 4GB --explain", "a tier of 4 GB, role by role"],
    ],
  },
  {
    name: "sensitivity",
    argument: modelArgument,
    brief: "Measures how much each tensor's precision matters",
    doc: "Measures how much each tensor's precision affects the output",
    flags: [
      {
        name: "out",
        hint: "<file>",
        example: "sensitivity.json",
        doc: "File for the result. Empty means stdout",
      },
    ],
    examples: [["oqe sensitivity ./my-model --out s.json", "a file for oqe plan --sensitivity"]],
  },
  {
    name: "quantize",
    argument: modelArgument,
    brief: "Writes one MLX folder per tier, card included",
    doc: "Writes one MLX folder per tier, card included",
    flags: [
      {
        name: "out",
        hint: "<folder>",
        example: "./tiers",
        doc: "Required: parent folder of the tiers",
      },
    ],
    examples: [
      ["oqe quantize ./my-model --out ./tiers --tiers oQ6e,oQ4e", "two tiers in ./tiers"],
      ["oqe quantize ./my-model --out ./fast --method rounded", "plain rounding, no text read"],
    ],
  },
  {
    name: "publish",
    argument: modelArgument,
    brief: "Makes every tier and publishes it on the Hub",
    doc: "Makes every tier and publishes it on the Hub",
    flags: [
      {
        name: "until",
        hint: "measured|ahead|staged|published",
        doc:
          "How far the run goes. measured leaves the sensitivity in the work folder. staged leaves " +
          "finished tiers on the staging branches; ahead only parts, which a run on another machine " +
          "takes over. Default: published",
      },
    ],
    examples: [
      ["oqe publish Qwen/Qwen3-1.7B --namespace me --dry-run", "all but the writes to the Hub"],
      ["oqe publish Qwen/Qwen3-1.7B --namespace me", "makes and publishes the series"],
    ],
  },
  {
    name: "verify",
    argument: "<repo or folder>",
    brief: "Checks a tier against its receipt and its base",
    doc: "Checks a tier's files against its receipt, and evaluates it again",
    flags: [
      {
        name: "base",
        hint: modelArgument,
        example: "Qwen/Qwen3-1.7B",
        doc: "The tier's base model. Empty means the one that its receipt names",
      },
    ],
    examples: [["oqe verify me/Qwen3-1.7B-oQ4e", "repeats the evaluation"]],
  },
  {
    name: "check",
    argument: "[file]",
    usual: "series.yml",
    brief: "Says what a run of a series file would make",
    doc: "Says for every model of a series file what a run would make, and why. Writes nothing",
    flags: [
      {
        name: "series",
        hint: "<name>",
        example: "Qwen3-1.7B",
        doc: "One model of the file. Empty means all",
      },
    ],
    examples: [["oqe check", "series.yml in this folder, against the receipts on the Hub"]],
  },
  {
    name: "card",
    argument: "<folder>",
    brief: "Renders the card of a finished folder again",
    doc: "Renders the card of a finished folder from its receipt",
    flags: [],
    examples: [["oqe card ./tiers/my-model-oQ4e", "rewrites README.md and the pictures"]],
  },
  {
    name: "site",
    argument: "<folder...>",
    isMany: true,
    brief: "Writes a page of all tiers in some folders",
    doc: "Writes a web page that compares all tiers in and below some folders, from their receipts",
    flags: [
      {
        name: "out",
        hint: "<file>",
        example: "public/index.html",
        doc: "File of the page, or a folder for its index.html. Empty means index.html",
      },
      {
        name: "local",
        hint: "",
        doc: "Link tiers to their folders on this machine, not to their repositories",
      },
    ],
    examples: [["oqe site ./tiers ./more --out public/", "one page of all that is in both"]],
  },
  {
    name: "init",
    argument: "[folder]",
    usual: ".",
    brief: "Writes a series file and its GitHub workflow",
    doc: "Writes a series file, and the GitHub workflow that publishes its series",
    flags: [
      {
        name: "uses",
        hint: "<owner>/oqe-publisher@<commit>",
        example: "acme/oqe-publisher@v1.0.0",
        doc: "The Action that the workflow uses. Empty means the one that oqe was installed from",
      },
      {
        name: "branch",
        hint: "<name>",
        example: "main",
        doc: "The repository's default branch. Empty means the one that git names, or main",
      },
      {
        name: "overwrite",
        hint: "",
        doc: "Replace another workflow of this name. A series.yml that is there always stays",
      },
    ],
    examples: [["oqe init ./my-series", "series.yml and .github/workflows/oqe.yml"]],
  },
  {
    name: "hub",
    argument: "<folder>",
    brief: "Serves a Hub on 127.0.0.1, to rehearse publishing",
    doc: "Serves a Hub on 127.0.0.1, to rehearse publishing",
    flags: [
      {
        name: "port",
        hint: "<number>",
        example: "8080",
        doc: "Port. Empty or 0 means a free one",
      },
    ],
    examples: [["oqe hub ./rehearsal", "prints its address, and serves until Ctrl-C"]],
  },
  {
    name: "completion",
    argument: "<shell>",
    words: ["bash", "zsh", "fish"],
    brief: "Prints what makes a shell complete oqe",
    doc: "Prints the script that lets a shell complete commands and flags",
    flags: [],
    examples: [
      ["source <(oqe completion bash)", "in ~/.bashrc"],
      ["source <(oqe completion zsh)", "in ~/.zshrc, behind compinit"],
      ["oqe completion fish | source", "in ~/.config/fish/config.fish"],
    ],
  },
];

const config: FlagRow = {
  name: "config",
  hint: "<file>",
  example: "./oqe.yml",
  doc: "File of inputs (docs/inputs.md). Empty means oqe.yml, if this folder has one",
};
const json: FlagRow = { name: "json", hint: "", doc: "Print one JSON document" };
const quiet: FlagRow = {
  name: "quiet",
  hint: "",
  short: "q",
  doc: "Print only the result, warnings and errors",
};

/** The flags of a command that are not inputs. `--help` is the parser's own. */
export function ownFlags(command: CommandRow): readonly FlagRow[] {
  const hasInputs = inputFlags(command).length > 0;
  const common = command.name === "completion" ? [] : [json, quiet];
  return [...command.flags, ...(hasInputs ? [config] : []), ...common];
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

/** Whether a flag is true or false. Each such flag has a negation: `--no-verify`. */
export function isBoolean(row: FlagRow | InputRow): boolean {
  return row.hint === "" || row.hint === "true|false";
}

export function flagNames(command: CommandRow): readonly string[] {
  return [...inputFlags(command), ...ownFlags(command)].flatMap((row) => [
    row.name,
    ...(isBoolean(row) ? [`no-${row.name}`] : []),
  ]);
}

/** The words that a flag's value is one of; empty: it is any text. */
export function choicesOf({ hint }: FlagRow | InputRow): readonly string[] {
  return /^[\w-]+(\|[\w-]+)+$/.test(hint) ? hint.split("|") : [];
}

/** A value of a flag, for its help; null: the flag has none. */
export function exampleOf(row: FlagRow | InputRow): string | null {
  if (row.hint === "") return null;
  if (row.example !== undefined) return row.example;
  const usual = "default" in row ? row.default : "";
  return choicesOf(row).find((word) => word !== usual) ?? null;
}
