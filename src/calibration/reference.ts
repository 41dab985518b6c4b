import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { type Repository, readBytes } from "../checkpoint/repository.ts";
import { verifyFiles } from "../checkpoint/verified-files.ts";
import { OqeError } from "../ground/errors.ts";
import { codeOf, reasonOf } from "../ground/reasons.ts";
import { bundledCorpus, type Corpus } from "./corpus.ts";
import { checkFormat, largestTextFile, readTexts } from "./texts.ts";

/** Text to calibrate on: the bundled corpus, a file, or a file of a dataset on the Hub. */
export type CalibrationReference =
  | { readonly kind: "bundled" }
  | { readonly kind: "file"; readonly path: string }
  | {
      readonly kind: "hub";
      readonly dataset: string;
      readonly revision: string;
      readonly path: string;
    };

/** The part of the Hub's client that calibration uses. */
export interface Datasets {
  /** One file of a dataset, at the commit that `revision` names now. */
  openDatasetFile(dataset: string, path: string, revision: string): Promise<Repository>;
}

/**
 * Reads the corpus that a reference names. Connects to the Hub only if the reference needs it.
 * Throws BAD_INPUT for text that cannot be used (texts.ts), and the errors of the Hub's client.
 */
export async function openCalibration(
  reference: CalibrationReference,
  connect: () => Datasets,
): Promise<Corpus> {
  switch (reference.kind) {
    case "bundled":
      return bundledCorpus("calibration");
    case "file":
      return openFile(reference.path);
    case "hub":
      return openDataset(reference, connect);
  }
}

/** The same for evaluation text; error messages say so. */
export async function openEvaluation(
  reference: CalibrationReference,
  connect: () => Datasets,
): Promise<Corpus> {
  if (reference.kind === "bundled") return bundledCorpus("evaluation");
  try {
    return await openCalibration(reference, connect);
  } catch (error) {
    if (!(error instanceof OqeError) || !error.message.startsWith("calibration: ")) throw error;
    const [message, hint] = [error.message, error.hint].map((text) =>
      text.replace("calibration", "evaluation").replace("calibrate on", "measure on"),
    );
    throw new OqeError(error.code, message!, hint, error);
  }
}

async function openFile(path: string): Promise<Corpus> {
  checkFormat(path);
  const { bytes, name } = await readTextFile(path);
  return corpusOf(bytes, { path, where: path, name });
}

/**
 * A file, and its name for the receipt, which must not name folders of this machine and holds short
 * lines only. `input`: the input that names it, for messages. Throws BAD_INPUT.
 */
export async function readTextFile(
  path: string,
  input = "calibration",
): Promise<{ readonly bytes: Uint8Array; readonly name: string }> {
  const name = basename(path).replace(/[\p{Cc}\\:]/gu, "_");
  try {
    return { bytes: await readFile(path), name };
  } catch (error) {
    if (!(error instanceof OqeError) || input === "calibration") throw error;
    const hint = "Name a file with text.";
    throw new OqeError(error.code, error.message.replace("calibration", input), hint, error);
  }
}

async function readFile(path: string): Promise<Uint8Array> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "r");
    const status = await file.stat();
    if (!status.isFile())
      throw unreadable(path, status.isDirectory() ? "is a folder" : "is not a plain file");
    checkSize(path, status.size);
    return await file.readFile();
  } catch (cause) {
    if (cause instanceof OqeError) throw cause;
    const isAbsent = codeOf(cause) === "ENOENT";
    throw unreadable(
      path,
      isAbsent ? "does not exist" : `cannot be read: ${reasonOf(cause)}`,
      cause,
    );
  } finally {
    await file?.close();
  }
}

async function openDataset(
  { dataset, path, revision }: CalibrationReference & { kind: "hub" },
  connect: () => Datasets,
): Promise<Corpus> {
  checkFormat(path);
  const repository = verifyFiles(await connect().openDatasetFile(dataset, path, revision));
  const name = `datasets/${dataset}@${repository.revision}/${path}`;
  checkSize(name, repository.files.get(path) ?? 0);
  return corpusOf(await readBytes(repository, path), { path, where: name, name });
}

function corpusOf(bytes: Uint8Array, file: { path: string; where: string; name: string }): Corpus {
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  return { name: file.name, sha256, texts: readTexts(bytes, file.path, file.where) };
}

function checkSize(where: string, size: number): void {
  if (size === 0) throw unreadable(where, "is empty");
  if (size <= largestTextFile) return;
  throw unreadable(where, `has ${size} bytes; at most ${largestTextFile} are read`);
}

function unreadable(where: string, why: string, cause?: unknown): OqeError {
  const hint = "Name a file with text, or leave calibration out to use the bundled corpus.";
  return new OqeError("BAD_INPUT", `calibration: ${where} ${why}`, hint, cause);
}
