import { bundledCorpus, type Corpus } from "./calibration/corpus.ts";
import { openCalibration } from "./calibration/reference.ts";
import { drawRows, type Rows } from "./calibration/rows.ts";
import { openTokenizer } from "./calibration/tokenizer.ts";
import type { Hub } from "./hub/hub-types.ts";
import type { Inputs } from "./inputs.ts";
import { integer } from "./models/config-fields.ts";
import type { Base } from "./quant/base.ts";
import type { CalibrationRecord } from "./quant/tuning-record.ts";

/** The rows that a series is tuned on, and what the receipt says of them and of those kept apart for its proof. */
export interface Calibration {
  readonly rows: Rows;
  readonly record: CalibrationRecord;
  readonly evaluation: CalibrationRecord;
}

/** Any will do, as long as it stays: the rows are part of the recipe. */
const seed = 1;
/** Rows kept apart for the proof: 32,768 positions. */
const evaluationRows = { samples: 128, length: 256 };

/** Draws the calibration rows; null where the method reads no text. Throws before any weight is read. */
export async function calibrate(base: Base, inputs: Inputs, connect: () => Hub): Promise<Calibration | null> {
  if (inputs.method !== "tuned") return null;
  base.architecture.forward.check(base.config);
  const tokenizer = await openTokenizer(base.checkpoint.repository);
  const vocabularySize = integer(base.config, "vocab_size");
  const draw = (corpus: Corpus, samples: number, length: number) =>
    drawRows({ tokenizer, corpus, samples, length, seed, vocabularySize });
  const corpus = await openCalibration(inputs.calibration, connect);
  const rows = draw(corpus, inputs.calibrationSamples, inputs.calibrationLength);
  const apart = await bundledCorpus("evaluation");
  const evaluation = draw(apart, evaluationRows.samples, evaluationRows.length);
  return { rows, record: describe(corpus, rows), evaluation: describe(apart, evaluation) };
}

function describe(corpus: Corpus, { sha256, samples, length, tokens, domains }: Rows): CalibrationRecord {
  return { source: corpus.name, sha256, samples, length, tokens, domains };
}
