import { readBase } from "../src/base/base.ts";
import { bundledCorpus } from "../src/calibration/corpus.ts";
import { drawRows } from "../src/calibration/rows.ts";
import { openTokenizer } from "../src/calibration/tokenizer.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { integer } from "../src/models/config-fields.ts";

/**
 * The rows that a release is calibrated or evaluated on, as JSON for bench/peers:
 *   node bench/rows.ts <base folder> calibration|evaluation [samples] [length] > rows.json
 */
const [folder, part, samples = "128", length = "256"] = process.argv.slice(2);
if (folder === undefined || (part !== "calibration" && part !== "evaluation")) {
  console.error("usage: rows.ts <base folder> calibration|evaluation [samples] [length]");
  process.exit(1);
}
const base = await readBase(await openFolder(folder), { allowHeaderOnly: false });
const drawn = drawRows({
  tokenizer: await openTokenizer(base.checkpoint.repository),
  corpus: await bundledCorpus(part),
  samples: Number(samples),
  length: Number(length),
  seed: 1, // as in src/series/rows.ts
  vocabularySize: integer(base.config, "vocab_size"),
});
const rows = drawn.rows.map(({ domain }, i) => {
  return { domain, ids: Array.from(drawn.ids.subarray(i * drawn.length, (i + 1) * drawn.length)) };
});
console.log(JSON.stringify({ sha256: drawn.sha256, rows }));
await base.checkpoint.close();
