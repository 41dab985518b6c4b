import type { Base } from "../base/base.ts";
import type { CalibrationRecord } from "../calibration/calibration-record.ts";
import type { Corpus } from "../calibration/corpus.ts";
import { findOverlaps } from "../calibration/overlap.ts";
import { openCalibration, openEvaluation } from "../calibration/reference.ts";
import { drawRows, type Rows } from "../calibration/rows.ts";
import { openTokenizer, type Tokenizer } from "../calibration/tokenizer.ts";
import type { EvaluationRows } from "../evaluation/evaluate.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Hub } from "../hub/hub-types.ts";
import type { Inputs } from "../inputs/inputs.ts";
import { integer } from "../models/config-fields.ts";

/** Rows of text, and what a receipt says of them. */
export interface DrawnRows extends EvaluationRows {
  /** SHA-256 of the text that they were drawn from. */
  readonly text: string;
}

/** The rows of a run. */
export interface Calibration {
  /** What the series is tuned on; null where nothing is tuned. */
  readonly tuning: DrawnRows | null;
  /** What its proof is measured on; null where nothing is measured. */
  readonly evaluation: DrawnRows | null;
}

/** Any will do, as long as it stays: the rows are part of the recipe. */
const seed = 1;
/** Tokens of a row that a proof is measured on: 128 of them are 32,768 positions. */
export const evaluationLength = 256;
const mostNamed = 8;

/**
 * Draws the rows that a run needs, before any weight is read. Method rounded can do without: where the model cannot be run, or its
 * tokenizer not be used, nothing will be measured and a warning says why. Throws BAD_INPUT where rows of both kinds overlap.
 */
export async function calibrate(
  base: Base,
  inputs: Inputs,
  connect: () => Hub,
  report: Pick<Report, "warn">,
): Promise<Calibration> {
  if (inputs.method === "tuned") {
    const draw = await rowDrawer(base);
    const { calibrationSamples: samples, calibrationLength: length } = inputs;
    const tuning = draw(await openCalibration(inputs.calibration, connect), samples, length);
    const evaluation = inputs.verify ? await drawEvaluation(draw, inputs, connect) : null;
    if (evaluation !== null) refuseOverlap(tuning, evaluation);
    return { tuning, evaluation };
  }
  if (!inputs.verify) return { tuning: null, evaluation: null };
  try {
    return {
      tuning: null,
      evaluation: await drawEvaluation(await rowDrawer(base), inputs, connect),
    };
  } catch (error) {
    if (!(error instanceof OqeError) || !unusable.has(error.code)) throw error;
    report.warn(`the tiers will not be measured: ${error.message}`);
    return { tuning: null, evaluation: null };
  }
}

/** What a model without a usable tokenizer or forward pass gives: no reason not to round it. */
const unusable = new Set(["MISSING_FILE", "UNSUPPORTED_MODEL", "BAD_CHECKPOINT"]);

type DrawRows = (corpus: Corpus, samples: number, length: number) => DrawnRows;

/** Draws rows of any text with the base's tokenizer. Throws where the base cannot be run or its tokenizer not be used. */
export async function rowDrawer(base: Base): Promise<DrawRows> {
  base.architecture.forward.check(base.config);
  const tokenizer: Tokenizer = await openTokenizer(base.checkpoint.repository);
  const vocabularySize = integer(base.config, "vocab_size");
  return (corpus, samples, length) => {
    const rows = drawRows({ tokenizer, corpus, samples, length, seed, vocabularySize });
    return { rows, record: describe(corpus, rows), text: corpus.sha256 };
  };
}

async function drawEvaluation(
  draw: DrawRows,
  inputs: Inputs,
  connect: () => Hub,
): Promise<DrawnRows> {
  return draw(
    await openEvaluation(inputs.evaluation, connect),
    inputs.evaluationSamples,
    evaluationLength,
  );
}

/**
 * Throws BAD_INPUT, naming the rows, where a model would be judged by text that it was tuned on. The two halves of the bundled corpus
 * are of different documents; what they still share is boilerplate.
 */
export function refuseOverlap(tuning: DrawnRows, evaluation: DrawnRows): void {
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
    `evaluation: ${evaluation.record.source} shares passages with the calibration text ${tuning.record.source}: ${rows}, counted from 0`,
    "Measure on text that the series was not tuned on, or leave evaluation out to use the rows that come with oqe-publisher.",
  );
}

function describe(
  corpus: Corpus,
  { sha256, samples, length, tokens, domains }: Rows,
): CalibrationRecord {
  return { source: corpus.name, sha256, samples, length, tokens, domains };
}
