import { createHash } from "node:crypto";
import { byteCount, gigabytes, plural } from "../card/figures.ts";
import { nats, ratio, share } from "../card/measured-figures.ts";
import { verdictWords } from "../card/verdict.ts";
import { drawSvg } from "../chart/drawing.ts";
import { seriesDrawing } from "../chart/series-picture.ts";
import { engine } from "../ground/engine.ts";
import type { FoundReceipt } from "./site-receipts.ts";
import {
  linesOf,
  namespaceOf,
  type SiteLinks,
  type SiteRow,
  siteRows,
  stockName,
} from "./site-rows.ts";
import { script, style } from "./site-style.ts";

/** How a page of ours says who made it. */
export const generator = '<meta name="generator" content="oqe-publisher ';

/**
 * The series page as one HTML file. It asks for nothing from outside: its policy allows its own
 * style and its one script, by its hash. The same receipts give the same bytes.
 */
export function sitePage(found: readonly FoundReceipt[], links: SiteLinks): string {
  const rows = siteRows(found, links);
  const lines = linesOf(rows);
  const drawing = seriesDrawing(lines);
  const namespace = namespaceOf(found);
  const title = namespace === null ? "oQe series" : `oQe series of ${namespace}`;
  const hash = createHash("sha256").update(script).digest("base64");
  const policy =
    `default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${hash}'; ` +
    "base-uri 'none'; form-action 'none'";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
${generator}${escapeHtml(engine.version)}">
<title>${escapeHtml(title)}</title>
<style>${style}
</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="lead">${plural(found.length, "tier")} of ${plural(lines.length, "model")}, for ${loadersOf(found)} on Macs with
Apple silicon. Every figure is from the receipt in the tier's repository.</p>
<div class="top">
<div>${drawing === null ? "<p>No tier was evaluated, so there is no picture.</p>" : drawSvg(drawing)}</div>
${howToRead(rows.some(({ isStock }) => isStock))}
</div>
<table>
<thead><tr>${columns.map(headOf).join("")}</tr></thead>
<tbody>
${rows.map(rowOf).join("\n")}
</tbody>
</table>
<footer><p><small>Made by oqe-publisher ${escapeHtml(engine.version)}. <code>oqe verify &lt;repository&gt;</code> checks a
tier against its receipt, and measures its figures again.</small></p></footer>
</main>
<script>${script}</script>
</body>
</html>
`;
}

function howToRead(hasStock: boolean): string {
  return `<div>
<h2>How to choose</h2>
<dl>
<dt>Mac</dt><dd>The smallest Mac that holds the weights, with so many tokens of context.</dd>
<dt>KL</dt><dd>How far a tier's predictions are from those of its own base, on held-out text. 0 means
the same. Compare the tiers of one model: another model has other predictions.</dd>
<dt>Same top token</dt><dd>How often tier and base find the same next token the most likely.</dd>
<dt>PPL ÷ base</dt><dd>Perplexity divided by that of the base. 1 means no loss.</dd>
<dt>Verdict</dt><dd>By KL and same top token: ${escapeHtml(verdictWords().replaceAll("*", ""))}.</dd>
${hasStock ? `<dt>${stockName}</dt><dd>What <code>mlx_lm.convert -q</code> makes of the same base.</dd>` : ""}
</dl>
</div>`;
}

interface Column {
  readonly name: string;
  /** How the first click sorts. */
  readonly first: "up" | "down" | "text";
  /** Class of the cells. */
  readonly kind: "name" | "tier" | "n" | "";
  /** What sorting compares; null: nothing. */
  readonly value: (row: SiteRow) => string | number | null;
  /** HTML. */
  readonly shown: (row: SiteRow) => string;
}

const columns: readonly Column[] = [
  {
    ...{ name: "Model", first: "text", kind: "name" },
    value: ({ model }) => oneLine(model).toLowerCase(),
    shown: ({ model, modelUrl }) => linked(model, modelUrl),
  },
  {
    ...{ name: "Tier", first: "text", kind: "tier" },
    value: ({ tier }) => oneLine(tier),
    shown: ({ tier, tierUrl }) => linked(tier, tierUrl),
  },
  {
    ...{ name: "Size", first: "up", kind: "n" },
    value: ({ bytes }) => bytes,
    shown: ({ bytes }) => (bytes < 1e9 ? byteCount(bytes) : `${gigabytes(bytes)}\u00a0GB`),
  },
  {
    ...{ name: "Mac", first: "up", kind: "n" },
    value: ({ mac }) => (mac === null ? null : mac.gibibytes),
    shown: ({ mac }) => (mac === null ? "–" : `${mac.gibibytes}\u00a0GB${contextOf(mac.context)}`),
  },
  {
    ...{ name: "KL", first: "up", kind: "n" },
    value: ({ meanKl }) => meanKl,
    shown: ({ meanKl }) => (meanKl === null ? "–" : nats(meanKl)),
  },
  {
    ...{ name: "Same top token", first: "down", kind: "n" },
    value: ({ sameTop }) => sameTop,
    shown: ({ sameTop }) => (sameTop === null ? "–" : share(sameTop).replace(" %", "\u00a0%")),
  },
  {
    ...{ name: "PPL ÷ base", first: "up", kind: "n" },
    value: ({ perplexityRatio }) => perplexityRatio,
    shown: ({ perplexityRatio: value }) => (value === null ? "–" : ratio(value, null)),
  },
  {
    ...{ name: "Bits per weight", first: "up", kind: "n" },
    value: ({ bpw }) => bpw,
    shown: ({ bpw }) => (bpw === null ? "–" : bpw.toFixed(2)),
  },
  {
    ...{ name: "Verdict", first: "up", kind: "" },
    value: ({ meanKl, verdict }) => (verdict === "held back" ? null : meanKl),
    shown: ({ verdict }) => escapeHtml(verdict),
  },
];

function contextOf(tokens: number | null): string {
  if (tokens === null) return "";
  const words = tokens < 1024 ? String(tokens) : `${Math.floor(tokens / 1024)}k`;
  return `<small>${words}\u00a0tokens</small>`;
}

function headOf({ name, first, kind }: Column, at: number): string {
  const label = at === 0 ? '<span class="sort">Sort by </span>' : "";
  return `<th scope="col" class="${kind}" data-first="${first}">${label}<button type="button">${name}</button></th>`;
}

function rowOf(row: SiteRow): string {
  const cells = columns.map(({ name, kind, value, shown }) => {
    const label = kind === "name" || kind === "tier" ? "" : ` data-l="${name}"`;
    const sorted = escapeHtml(String(value(row) ?? ""));
    return `<td class="${kind}"${label} data-v="${sorted}">${shown(row)}</td>`;
  });
  return `<tr${row.isStock ? ' class="stock"' : ""}>${cells.join("")}</tr>`;
}

function linked(text: string, url: string | null): string {
  // A name that is written from right to left must not turn what is beside it.
  const name = `<bdi>${escapeHtml(text)}</bdi>`;
  return url === null ? name : `<a href="${escapeHtml(url)}">${name}</a>`;
}

/** Text of others as one line, without characters that are no letters or that reorder text. */
function oneLine(text: string): string {
  return text.replace(/[\p{C}\s]+/gu, " ").trim();
}

function escapeHtml(text: string): string {
  return oneLine(text)
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;");
}

/** The programs that load the tiers: some are for mlx-vlm alone. */
function loadersOf(found: readonly FoundReceipt[]): string {
  const names = new Set(found.map(({ receipt }) => receipt.options.loader ?? "mlx-lm"));
  return [...names].sort().join(" and ");
}
