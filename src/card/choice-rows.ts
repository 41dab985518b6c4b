import type { Receipt, SeriesRow, TierFigures } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { byteCount, gigabytes, grouped, sizeOf } from "./figures.ts";
import { allowance, fitMac, leastContext, loadedBytes } from "./mac-fit.ts";
import { inline, link } from "./markdown.ts";
import { nats, share } from "./measured-figures.ts";
import { isHeldBack, publishedAs } from "./published.ts";
import { knownFigures } from "./series-rows.ts";
import { verdictOf, verdictWords } from "./verdict.ts";
import { someRows } from "./wording.ts";

/** A phone has room for three columns. Figures are in small letters below a cell's first line. */
const columns = ["tier", "mac", "verdict"] as const;
type Cells = Readonly<Record<(typeof columns)[number], string>>;

/** What the table "Choose a tier" shows, and the words below it. */
export function choiceFacts(receipt: Receipt) {
  const { evaluation, model } = receipt;
  const stock = evaluation?.stock ?? null;
  const rows = choiceRows(receipt);
  return {
    choice: table(columns, rows),
    pick: pickWords(receipt),
    hasOthers: publishedTiers(receipt).some((tier) => tier !== receipt.plan.tier),
    hasContext: model.cache !== null,
    cacheWords: cacheWords(model),
    leastContext: thousands(Math.min(leastContext, model.contextLength ?? leastContext)),
    allowance: `${gigabytes(allowance).replace(".00", "")} GB`,
    verdictWords: verdictWords(),
    hasStock: stock !== null,
    stockPositions: stock === null ? "" : grouped(stock.positions),
    stockRows: someRows(stock?.positions ?? 0, evaluation?.positions ?? 0),
    stockIsSparse: stock !== null && stock.positions < (evaluation?.positions ?? 0),
    hasHeldBack: rows.some(({ verdict }) => verdict.startsWith(heldBack)),
    hasPredicted: evaluation !== null && choiceIsPredicted(receipt),
  };
}

/** Tiers from the largest to the smallest, and the stock quant at its end. */
function choiceRows(receipt: Receipt): readonly Cells[] {
  const figures = knownFigures([receipt]);
  const tiers = [...receipt.series].sort((a, b) => b.bytes - a.bytes);
  return [
    ...tiers.map((row) => {
      const found = figures.find(({ tier }) => tier === row.tier);
      return tierCells(receipt, row, found);
    }),
    ...stockRows(receipt),
  ];
}

/** Tiers of the series that this receipt knows to be published. */
function publishedTiers(receipt: Receipt): readonly string[] {
  return receipt.series.flatMap(({ tier }) => (publishedAs(receipt, tier) === "" ? [] : [tier]));
}

/**
 * Which tier to take on which Mac, for example "**oQ4e** on a Mac from 24 GB, **oQ8e** from 48 GB":
 * the largest that fits of those that are known to be published, and of this one unless it is held
 * back. Empty if there is none, or if no Mac holds one.
 */
function pickWords(receipt: Receipt): string {
  const known = [...publishedTiers(receipt), ...(isHeldBack(receipt) ? [] : [receipt.plan.tier])];
  const picks: string[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const row of [...receipt.series].sort((a, b) => b.bytes - a.bytes)) {
    const { tier } = row;
    const gibibytes =
      fitMac(loadedBytes(row), receipt.model)?.gibibytes ?? Number.POSITIVE_INFINITY;
    if (gibibytes >= least || !known.includes(tier)) continue;
    least = gibibytes;
    picks.unshift(`**${inline(tier)}** ${unbroken(`from ${gibibytes} GB`)}`);
  }
  return picks.join(", ").replace(/from/, "on a Mac from");
}

function stockRows(receipt: Receipt): readonly Cells[] {
  const stock = receipt.evaluation?.stock ?? null;
  if (stock === null) return [];
  const verdict = closeness(verdictOf(stock), stock);
  return [{ ...sizeCells("stock 4-bit", stock, receipt), verdict }];
}

function sizeCells(
  label: string,
  row: Pick<SeriesRow, "bytes" | "carried">,
  { model }: Receipt,
): Pick<Cells, "tier" | "mac"> {
  const tier = below(label, unbroken(sizeOf(row.bytes)));
  const fit = fitMac(loadedBytes(row), model);
  if (fit === null) return { tier, mac: "–" };
  const mac = unbroken(`${fit.gibibytes} GB`);
  return {
    tier,
    mac: fit.context === null ? mac : below(mac, unbroken(`${thousands(fit.context)} context`)),
  };
}

/** The verdict on a quant, and its figures. */
function closeness(verdict: string, { meanKl, sameTop }: Pick<TierFigures, "meanKl" | "sameTop">) {
  return below(verdict, unbroken(`KL ${nats(meanKl)}`), `same top ${unbroken(share(sameTop))}`);
}

/** Figures in small letters below the first line of a cell. */
function below(line: string, ...figures: readonly string[]): string {
  return `${line}<br><sub>${figures.join(" · ")}</sub>`;
}

function tierCells(receipt: Receipt, row: SeriesRow, found: TierFigures | undefined) {
  const own = row.tier === receipt.plan.tier;
  const held = found?.heldBack === true;
  const published = publishedAs(receipt, row.tier);
  const name = inline(row.tier);
  const label = published === "" ? name : link(name, `https://huggingface.co/${published}`);
  const cells = sizeCells(own ? `**${label}**` : label, row, receipt);
  if (found !== undefined)
    return { ...cells, verdict: closeness(held ? heldBack : verdictOf(found), found) };
  const { predicted } = row;
  const unknown = "not measured";
  return {
    ...cells,
    verdict: predicted ? below(unknown, unbroken(`KL ~${nats(predicted.kl)}`)) : unknown,
  };
}

const heldBack = "held back";

function choiceIsPredicted(receipt: Receipt): boolean {
  const known = knownFigures([receipt]).map(({ tier }) => tier);
  return receipt.series.some(({ tier, predicted }) => predicted !== null && !known.includes(tier));
}

/** For example "6.1 kB for each token of context and 55.0 MB of state". */
function cacheWords({ cache }: Receipt["model"]): string {
  if (cache === null) return "";
  const parts = [
    ...(cache.perToken > 0 ? [`${byteCount(cache.perToken)} for each token of context`] : []),
    ...(cache.fixed > 0 ? [`${byteCount(cache.fixed)} of state`] : []),
  ];
  return parts.join(" and ");
}

/** `256k`, in units of 1,024; `512` below one. */
function thousands(tokens: number): string {
  return tokens < 1024 ? String(tokens) : `${grouped(Math.floor(tokens / 1024))}k`;
}

/** Cells of figures stay on one line. */
export function unbroken(text: string): string {
  return text.replaceAll(" ", "\u00a0");
}
