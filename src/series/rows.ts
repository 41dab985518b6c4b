import type { Base } from "../base/base.ts";
import type { CalibrationRecord } from "../calibration/calibration-record.ts";
import { openChat } from "../calibration/chat.ts";
import type { Corpus } from "../calibration/corpus.ts";
import { findOverlaps } from "../calibration/overlap.ts";
import { openCalibration, openEvaluation } from "../calibration/reference.ts";
import { drawRows, type Rows } from "../calibration/rows.ts";
import { openTokenizer, type Tokenizer } from "../calibration/tokenizer.ts";
import { drawChunks, openWikitext } from "../calibration/wikitext.ts";
import type { EvaluationRows } from "../evaluation/evaluate.ts";
import type { WikitextRows } from "../evaluation/wikitext-ride.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Hub } from "../hub/hub-types.ts";
import type { RowInputs } from "../inputs/inputs.ts";
import { integer } from "../models/config-fields.ts";

/** Rows of text, and their record for the receipt. */
export interface DrawnRows extends EvaluationRows {
  /** SHA-256 of the text that they were drawn from. */
  readonly text: string;
  readonly wikitext?: WikitextChunks;
}
export type WikitextChunks = WikitextRows & Pick<DrawnRows, "text">;

/** The rows of a run. */
export interface Calibration {
  /** Calibration rows; null: nothing is tuned. */
  readonly tuning: DrawnRows | null;
  /** Evaluation rows; null: nothing is evaluated. */
  readonly evaluation: DrawnRows | null;
}

/** Of the rows of a large model, those that the runs beside the free ones pass: every fourth. */
const sparse = 4;

/** Seed of the rows. It must never change, because the rows are part of the recipe. */
const seed = 1;
/** Parameters above which an evaluation row has fewer tokens by default. */
export const fewParameters = 4e9;
/** Evaluation rows by default, and their tokens. */
const evaluationRows = 64;
const evaluationLengths = { small: 256, large: 128 };
/** Overlapping rows that a message names. */
const mostNamed = 8;

/**
 * Draws the rows of a run, before any weight is read. With method rounded, a tokenizer that cannot
 * be used is a warning, and the tiers are not evaluated. Throws BAD_INPUT if evaluation and
 * calibration rows overlap, BAD_CHECKPOINT or UNSUPPORTED_MODEL for a model that cannot be run.
 */
export async function calibrate(
  base: Base,
  inputs: RowInputs,
  connect: () => Hub,
  report: Pick<Report, "warn">,
): Promise<Calibration> {
  base.architecture.forward.check(base.config);
  if (inputs.method === "tuned") {
    const draw = await rowDrawer(base);
    const { calibrationSamples: samples, calibrationLength: length } = inputs;
    const tuning = draw(await openCalibration(inputs.calibration, connect), samples, length);
    const evaluation = inputs.verify ? await drawEvaluation(base, draw, inputs, connect) : null;
    if (evaluation !== null) refuseOverlap(tuning, evaluation);
    if (evaluation?.wikitext) refuseOverlap(tuning, evaluation.wikitext, "wikitext");
    return { tuning, evaluation };
  }
  if (!inputs.verify) return { tuning: null, evaluation: null };
  try {
    return {
      tuning: null,
      evaluation: await drawEvaluation(base, await rowDrawer(base), inputs, connect),
    };
  } catch (error) {
    warnOfUnusable(error, report);
    return { tuning: null, evaluation: null };
  }
}

function warnOfUnusable(error: unknown, report: Pick<Report, "warn">): void {
  if (!(error instanceof OqeError) || !unusable.has(error.code)) throw error;
  report.warn(`the tiers will not be evaluated: ${error.message}`);
}

/** Errors of a model without a usable tokenizer. Such a model can still be rounded. */
const unusable = new Set(["MISSING_FILE", "UNSUPPORTED_MODEL", "BAD_CHECKPOINT"]);

type DrawRows = (corpus: Corpus, samples: number, length: number) => DrawnRows;

/**
 * Draws rows of any text with the base's tokenizer and chat template. Throws UNSUPPORTED_MODEL,
 * MISSING_FILE or BAD_CHECKPOINT if the base cannot be run or its tokenizer cannot be used.
 */
