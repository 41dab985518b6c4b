import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { parseReceipt } from "../src/receipt/receipt-file.ts";
import { python } from "./convert/usage.ts";

/**
 * What stock mlx-lm writes with a base, with each tier that `oqe quantize <base>` makes of it and
 * with the quant of `mlx_lm.convert -q`: greedy answers to three prompts, and at which token each
 * first departs from the base's answer. Beside it the mean KL of the receipts.
 *   node bench/generate.ts <base> <folder> [--tokens 48] [--tiers oQ8e,oQ6e,oQ5e,oQ4e]
 *     [-- flags of oqe quantize …]
 * What <folder> has already is not made again.
 */
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    tokens: { type: "string", default: "48" },
    tiers: { type: "string", default: "oQ8e,oQ6e,oQ5e,oQ4e" },
  },
});
const [base, folder, ...flags] = positionals;
if (base === undefined || folder === undefined) throw new Error("give a base and a folder");

const prompts = [
  "What is the capital of France, and what is it known for?",
  "Write a Python function that reverses a string.",
  "Schreibe zwei Sätze über den Herbst.",
];

interface Answer {
  readonly ids: readonly number[];
  readonly text: string;
}

const run = promisify(execFile);
const cli = fileURLToPath(new URL("../src/cli.ts", import.meta.url));
const script = fileURLToPath(new URL("./peers/generate.py", import.meta.url));
const environment = { PATH: process.env.PATH ?? "", HOME: homedir(), HF_HUB_OFFLINE: "1" };

const paths = options.tiers.split(",").map((tier) => join(folder, `${basename(base)}-${tier}`));
const stock = join(folder, `${basename(base)}-4bit`);
await mkdir(folder, { recursive: true });
if (!paths.every(existsSync))
  await run(process.execPath, [
    ...[cli, "quantize", base, "--out", folder, "--tiers", options.tiers],
    ...flags,
  ]);
if (!existsSync(stock)) {
  const convert = ["-m", "mlx_lm", "convert", "--hf-path", base, "--mlx-path", stock, "-q"];
  await run(python, convert, { env: environment });
}

/** Name of the repository → its answers. */
async function answersOf(repositories: readonly string[]): Promise<Map<string, readonly Answer[]>> {
  const file = join(folder!, "prompts.json");
  await writeFile(file, JSON.stringify(prompts));
  const { stdout } = await run(python, [script, file, options.tokens, ...repositories], {
    env: environment,
    maxBuffer: 64 << 20,
  });
  const lines = stdout.split("\n").filter((line) => line.startsWith("{"));
  return new Map(lines.map((line) => JSON.parse(line)).map(({ name, answers }) => [name, answers]));
}

/** The first token that is another one, or null where all are the same. */
function departure(own: Answer, other: Answer): number | null {
  const most = Math.max(own.ids.length, other.ids.length);
  const at = Array.from({ length: most }, (_, i) => i).find((i) => own.ids[i] !== other.ids[i]);
  return at ?? null;
}

/** A cell of a table: the first words in one line. */
function words(text: string): string {
  const all = text.split(/\s+/).filter(Boolean);
  const first = all.slice(0, 25).join(" ").replaceAll("|", "\\|");
  return `\`${first.replaceAll("`", "'")}${all.length > 25 ? " …" : ""}\``;
}

const milli = (kl: number) => (1e3 * kl).toFixed(2);
const kl = new Map<string, string>();
for (const path of paths) {
  const file = join(path, "oqe-receipt.json");
  const { evaluation } = parseReceipt(await readFile(file, "utf8"), file);
  if (evaluation === null) continue;
  kl.set(basename(path), milli(evaluation.meanKl));
  if (evaluation.stock !== null) kl.set(basename(stock), milli(evaluation.stock.meanKl));
}

const answers = await answersOf([base, ...paths, stock]);
const [own, ...others] = [...answers];
console.log(`\n| | mean KL (1e-3) | ${prompts.map((_, at) => `departs, ${at + 1}`).join(" | ")} |`);
console.log(`|---|---:|${"---:|".repeat(prompts.length)}`);
for (const [name, theirs] of others) {
  const cells = theirs.map((answer, at) => {
    const found = departure(own![1][at]!, answer);
    return found === null ? `never (${answer.ids.length})` : String(found);
  });
  console.log(`| ${name} | ${kl.get(name) ?? "–"} | ${cells.join(" | ")} |`);
}
for (const [at, prompt] of prompts.entries()) {
  console.log(`\n${at + 1}. ${prompt}\n\n| | answer |\n|---|---|`);
  for (const [name, theirs] of answers) console.log(`| ${name} | ${words(theirs[at]!.text)} |`);
}
