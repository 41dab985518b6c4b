import { readFile, stat } from "node:fs/promises";
import { resolve } from "node:path";
import { OqeError } from "../ground/errors.ts";
import { codeOf, reasonOf } from "../ground/reasons.ts";
import { didYouMean } from "../ground/suggestion.ts";
import type { InputRow } from "../inputs/input-row.ts";
import { unexpected, writtenAs } from "../series-file/series-keys.ts";
import { longestFile, readYaml } from "../series-file/yaml-tree.ts";
import { cliInputs, type Setting, secretInputs } from "./settings.ts";

export const configName = "oqe.yml";

const hint = "docs/inputs.md lists the keys.";
/**
 * The inputs of a file, by name. `given`: its path; null: oqe.yml of this folder, if there is one.
 * Throws BAD_INPUT with file, line and key, DISK.
 */
export async function readConfig(given: string | null): Promise<ReadonlyMap<string, Setting>> {
  const name = given ?? configName;
  const text = await readText(name, given !== null);
  if (text === null) return new Map();
  const { tree, lineAt } = readYaml(text, name, hint);
  if (typeof tree === "string" && tree === "") return new Map();
  const refuse = (key: string, error: OqeError) => {
    const where = `${name}:${lineAt(key === "" ? [] : [key])}: ${key === "" ? "" : `${key}: `}`;
    return new OqeError("BAD_INPUT", where + error.message, error.hint || hint, error);
  };
  if (typeof tree === "string" || Array.isArray(tree))
    throw refuse("", unexpected("a table of inputs", tree));
  const found = new Map<string, Setting>();
  for (const [key, value] of Object.entries(tree)) {
    const row = cliInputs.find((one) => one.name === key);
    try {
      if (row === undefined) throw unknownKey(key);
      if (secretInputs.includes(key)) throw refusedSecret();
      const place = `${name}:${lineAt([key])}`;
      found.set(key, { text: writtenAs(row.form, value), place: `${place}: ${key}` });
    } catch (error) {
      throw error instanceof OqeError ? refuse(key, error) : error;
    }
  }
  return found;
}

/** null: the file is not there, and need not be. */
async function readText(name: string, isGiven: boolean): Promise<string | null> {
  const path = resolve(name);
  try {
    const { size } = await stat(path);
    if (size > longestFile)
      throw new OqeError("BAD_INPUT", `${name} has ${size} bytes, at most ${longestFile} are read`);
    return await readFile(path, "utf8");
  } catch (cause) {
    if (cause instanceof OqeError) throw cause;
    if (!isGiven && codeOf(cause) === "ENOENT") return null;
    throw new OqeError("BAD_INPUT", `config: ${name}: ${reasonOf(cause)}`, hint, cause);
  }
}

function unknownKey(key: string): OqeError {
  const names = (cliInputs as readonly InputRow[]).map(({ name }) => name);
  return new OqeError("BAD_INPUT", "is no input", didYouMean(key, names) + hint);
}

/** Whoever writes the file of a folder could take the token of everybody who works there. */
function refusedSecret(): OqeError {
  const what = "a file may not say which token is sent, or where to";
  return new OqeError("BAD_INPUT", what, "Use HF_TOKEN or `hf auth login`, and HF_ENDPOINT.");
}
