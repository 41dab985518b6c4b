import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { resolve } from "node:path";
import type { CalibrationReference } from "../calibration/reference.ts";
import { OqeError } from "../ground/errors.ts";

/** A model: a folder, or a repository on the Hub at a revision (branch, tag or commit). */
export type ModelReference =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "hub"; readonly id: string; readonly revision: string };

/**
 * `org/name[@revision]` on the Hub, or a folder. Text that exists on disk or starts with `.`, `/`
 * or `~` is a folder; text that starts with `hf://` is none. Throws BAD_INPUT.
 */
export function parseModel(model: string, revision: string): ModelReference {
  if (model === "") {
    throw new OqeError(
      "BAD_INPUT",
      "no base model given",
      "Name a folder, or a repository on the Hub as org/name or org/name@revision.",
    );
  }
  if (model.startsWith("hf://")) return hubModel(model.slice("hf://".length), revision);
  const isFolder = /^[./~]/.test(model) || existsSync(model);
  return isFolder ? folderModel(model, revision) : hubModel(model, revision);
}

function folderModel(model: string, revision: string): ModelReference {
  if (revision === "")
    return { kind: "folder", path: resolve(model.replace(/^~(?=\/|$)/, homedir())) };
  throw new OqeError(
    "BAD_INPUT",
    `revision "${revision}" given for the folder ${model}`,
    "A revision belongs to a model on the Hub.",
  );
}

function hubModel(model: string, revision: string): ModelReference {
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
      "Give one of them.",
    );
  }
  const chosen = inline ?? (revision || "main");
  if (/^[\w][\w./-]*$/.test(chosen) && !chosen.includes(".."))
    return { kind: "hub", id, revision: chosen };
  throw new OqeError(
    "BAD_INPUT",
    `"${chosen}" is not a revision`,
    "A branch, a tag, or a commit of 40 hexadecimal digits.",
  );
}

/**
 * Text to calibrate or evaluate on: a file, or `datasets/org/name[@revision]/path` on the Hub.
 * Text that exists on disk or starts with `.`, `/` or `~` is a file. Empty means the bundled text.
 * Throws BAD_INPUT.
 */
export function parseText(name: "calibration" | "evaluation", text: string): CalibrationReference {
  if (text === "") return { kind: "bundled" };
  if (/^[./~]/.test(text) || existsSync(text)) {
    const hint = `Name one text file, or leave ${name} out to use the bundled text.`;
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

/** A file of `oqe sensitivity`; empty: null. */
export function parseSensitivityFile(text: string): string | null {
  const hint = "Name a file that `oqe sensitivity` wrote, or leave sensitivity out.";
  return text === "" ? null : findFile("sensitivity", text, hint);
}

/** The test text of WikiText-2; empty: null. Throws BAD_INPUT. */
export function parseWikitext(text: string): string | null {
  const hint = "Name wiki.test.raw of WikiText-2, or leave wikitext out.";
  return text === "" ? null : findFile("wikitext", text, hint);
}

/** A quantized repository of the base; empty: null. */
export function parseProxy(text: string): ModelReference | null {
  return text === "" ? null : parseModel(text, "");
}

/** The absolute path of a file that has to exist. Throws BAD_INPUT. */
function findFile(name: string, text: string, hint: string): string {
  const path = resolve(text.replace(/^~(?=\/|$)/, homedir()));
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile() === true) return path;
  throw new OqeError(
    "BAD_INPUT",
    `${name}: ${path} ${found === undefined ? "does not exist" : "is not a file"}`,
    hint,
  );
}
