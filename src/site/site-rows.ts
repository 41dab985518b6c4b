import { relative, sep } from "node:path";
import { fitMac, loadedBytes } from "../card/mac-fit.ts";
import { verdictOf } from "../card/verdict.ts";
import type { SeriesLine } from "../chart/series-picture.ts";
import { isRepositoryId } from "../hub/names.ts";
import type { Receipt } from "../receipt/receipt.ts";
import type { FoundReceipt } from "./site-receipts.ts";

/** A row of the table: a tier, or the quant that stock tools make of the same base. */
export interface SiteRow {
  /** Name of the series. Text of others. */
  readonly model: string;
  /** Of the base. */
  readonly modelUrl: string | null;
  readonly tier: string;
  /** null: a tier that is held back, or in no repository. */
  readonly tierUrl: string | null;
  readonly isStock: boolean;
  readonly bytes: number;
  /** null: a quant of stock tools, which has no plan of ours. */
  readonly bpw: number | null;
  /** Memory in GiB of the smallest Mac that holds it, and tokens of context beside it. */
  readonly mac: { readonly gibibytes: number; readonly context: number | null } | null;
  /** null: not evaluated. */
  readonly meanKl: number | null;
  readonly meanKlError: number | null;
  readonly sameTop: number | null;
  readonly perplexityRatio: number | null;
  readonly verdict: string;
}

/** Of the quant that stock tools make, in the column of tiers. */
export const stockName = "stock 4-bit";

/** Where the links of a page lead. */
export interface SiteLinks {
  /** The folder of the page, if tiers are linked to their folders; null: to the Hub. */
  readonly localFrom: string | null;
}

/** Rows by model, and of each from the largest to the smallest. */
export function siteRows(found: readonly FoundReceipt[], links: SiteLinks): readonly SiteRow[] {
  const isOne = namespaceOf(found) !== null;
  const nameOf = ({ receipt }: FoundReceipt) => seriesName(receipt, isOne);
  const models = [...new Set(found.map(nameOf))].sort(inOrder);
  return models.flatMap((model) => {
    const own = found.filter((one) => nameOf(one) === model);
    const tiers = own.map((one) => ({ ...tierRow(one, links), model }));
    const stock = own.flatMap(({ receipt }) => stockRow(receipt, links, model)).slice(0, 1);
    return [...tiers.sort((a, b) => b.bytes - a.bytes), ...stock];
  });
}

/** The same rows as lines of the picture. */
export function linesOf(rows: readonly SiteRow[]): readonly SeriesLine[] {
  return [...new Set(rows.map(({ model }) => model))].map((name) => ({
    name,
    points: rows.flatMap(({ model, tier, bytes, meanKl: mean, meanKlError: error, isStock }) =>
      model === name && mean !== null ? [{ tier, bytes, mean, error, isStock }] : [],
    ),
  }));
}

/** The one namespace of all repositories; null: there is none, or more than one. */
export function namespaceOf(found: readonly FoundReceipt[]): string | null {
  const names = new Set(
    found.map(({ receipt: { repository } }) =>
      repository.includes("/") ? repository.split("/")[0]! : null,
    ),
  );
  const [only = null] = names;
  return names.size === 1 ? only : null;
}

/** A tier's repository without the tier, and without a namespace that all have. */
function seriesName({ repository, name, plan }: Receipt, isOne: boolean): string {
  const whole = isOne ? name : repository;
  const end = `-${plan.tier}`;
  return whole.endsWith(end) ? whole.slice(0, -end.length) : whole;
}

function inOrder(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  return x < y ? -1 : x > y ? 1 : a < b ? -1 : 1;
}

function tierRow(
  { receipt, folder }: FoundReceipt,
  { localFrom }: SiteLinks,
): Omit<SiteRow, "model"> {
  const { plan, model, evaluation, repository } = receipt;
  const isHeld = evaluation?.gates.some(({ passed }) => !passed) === true;
  return {
    modelUrl: baseUrl(receipt, localFrom),
    tier: plan.tier,
    tierUrl:
      localFrom !== null
        ? folderUrl(localFrom, folder)
        : isHeld || !isRepositoryId(repository)
          ? null
          : `https://huggingface.co/${repository}`,
    isStock: false,
    bytes: plan.bytes,
    bpw: plan.bpw,
    mac: fitMac(loadedBytes(plan), model),
    ...(evaluation ?? unknown),
    verdict: isHeld ? "held back" : evaluation === null ? "not measured" : verdictOf(evaluation),
  };
}

const unknown = { meanKl: null, meanKlError: null, sameTop: null, perplexityRatio: null };

function stockRow(receipt: Receipt, { localFrom }: SiteLinks, model: string): readonly SiteRow[] {
  const stock = receipt.evaluation?.stock ?? null;
  if (stock === null) return [];
  const { bytes } = stock;
  return [
    {
      ...{ model, modelUrl: baseUrl(receipt, localFrom) },
      ...{ tier: stockName, tierUrl: null, isStock: true, bytes, bpw: null },
      mac: fitMac(bytes, receipt.model),
      ...stock,
      verdict: verdictOf(stock),
    },
  ];
}

/** Of the base. That of a rehearsal is on no public Hub. */
function baseUrl({ base }: Receipt, localFrom: string | null): string | null {
  return base.id === null || localFrom !== null ? null : `https://huggingface.co/${base.id}`;
}

function folderUrl(from: string, folder: string): string {
  const path = relative(from, folder).split(sep).map(encodeURIComponent).join("/");
  return `./${path}${path === "" ? "" : "/"}`;
}
