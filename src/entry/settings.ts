import { OqeError } from "../ground/errors.ts";
import { didYouMean } from "../ground/suggestion.ts";
import { defaultEndpoint } from "../hub/origin.ts";
import { readSavedLogin } from "../hub/saved-login.ts";
import type { InputRow } from "../inputs/input-row.ts";
import { type InputName, inputTable } from "../inputs/input-table.ts";
import { type CommandRow, inputFlags } from "./command-table.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The text of an input, and where it was given: `--method`, `OQE_METHOD`, `oqe.yml:3: method`. */
export interface Setting {
  readonly text: string;
  readonly place: string;
}

type CliRow = InputRow & { readonly name: InputName };

/** The inputs of the command line, base-model included: those of the Action alone are left out. */
export const cliInputs: readonly CliRow[] = (inputTable as readonly CliRow[]).filter(
  ({ group }) => group !== "Command",
);

/** Inputs that no file gives: it is shared, and could send the token to another address. */
export const secretInputs: readonly string[] = ["hub-endpoint", "hub-token"];

/** The variable that gives an input: `OQE_MAX_KL`. */
export function variableOf(name: string): string {
  return `OQE_${name.toUpperCase().replaceAll("-", "_")}`;
}

/** Variables of ours that are no inputs. */
const otherVariables = ["OQE_CONFIG", "OQE_DEBUG", "OQE_ONE_PROCESS", "OQE_TERMINAL", "OQE_TOOLS"];

/** Sentences about OQE_* variables that nothing reads. */
export function strayVariables(environment: Environment): readonly string[] {
  const known = [...cliInputs.map(({ name }) => variableOf(name)), ...otherVariables];
  const stray = Object.keys(environment).filter(
    (name) => name.startsWith("OQE_") && !known.includes(name) && !name.startsWith("OQE_TEST_"),
  );
  return stray.map((name) => `${name} is no variable of oqe. ${didYouMean(name, known)}`.trim());
}

/** The inputs of a command: flag, else variable, else file. Empty text is as good as none. */
export class Settings {
  readonly #found: ReadonlyMap<string, Setting>;

  /** `flags`: the text of each input that a flag gives, by name. */
  constructor(
    command: CommandRow,
    sources: {
      readonly flags: ReadonlyMap<string, string>;
      readonly environment: Environment;
      readonly file: ReadonlyMap<string, Setting>;
    },
  ) {
    const { flags, environment, file } = sources;
    // What the command does not take has no effect: file and variables are for all commands.
    const taken = inputFlags(command).map(({ name }) => name);
    const found = new Map<string, Setting>();
    for (const { name } of cliInputs.filter((row) => ["base-model", ...taken].includes(row.name))) {
      const variable = variableOf(name);
      const all = [
        { text: flags.get(name) ?? "", place: `--${name}` },
        { text: environment[variable] ?? "", place: variable },
        ...(file.has(name) ? [file.get(name)!] : []),
      ];
      const first = all.find(({ text }) => text.trim() !== "");
      if (first !== undefined) found.set(name, first);
    }
    this.#found = found;
  }

  read(name: InputName): string {
    return this.#found.get(name)?.text ?? "";
  }

  /**
   * Checks each value that comes from a variable or a file by itself. Throws BAD_INPUT with its
   * place: `OQE_METHOD: "gptq" is not one of …`.
   */
  check(): void {
    for (const row of cliInputs) {
      const found = this.#found.get(row.name);
      if (found === undefined || found.place.startsWith("--")) continue;
      try {
        row.parse(found.text.trim(), row.name);
      } catch (error) {
        if (!(error instanceof OqeError)) throw error;
        throw placed(error, row.name, found.place);
      }
    }
  }

  /** The error of inputs that do not fit together, with the places of those it speaks of. */
  explain(error: unknown): unknown {
    if (!(error instanceof OqeError) || error.code !== "BAD_INPUT") return error;
    const [, start = ""] = /^([a-z-]+): /.exec(error.message) ?? [];
    const own = this.#found.get(start);
    if (own !== undefined && !own.place.startsWith("--")) return placed(error, start, own.place);
    const words = new Set(error.message.split(/[^a-z-]+/));
    const places = [...this.#found].flatMap(([name, { place }]) =>
      words.has(name) && !place.startsWith("--") ? [place] : [],
    );
    if (places.length === 0) return error;
    const said = `${error.hint} Given by ${places.join(" and ")}.`.trim();
    return new OqeError(error.code, error.message, said, error);
  }
}

function placed({ code, message, hint }: OqeError, name: string, place: string): OqeError {
  const start = `${name}: `;
  const own = message.startsWith(start) ? message.slice(start.length) : message;
  return new OqeError(code, `${place}: ${own}`, hint);
}

/**
 * The environment with the token of `hf auth login` as HF_TOKEN, where neither input nor variable
 * gives one.
 */
export async function withSavedLogin(
  environment: Environment,
  read: (name: InputName) => string,
): Promise<Environment> {
  if (read("hub-token").trim() !== "" || environment.HF_TOKEN) return environment;
  const endpoint = read("hub-endpoint").trim() || environment.HF_ENDPOINT || defaultEndpoint;
  const saved = await readSavedLogin(environment, endpoint);
  return saved === null ? environment : { ...environment, HF_TOKEN: saved };
}
