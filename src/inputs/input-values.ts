import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import type { CalibrationReference } from "../calibration/reference.ts";
import { OqeError } from "../ground/errors.ts";

/** The base: a folder, or a repository on the Hub at a revision (branch, tag or commit). */
export type ModelReference =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "hub"; readonly id: string; readonly revision: string };

/** `org/name[@revision]` on the Hub, or a folder: whatever exists on disk or starts with `.`, `/` or `~` is a folder. */
export function parseModel(model: string, revision: string): ModelReference {
  if (model === "") {
    throw new OqeError(
      "BAD_INPUT",
      "no base model given",
      "Name a folder, or a repository on the Hub as org/name or org/name@revision.",
    );
  }
  if (/^[./~]/.test(model) || existsSync(model)) {
    if (revision !== "") {
      throw new OqeError(
        "BAD_INPUT",
        `revision "${revision}" given for the folder ${model}`,
        "A revision belongs to a model on the Hub.",
      );
    }
    return { kind: "folder", path: resolve(model.replace(/^~(?=\/|$)/, homedir())) };
  }
  const [, id, inline] = /^([\w][\w.-]*\/[\w][\w.-]*)(?:@(.+))?$/.exec(model) ?? [];
  if (id === undefined || /\.\.|--/.test(id)) {
    throw new OqeError(
      "BAD_INPUT",
      `"${model}" is neither a folder nor a repository name`,
      "Name a folder that exists, or org/name[@revision].",
    );
  }
  if (inline !== undefined && revision !== "" && inline !== revision) {
    throw new OqeError(
      "BAD_INPUT",
      `two revisions given: "${inline}" in the model's name and "${revision}"`,
    );
  }
  const chosen = inline ?? (revision || "main");
  if (!/^[\w][\w./-]*$/.test(chosen) || chosen.includes("..")) {
    throw new OqeError(
      "BAD_INPUT",
      `"${chosen}" is not a revision`,
      "A branch, a tag, or a commit of 40 hexadecimal digits.",
    );
  }
  return { kind: "hub", id, revision: chosen };
}

/** One of some words, in any case. */
export function parseChoice<T extends string>(
  name: string,
  value: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === value.toLowerCase());
  if (found === undefined)
    throw new OqeError("BAD_INPUT", `${name}: "${value}" is not one of ${choices.join(", ")}`);
  return found;
}

export function parseToggle(name: string, value: string): boolean {
  if (/^true$/i.test(value)) return true;
  if (/^false$/i.test(value)) return false;
  throw new OqeError("BAD_INPUT", `${name}: "${value}" is neither true nor false`);
}

export function parseCount(name: string, value: string, least: number, most: number): number {
  const count = Number(value);
  if (!/^\d+$/.test(value) || count < least || count > most) {
    throw new OqeError(
      "BAD_INPUT",
      `${name}: "${value}" is not a whole number from ${least} to ${most}`,
    );
  }
  return count;
}

/** A file that exists or starts with `.`, `/` or `~`, or `datasets/org/name[@revision]/path` on the Hub; empty: bundled. */
export function parseText(name: "calibration" | "evaluation", text: string): CalibrationReference {
  if (text === "") return { kind: "bundled" };
  if (/^[./~]/.test(text) || existsSync(text)) {
    const hint = `Name one text file, or leave ${name} out to use the rows that come with oqe-publisher.`;
    return { kind: "file", path: findFile(name, text, hint) };
  }
  const pattern = /^(?:hf:\/\/)?datasets\/([\w][\w.-]*\/[\w][\w.-]*)(?:@([\w][\w.-]*))?\/(.+)$/;
  const [, dataset, revision = "main", path] = pattern.exec(text) ?? [];
  if (
    dataset === undefined ||
    path === undefined ||
    /\.\.|--/.test(dataset) ||
    /\.\.|\/\/|[\p{Cc}\\?#]/u.test(path)
  ) {
    throw new OqeError(
      "BAD_INPUT",
      `${name}: "${text}" is neither a file nor a file of a dataset on the Hub`,
      "Name a file that exists, or datasets/org/name[@revision]/path/to/file.",
    );
  }
  return { kind: "hub", dataset, revision, path };
}

/** The absolute path of a file that has to be there. */
export function findFile(name: string, text: string, hint: string): string {
  const path = resolve(text.replace(/^~(?=\/|$)/, homedir()));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true) return path;
  throw new OqeError(
    "BAD_INPUT",
    `${name}: ${path} ${found === undefined ? "does not exist" : "is not a file"}`,
    hint,
  );
}
