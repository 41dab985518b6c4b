import { readFile, realpath, stat } from "node:fs/promises";
import { dirname, relative, resolve } from "node:path";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { didYouMean } from "../ground/suggestion.ts";
import { inputTable } from "../inputs/input-table.ts";
import { refuseClashes } from "./clashes.ts";
import {
  modelRows,
  mostJobs,
  ownKeys,
  type SeriesKey,
  seriesKeys,
  unexpected,
} from "./series-keys.ts";
import type { SeriesFile, SeriesModel } from "./series-types.ts";
import {
  describePath,
  longestFile,
  readYaml,
  type Tree,
  type TreeMap,
  type TreePath,
} from "./yaml-tree.ts";

/** Reads and checks a series file. Throws BAD_INPUT, with file, line and key. */
export async function readSeriesFile(file: {
  readonly path: string;
  readonly name: string;
}): Promise<SeriesFile> {
  let bytes: Buffer;
  try {
    await refuseLinks(file);
    bytes = await readFile(file.path);
  } catch (cause) {
    if (cause instanceof OqeError) throw cause;
    throw new OqeError(
      "BAD_INPUT",
      `${file.name}: ${reasonOf(cause)}`,
      "`oqe init` writes a first one. The job has to check out the repository that has it.",
      cause,
    );
  }
  return parseSeriesFile(bytes.toString("utf8"), file.name);
}

/**
 * Throws BAD_INPUT for what is no plain file below the folder that was checked out. A link of a
 * pull request could lead to any file of the runner, and messages quote what they find.
 */
async function refuseLinks({ path, name }: { readonly path: string; readonly name: string }) {
  const root = path.endsWith(name) ? path.slice(0, path.length - name.length) : dirname(path);
  const isPlain = (await realpath(path)) === resolve(await realpath(root), relative(root, path));
  const found = await stat(path);
  const [isFile, size] = [found.isFile(), found.size];
  if (isPlain && isFile && size <= longestFile) return;
  const what = !isPlain ? "is behind a link" : isFile ? `has ${size} bytes` : "is not a file";
  const hint = `A series file is a plain file of at most ${longestFile >> 10} KiB in the repository.`;
  throw new OqeError("BAD_INPUT", `${name} ${what}`, hint);
}

/** The same for text. `name` is for messages. */
export function parseSeriesFile(text: string, name: string): SeriesFile {
  const { tree, lineAt } = readYaml(text, name);
  const placed = new WeakSet<OqeError>();
  /** Adds the place to the error of a value. */
  const at = <T>(path: TreePath, read: () => T): T => {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof OqeError) || placed.has(error)) throw error;
      const key = path.length === 0 ? "" : `${describePath(path)}: `;
      const message = `${name}:${lineAt(path)}: ${key}${error.message}`;
      const found = new OqeError("BAD_INPUT", message, error.hint || usual, error);
      placed.add(found);
      throw found;
    }
  };
  const tableAt = (value: Tree, path: TreePath, known: readonly string[]): TreeMap =>
    at(path, () => {
      if (typeof value === "string" || isList(value)) throw unexpected("a table of keys", value);
      const odd = Object.keys(value).find((key) => !known.includes(key));
      if (odd !== undefined) at([...path, odd], () => refuseKey(odd, known));
      return value;
    });
  const valuesAt = (value: Tree, path: TreePath, keys: readonly SeriesKey[]) => {
    const table = tableAt(value, path, namesOf(keys));
    const given = keys.filter((key) => Object.hasOwn(table, key.name));
    return Object.fromEntries(
      given.map(({ name, read }) => [name, at([...path, name], () => read(table[name]!))]),
    );
  };

  const top = tableAt(tree, [], ["defaults", "models"]);
  const defaults = valuesAt(top.defaults ?? {}, ["defaults"], defaultKeys);
  const list = at(["models"], () => listOf(top.models ?? ""));
  const own = list.map((value, i) => valuesAt(value, ["models", i], seriesKeys));
  const models = own.map((values, i) => {
    const path = ["models", i];
    const model = modelOf({ ...defaults, ...values }, `${name}:${lineAt(path)}`);
    for (const key of ["base-model", "namespace"] as const)
      at(path, () => requireKey(key, model.inputs[key]));
    return model;
  });
  refuseClashes(models, {
    lineOf: (i) => lineAt(["models", i]),
    refuse: (i, key, error) =>
      at(["models", i, ...(key in own[i]! ? [key] : [])], () => {
        throw error;
      }),
  });
  return { name, models };
}

const usual = "docs/series-file.md lists the keys. Editors check them by docs/series.schema.json.";
const defaultKeys = seriesKeys.filter(({ single }) => single === undefined);
const namesOf = (keys: readonly SeriesKey[]) => keys.map(({ name }) => name);
const isList = (value: Tree): value is readonly Tree[] => Array.isArray(value);

function listOf(models: Tree): readonly Tree[] {
  if (!isList(models)) throw unexpected("a list of models", models);
  const got = `expected 1 to ${mostJobs} models, got ${models.length}`;
  const hint = "GitHub starts no more jobs of a matrix. Give the others to another repository.";
  if (models.length === 0) throw new OqeError("BAD_INPUT", got, "");
  if (models.length > mostJobs) throw new OqeError("BAD_INPUT", got, hint);
  return models;
}

function refuseKey(key: string, known: readonly string[]): never {
  const isInput = inputTable.some(({ name }) => name === key);
  const isOfModel = seriesKeys.some(({ name }) => name === key);
  if (isInput && !isOfModel) {
    const hint = "Set it in the workflow's file.";
    throw new OqeError("BAD_INPUT", "belongs to the workflow, not to a model", hint);
  }
  if (isOfModel)
    throw new OqeError("BAD_INPUT", "belongs to one model", "Move it into the list of models.");
  throw new OqeError("BAD_INPUT", "is not a key here", didYouMean(key, known).trim());
}

function requireKey(key: string, text = ""): void {
  if (text !== "") return;
  const hint = key === "namespace" ? "Set it there, or once in defaults." : "";
  throw new OqeError("BAD_INPUT", `${key} is missing`, hint);
}

function modelOf(values: Readonly<Record<string, unknown>>, place: string): SeriesModel {
  const inputs = modelRows.flatMap(({ name }) =>
    Object.hasOwn(values, name) ? [[name, values[name] as string] as const] : [],
  );
  const own = <K extends keyof typeof ownKeys>(key: K) =>
    (values[key] ?? ownKeys[key].read(ownKeys[key].default)) as ReturnType<
      (typeof ownKeys)[K]["read"]
    >;
  return {
    name: (values.name as string | undefined) ?? nameOf(String(values["base-model"] ?? "")),
    place,
    runner: own("runner"),
    timeoutMinutes: own("timeout-minutes"),
    environment: own("environment"),
    collection: own("collection"),
    inputs: Object.fromEntries(inputs),
  };
}

/** `hf://org/name@revision` → `name`. */
function nameOf(baseModel: string): string {
  const id = baseModel.replace(/^hf:\/\//, "").replace(/@.*$/, "");
  return id.split("/")[1] ?? "";
}

/** The model of that name. Throws BAD_INPUT. */
export function findModel({ name: file, models }: SeriesFile, name: string): SeriesModel {
  const found = models.find((model) => model.name === name);
  if (found !== undefined) return found;
  const names = models.map((model) => model.name);
  throw new OqeError(
    "BAD_INPUT",
    `${file} has no model ${JSON.stringify(name)}`,
    `${didYouMean(name, names)}It has ${names.slice(0, 20).join(", ")}.`,
  );
}
