import type { Base } from "../../src/base/base.ts";
import { bundledCorpus } from "../../src/calibration/corpus.ts";
import { drawRows } from "../../src/calibration/rows.ts";
import { openTokenizer } from "../../src/calibration/tokenizer.ts";
import type { EvaluationRows } from "../../src/evaluation/evaluate.ts";

/** Rows of the bundled evaluation text. */
export async function evaluationRows(
  base: Base,
  samples: number,
  length: number,
): Promise<EvaluationRows> {
  const tokenizer = await openTokenizer(base.checkpoint.repository);
  const corpus = await bundledCorpus("evaluation");
  const vocabularySize = Number(base.config.vocab_size);
  const rows = drawRows({ tokenizer, corpus, samples, length, seed: 3, vocabularySize });
  const { sha256, tokens, domains } = rows;
  const record = { source: corpus.name, sha256, samples, length, tokens, domains };
  return { rows, record, every: 1 };
}

/** Rows 0, 2, 4, … as rows of their own. */
export function secondRows({ rows, record }: EvaluationRows): EvaluationRows {
  const { length } = rows;
  const numbers = [...Array(rows.samples).keys()].filter((row) => row % 2 === 0);
  const ids = new Uint32Array(new SharedArrayBuffer(4 * numbers.length * length));
  for (const [i, row] of numbers.entries())
    ids.set(rows.ids.subarray(row * length, (row + 1) * length), i * length);
  const own = { ids, samples: numbers.length, rows: numbers.map((row) => rows.rows[row]!) };
  return { rows: { ...rows, ...own }, record, every: 1 };
}
