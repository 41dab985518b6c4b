import { OqeError } from "../ground/errors.ts";
import { quote } from "../ground/schema.ts";
import { toggle, wholeNumber } from "../inputs/input-kinds.ts";
import type { InputRow } from "../inputs/input-row.ts";
import { type InputName, inputTable } from "../inputs/input-table.ts";
import { knownLabels, readRunner } from "./runner.ts";
import type { Tree } from "./yaml-tree.ts";

/** GitHub starts no more jobs of a matrix. */
export const mostJobs = 256;
/** GitHub ends jobs of its own runners after 6 hours, those of others after 5 days. */
const mostMinutes = 7200;

/** A key of a model: how it is read, and what docs and editors are told. */
export interface SeriesKey {
  readonly name: string;
  /** The value, or throws BAD_INPUT. */
  readonly read: (value: Tree) => unknown;
  /** Markdown, without a final stop. */
  readonly doc: string;
  readonly default: string;
  readonly schema: Readonly<Record<string, unknown>>;
  /** Two models cannot share it, so `defaults` does not have it. */
  readonly single?: true;
}

type SeriesRow = InputRow & { readonly name: InputName };

/** The inputs that a model of the series file may have. */
export const modelRows: readonly SeriesRow[] = (inputTable as readonly SeriesRow[]).filter(
  (row) => row.workflow === undefined,
);
/** Inputs that may name a file of the repository that has the series file. */
const fileRows: readonly InputName[] = ["calibration", "evaluation", "wikitext", "sensitivity"];
/** Inputs that name a repository on the Hub. */
const hubRows: readonly InputName[] = ["base-model", "sensitivity-proxy"];

/** The error of a value. The reader of the file adds the place. */
export function unexpected(expected: string, got: Tree): OqeError {
  const what = typeof got === "string" ? quote(got) : Array.isArray(got) ? "a list" : "a table";
  return new OqeError("BAD_INPUT", `expected ${expected}, got ${what}`, "");
}

export function textOr(expected: string, value: Tree): string {
  if (typeof value === "string") return value;
  throw unexpected(expected, value);
}

/** Names of models are parts of branches, folders, artifacts and concurrency groups. */
const namePattern = /^[A-Za-z0-9](?:[\w-]|\.(?![.]|$|lock$)){0,63}$/;

function matching(pattern: RegExp, expected: string) {
  return (value: Tree): string => {
    if (pattern.test(textOr(expected, value))) return value as string;
    throw unexpected(expected, value);
  };
}

const minutes = `a whole number of minutes from 1 to ${mostMinutes}`;
const label = { type: "string", maxLength: 100 } as const;
const labels = { type: "array", items: label, minItems: 1 } as const;

/** The keys that are no inputs. */
export const ownKeys = {
  name: {
    doc:
      "Name of the model in this file, its cards folder, branch, collection and issue. Default: " +
      "the last part of `base-model`",
    default: "",
    single: true,
    schema: { type: "string", pattern: namePattern.source },
    read: matching(namePattern, "a name of at most 64 letters, digits, hyphens, dots and _"),
  },
  runner: {
    doc:
      "Runner of the jobs that measure, tune and publish: a label of GitHub's macOS or Linux " +
      "runners, `[self-hosted, <label>, …]`, or `{ group: <name> }`",
    default: "macos-latest",
    schema: {
      anyOf: [
        { enum: knownLabels },
        { ...labels, prefixItems: [{ const: "self-hosted" }] },
        {
          type: "object",
          properties: { group: label, labels },
          required: ["group"],
          additionalProperties: false,
        },
      ],
    },
    read: readRunner,
  },
  "timeout-minutes": {
    doc: "Minutes after which GitHub ends a job, finished or not. More than `time-limit`",
    default: "350",
    schema: { type: "integer", minimum: 1, maximum: mostMinutes },
    read: (value: Tree) => {
      const text = textOr(minutes, value);
      if (!/^\d{1,4}$/.test(text) || Number(text) > mostMinutes || Number(text) < 1)
        throw unexpected(minutes, value);
      return wholeNumber(text, minutes, [1, mostMinutes]);
    },
  },
  environment: {
    doc: "GitHub environment of the jobs that write to the Hub. Empty means none",
    default: "",
    schema: { type: "string", maxLength: 100 },
    read: matching(/^(?:\w[\w .-]{0,99})?$/, "the name of an environment"),
  },
  collection: {
    doc: "Whether a collection on the Hub lists the tiers",
    default: "true",
    schema: { type: "boolean" },
    read: (value: Tree) =>
      toggle("value").parse(matching(/^(true|false)$/i, "true or false")(value), "collection"),
  },
} as const satisfies Readonly<Record<string, Omit<SeriesKey, "name">>>;

/** Every key of a model, in the order of the docs. */
export const seriesKeys: readonly SeriesKey[] = [
  ...modelRows.filter(({ name }) => name === "base-model").map(inputKey),
  ...Object.entries(ownKeys).map(([name, key]) => ({ name, ...key })),
  ...modelRows.filter(({ name }) => name !== "base-model").map(inputKey),
];

function inputKey(row: SeriesRow): SeriesKey {
  const { name, default: usual, form, schema } = row;
  const scalar = schema.type === "string" ? { type: ["string", "number"] } : schema;
  const forms = {
    list: [scalar, { type: "array", items: { type: ["string", "number"] } }],
    table: [scalar, { type: "object", additionalProperties: { type: ["string", "number"] } }],
  };
  return {
    name,
    doc: row.seriesDoc ?? row.doc,
    default: usual,
    schema: form === undefined ? scalar : { anyOf: forms[form] },
    read: (value) => readInput(row, value),
    ...((name === "base-model" || name === "revision") && { single: true }),
  };
}

/** The text of an input, from a list or a table too, if its parser takes it. */
function readInput({ name, form, parse, default: usual }: SeriesRow, value: Tree): string {
  const found = writtenAs(form, value);
  if (fileRows.includes(name) && /^[/~]|(^|\/)\.\.(\/|$)|[\\]/.test(found))
    throw unexpected("a file below the folder that is checked out, or one on the Hub", value);
  const isOnHub = hubRows.includes(name) && found !== "";
  if (isOnHub && !/^\w[\w.-]*\/\w[\w.-]*(@\w[\w./-]*)?$/.test(found))
    throw unexpected("org/name or org/name@revision on the Hub", value);
  const asInput = isOnHub ? `hf://${found}` : found; // else a folder of that name would be read
  try {
    parse(asInput || usual, name);
  } catch (error) {
    if (!(error instanceof OqeError)) throw error;
    const { code, message, hint } = error;
    const start = `${name}: `;
    const own = message.startsWith(start) ? message.slice(start.length) : message;
    throw new OqeError(code, own, hint, error);
  }
  return asInput;
}

/** The text of an input that a file gives as text, list or table. Throws BAD_INPUT for others. */
export function writtenAs(form: InputRow["form"], value: Tree): string {
  if (typeof value === "string") return value.trim();
  if (form === "list" && Array.isArray(value))
    return value.map((item: Tree) => textOr("text", item)).join(",");
  if (form === "table" && !Array.isArray(value))
    return Object.entries(value)
      .map(([key, item]) => `${key}=${textOr("a value", item)}`)
      .join(",");
  const expected = { list: "text or a list", table: "text or a table" } as const;
  throw unexpected(form === undefined ? "text" : expected[form], value);
}
