import { OqeError } from "../ground/errors.ts";
import { quote } from "../ground/schema.ts";
import { didYouMean } from "../ground/suggestion.ts";
import type { Tree } from "./yaml-tree.ts";

/** `runs-on` of a job: a label, several labels of a self-hosted runner, or a group of runners. */
export type Runner =
  | string
  | readonly string[]
  | { readonly group: string; readonly labels?: readonly string[] };

/**
 * Labels of GitHub's runners for macOS and Linux, from the table of actions/runner-images
 * (README.md, November 2026). `ubuntu-slim` is missing: its jobs may take 15 minutes. Windows has
 * not been tried.
 */
export const knownLabels: readonly string[] = [
  ...["macos-latest", "macos-26", "macos-15"],
  ...["macos-latest-xlarge", "macos-26-xlarge", "macos-15-xlarge"],
  ...["macos-26-intel", "macos-15-intel"],
  ...["macos-latest-large", "macos-26-large", "macos-15-large"],
  ...["ubuntu-latest", "ubuntu-26.04", "ubuntu-24.04", "ubuntu-22.04"],
  ...["ubuntu-26.04-arm", "ubuntu-24.04-arm", "ubuntu-22.04-arm"],
];

const ownRunners = "Runners of your own: [self-hosted, <label>], or { group: <name> }.";

/** Throws BAD_INPUT for a label that would let a job wait for a day, and then fail. */
export function readRunner(value: Tree): Runner {
  if (typeof value === "string") return readLabel(value);
  if (isList(value)) {
    if (value[0] !== "self-hosted")
      throw fault("a list of labels that starts with self-hosted", value[0] ?? "", ownRunners);
    return value.map((item) => readOwn("a label", item));
  }
  const odd = Object.keys(value).find((key) => !["group", "labels"].includes(key));
  if (odd !== undefined) throw fault("the keys group and labels", odd, ownRunners);
  const group = readOwn("the name of a group", value.group ?? "");
  const { labels } = value;
  if (labels === undefined) return { group };
  return {
    group,
    labels: (isList(labels) ? labels : [labels]).map((one) => readOwn("a label", one)),
  };
}

function readLabel(label: string): string {
  const known = knownLabels.find((one) => one === label.toLowerCase());
  if (known !== undefined) return known;
  const expected = "a label of GitHub's macOS or Linux runners";
  throw fault(expected, label, `${didYouMean(label, knownLabels)}${ownRunners}`);
}

function readOwn(expected: string, value: Tree): string {
  if (typeof value === "string" && /^\w[\w .:-]{0,99}$/.test(value)) return value;
  throw fault(expected, value, ownRunners);
}

const isList = (value: Tree): value is readonly Tree[] => Array.isArray(value);

function fault(expected: string, got: Tree, hint: string): OqeError {
  return new OqeError("BAD_INPUT", `expected ${expected}, got ${quote(got)}`, hint);
}
