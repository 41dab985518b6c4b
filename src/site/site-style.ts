/** Style of the page. Up to 760 pixels a row is a box of figures, labelled by `data-l`. */
export const style = `
:root{color-scheme:light dark;--ink:light-dark(#1f2328,#e6edf3);--muted:light-dark(#59636e,#9da7b1);
--panel:light-dark(#ffffff,#0d1117);--rule:light-dark(#d1d9e0,#3d444d);
--head:light-dark(#f6f8fa,#151b23);--link:light-dark(#0860ca,#6cb6ff)}
*{box-sizing:border-box}
body{margin:0;background:var(--panel);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1012px;margin:0 auto;padding:24px 16px}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:0 0 8px}
p{margin:0 0 12px}
a{color:var(--link)}
code{font:0.9em ui-monospace,monospace;overflow-wrap:anywhere}
footer,.lead,small{color:var(--muted)}
.top{display:grid;grid-template-columns:minmax(0,440px) minmax(0,1fr);gap:24px;margin:16px 0 24px}
.top svg{display:block;width:100%;height:auto;max-width:440px}
dl{margin:0}
dt{font-weight:600}
dd{margin:0 0 10px}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:15px;
table-layout:fixed}
th,td{padding:7px 6px;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
thead th{background:var(--head);vertical-align:bottom}
th.n,td.n{text-align:right}
th.name{width:24%}th.tier{width:11%}
.name,.tier{overflow-wrap:anywhere}
td.tier{font-weight:600}
.stock td{color:var(--muted)}.stock td.tier{font-weight:400}
small{display:block;font-size:0.8em;letter-spacing:-0.01em}
button{all:unset;cursor:pointer;font-weight:600}
button:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
th[aria-sort=ascending] button::after{content:" ▲"}
th[aria-sort=descending] button::after{content:" ▼"}
.sort{display:none}
@media(max-width:760px){
.top{grid-template-columns:minmax(0,1fr)}
table,tbody,thead{display:block}
.sort{display:inline;color:var(--muted)}
thead tr{display:flex;flex-wrap:wrap;gap:6px 8px;padding:8px 0;align-items:center}
thead th,th.name,th.tier{padding:0;border:0;background:none;width:auto}
thead button{border:1px solid var(--rule);border-radius:6px;padding:4px 9px;background:var(--head)}
tbody tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:2px 12px;
padding:12px 0;border-top:1px solid var(--rule)}
tbody td{border:0;padding:0;min-width:0}
tbody .name,tbody .tier{grid-column:1/-1}
tbody .tier{font-size:1.1em}
tbody td.n{text-align:left}
tbody td[data-l]::before{content:attr(data-l);display:block;color:var(--muted);font-size:0.82em}
tbody small{display:inline;margin-left:6px}
}`;

/**
 * Sorts the table by a column: `data-v` of a cell is a number or text, empty for none. Cells
 * without a value stay at the end. It reads nothing but the page.
 */
export const script = `
"use strict";
const body = document.querySelector("tbody");
const heads = [...document.querySelectorAll("thead th")];
const valueOf = (row, at) => row.cells[at].dataset.v;
for (const [at, head] of heads.entries()) {
  head.querySelector("button").addEventListener("click", () => {
    const isUp = head.getAttribute("aria-sort") === "ascending";
    const isFresh = !head.hasAttribute("aria-sort");
    const sign = (isFresh ? head.dataset.first === "down" : isUp) ? -1 : 1;
    for (const one of heads) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    const isText = head.dataset.first === "text";
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [valueOf(a, at), valueOf(b, at)];
      if (x === "" || y === "") return (x === "") - (y === "");
      if (isText) return sign * (x < y ? -1 : x > y ? 1 : 0);
      return sign * (Number(x) - Number(y));
    });
    body.append(...rows);
  });
}`;