export async function rowDrawer(base: Base): Promise<DrawRows> {
  base.architecture.forward.check(base.config);
  const { repository } = base.checkpoint;
  const tokenizer: Tokenizer = await openTokenizer(repository);
  const chat = await openChat(repository);
  const vocabularySize = integer(base.config, "vocab_size");
  return (corpus, samples, length) => {
    const rows = drawRows({ tokenizer, chat, corpus, samples, length, seed, vocabularySize });
    return { rows, record: describe(corpus, rows), text: corpus.sha256, every: everyOf(base) };
  };
}

/** Every how many-th evaluation row a model's tiers pass with forced routes (EvaluationRows). */
export function everyOf({ parameters }: Pick<Base, "parameters">): number {
  return parameters > fewParameters ? sparse : 1;
}

/** Rows and tokens per row to evaluate a model of this size on: as given, else by default. */
export function evaluationShape(
  { parameters }: Pick<Base, "parameters">,
  given: {
    readonly samples?: number | null | undefined;
    readonly length?: number | null | undefined;
  },
): { readonly samples: number; readonly length: number } {
  const usual = evaluationLengths[parameters > fewParameters ? "large" : "small"];
  return { samples: given.samples ?? evaluationRows, length: given.length ?? usual };
}

async function drawEvaluation(
  base: Base,
  draw: DrawRows,
  inputs: RowInputs,
  connect: () => Hub,
): Promise<DrawnRows> {
  const { evaluationSamples: rows, evaluationLength: tokens } = inputs;
  const { samples, length } = evaluationShape(base, { samples: rows, length: tokens });
  const evaluation = draw(await openEvaluation(inputs.evaluation, connect), samples, length);
  const wikitext = await drawWikitext(base, inputs.wikitext, inputs.wikitextChunks);
  return wikitext === null ? evaluation : { ...evaluation, wikitext };
}

/** The first chunks of WikiText-2 (calibration/wikitext.ts). null: `path` is. Throws BAD_INPUT. */
export async function drawWikitext(
  base: Base,
  path: string | null,
  chunks: number,
): Promise<WikitextChunks | null> {
  if (path === null) return null;
  const text = await openWikitext(path);
  const tokenizer = await openTokenizer(base.checkpoint.repository);
  const rows = drawChunks(text, chunks, tokenizer, integer(base.config, "vocab_size"));
  return { rows, record: describe(text, rows), text: text.sha256 };
}

/**
 * Throws BAD_INPUT, naming the rows, if a tier would be evaluated on text that it was tuned on. The
 * two parts of the bundled corpus are of different documents; they share only boilerplate.
 */
export function refuseOverlap(
  tuning: DrawnRows,
  evaluation: WikitextChunks,
  input: "evaluation" | "wikitext" = "evaluation",
): void {
  if (tuning.record.source === "bundled" && evaluation.record.source === "bundled") return;
  const overlaps = findOverlaps(tuning.rows, evaluation.rows);
  const isSame = tuning.text === evaluation.text;
  if (overlaps.length === 0 && !isSame) return;
  const named = overlaps
    .slice(0, mostNamed)
    .map(
      ({ evaluationRow, calibrationRow }) => `${evaluationRow} (calibration row ${calibrationRow})`,
    );
  const more = overlaps.length > mostNamed ? ` and ${overlaps.length - mostNamed} more` : "";
  const rows = isSame
    ? `rows 0 to ${evaluation.rows.samples - 1} are of the same text`
    : `rows ${named.join(", ")}${more}`;
  throw new OqeError(
    "BAD_INPUT",
    `${input}: ${evaluation.record.source} shares passages with the calibration text ` +
      `${tuning.record.source}: ${rows}, counted from 0`,
    "Evaluate on text that the series was not tuned on, or leave " +
      (input === "evaluation" ? "evaluation out: the bundled text." : "wikitext out."),
  );
}

function describe(
  corpus: Pick<Corpus, "name">,
  { sha256, samples, length, tokens, domains }: Rows,
): CalibrationRecord {
  return { source: corpus.name, sha256, samples, length, tokens, domains };
}
