import type { InputRow } from "../inputs/input-row.ts";
import {
  type CommandRow,
  choicesOf,
  commandTable,
  type FlagRow,
  inputFlags,
  isBoolean,
  ownFlags,
} from "./command-table.ts";

type Flag = FlagRow | InputRow;

const scripts: Readonly<Record<string, () => string>> = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
};

/** The script that lets a shell complete the commands and flags of the table, and their values. */
export function completionScript(shell: string): string {
  return scripts[shell]!();
}

const names = commandTable.map(({ name }) => name);
const flagsOf = (command: CommandRow): readonly Flag[] => [
  ...ownFlags(command),
  ...inputFlags(command),
];
const allFlags = ["--help", "--version"];

/** `--quiet --no-quiet --tiers`, with `--help`. */
function flagWords(command: CommandRow): string {
  const words = flagsOf(command).flatMap((row) =>
    isBoolean(row) ? [`--${row.name}`, `--no-${row.name}`] : [`--${row.name}`],
  );
  return [...words, "--help"].join(" ");
}

/** Words of a flag's value: also those of `--verify true|false`. */
const valuesOf = (row: Flag) => choicesOf(row).join(" ");

function bashScript(): string {
  const flags = commandTable.map((row) => `    ${row.name}) flags="${flagWords(row)}" ;;`);
  const words = commandTable.flatMap((row) =>
    row.words === undefined ? [] : [`    ${row.name}) values="${row.words.join(" ")}" ;;`],
  );
  const values = commandTable.flatMap((row) =>
    flagsOf(row).flatMap((flag) =>
      valuesOf(flag) === ""
        ? []
        : [`    "${row.name} --${flag.name}") values="${valuesOf(flag)}" ;;`],
    ),
  );
  return `# Completion of oqe for bash. In ~/.bashrc: source <(oqe completion bash)
_oqe() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local command="" flags="" values="" i
  # Readline takes the = of --flag=value for a word of its own.
  if [[ $cur == = ]]; then cur=""; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} != -* ]]; then command=\${COMP_WORDS[i]}; break; fi
  done
  COMPREPLY=()
  case "$command" in
    ""|help)
      COMPREPLY=($(compgen -W "${names.join(" ")} help ${allFlags.join(" ")}" -- "$cur"))
      return ;;
${flags.join("\n")}
  esac
  case "$command $prev" in
${values.join("\n")}
  esac
  case "$command" in
${words.join("\n")}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n $values ]]; then
    COMPREPLY=($(compgen -W "$values" -- "$cur"))
  else
    compopt -o default # files
  fi
}
complete -F _oqe oqe
`;
}

function zshScript(): string {
  const list = commandTable.map(({ name, brief }) => `    ${quoted(`${name}:${brief}`)}`);
  const cases = commandTable.map((command) => {
    const lines = flagsOf(command)
      .flatMap(zshFlags)
      .map((text) => `        ${quoted(text)} \\`);
    const argument = command.words === undefined ? "_files" : `(${command.words.join(" ")})`;
    const label = command.argument.replace(/[<>[\].]/g, "");
    const place = command.isMany ? "*" : "1";
    return `      ${command.name})
        _arguments \\
${lines.join("\n")}
        '(-h --help)'{-h,--help}'[Print this]' \\
        ${quoted(`${place}:${label}:${argument}`)} ;;`;
  });
  return `#compdef oqe
# Completion of oqe for zsh. In ~/.zshrc, behind compinit: source <(oqe completion zsh)
_oqe() {
  local state line
  local -a commands
  commands=(
${list.join("\n")}
  )
  _arguments -C '(-V --version)'{-V,--version}'[Print the version]' \\
    '(-h --help)'{-h,--help}'[Print the help]' '1: :->command' '*:: :->rest'
  case $state in
    command) _describe -t commands command commands ;;
    rest)
      case $words[1] in
${cases.join("\n")}
      esac ;;
  esac
}
compdef _oqe oqe
`;
}

/** Specifications of `_arguments`. */
function zshFlags(row: Flag): readonly string[] {
  const doc = plain(row.doc).replaceAll(/[[\]:]/g, "\\$&");
  const values = valuesOf(row);
  const action = values === "" ? "_files" : `(${values})`;
  const yes =
    row.hint === "" ? `--${row.name}[${doc}]` : `--${row.name}=[${doc}]:${row.name}:${action}`;
  return isBoolean(row) ? [yes, `--no-${row.name}[Not --${row.name}]`] : [yes];
}

function fishScript(): string {
  const commands = commandTable.map(
    ({ name, brief }) =>
      `complete -c oqe -f -n __fish_use_subcommand -a ${name} -d ${quoted(brief)}`,
  );
  const flags = commandTable.flatMap((command) => {
    const on = `complete -c oqe -n '__fish_seen_subcommand_from ${command.name}'`;
    const words =
      command.words === undefined ? [] : [`${on} -f -a ${quoted(command.words.join(" "))}`];
    return [...words, ...flagsOf(command).flatMap((row) => fishFlags(row, on)), `${on} -l help`];
  });
  return `# Completion of oqe for fish. In ~/.config/fish/config.fish: oqe completion fish | source
complete -c oqe -n __fish_use_subcommand -s V -l version -d 'Print the version'
complete -c oqe -n __fish_use_subcommand -s h -l help -d 'Print the help'
${[...commands, ...flags].join("\n")}
`;
}

function fishFlags(row: Flag, on: string): readonly string[] {
  const values = valuesOf(row);
  const value = row.hint === "" ? "" : values === "" ? " -r" : ` -x -a ${quoted(values)}`;
  const yes = `${on} -l ${row.name}${value} -d ${quoted(plain(row.doc))}`;
  return isBoolean(row) ? [yes, `${on} -l no-${row.name} -d 'Not --${row.name}'`] : [yes];
}

/** The first sentence of a text, without marks of Markdown. */
function plain(doc: string): string {
  return doc.replaceAll("`", "").split(/(?<=[a-z)])\. /)[0]!;
}

/** As one word of a shell. In fish too, a quote within quotes is written `'\''`. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
