import { askPage, type Scheme } from "./browser.ts";

/** What a browser says of a page in a frame as wide as a screen. */
export interface SiteLook {
  /** Whether something reaches beyond the right edge. */
  readonly scrolls: boolean;
  /** Texts that their box cuts, or that leave the screen. */
  readonly clipped: readonly string[];
  /** Texts whose contrast is below 4.5, with it. */
  readonly faint: readonly string[];
  readonly texts: number;
  /** What the page loaded from outside of itself. */
  readonly requests: readonly string[];
  /** The column of tiers, before and after each click on the heads that were asked for. */
  readonly orders: readonly (readonly string[])[];
  /** Of scripts that ran and should not. */
  readonly ran: boolean;
}

/** Runs in the page around the frame. `clicks`: columns to click, one after the other. */
const script = (clicks: readonly number[]) => `
const frame = document.querySelector("iframe");
const numbers = (color) => (color.match(/[\\d.]+/g) || []).map(Number);
const light = (color) => {
  const [r, g, b] = numbers(color).map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const isClear = (color) => numbers(color).length === 4 && numbers(color)[3] === 0;
frame.addEventListener("load", () => {
  const page = frame.contentDocument;
  const view = frame.contentWindow;
  const behind = (node) => {
    const svg = node.closest("svg");
    if (svg) return view.getComputedStyle(svg.querySelector("rect")).fill;
    for (let one = node; one; one = one.parentElement) {
      const color = view.getComputedStyle(one).backgroundColor;
      if (!isClear(color)) return color;
    }
    return "rgb(255, 255, 255)";
  };
  const walker = page.createTreeWalker(page.body, view.NodeFilter.SHOW_TEXT);
  const found = { clipped: [], faint: [], texts: 0 };
  while (walker.nextNode()) {
    const { data, parentElement: box } = walker.currentNode;
    const style = view.getComputedStyle(box);
    const range = page.createRange();
    range.selectNodeContents(walker.currentNode);
    const place = range.getBoundingClientRect();
    if (data.trim() === "" || place.width === 0) continue;
    found.texts++;
    const ink = box.closest("svg") ? style.fill : style.color;
    const both = [light(ink), light(behind(box))].sort((a, b) => b - a);
    const contrast = (both[0] + 0.05) / (both[1] + 0.05);
    if (contrast < 4.5) found.faint.push(data.trim().slice(0, 40) + " " + contrast.toFixed(2));
    const cell = box.closest("td, th");
    const edge = cell ? cell.getBoundingClientRect().right : view.innerWidth;
    if (place.right > edge + 1 || place.left < 0) found.clipped.push(data.trim().slice(0, 40));
  }
  const tiers = () => [...page.querySelectorAll("tbody .tier")].map((cell) => cell.textContent);
  const orders = [tiers()];
  for (const column of ${JSON.stringify(clicks)}) {
    page.querySelectorAll("thead button")[column].click();
    orders.push(tiers());
  }
  const root = page.documentElement;
  const textContent = JSON.stringify({
    ...found, orders,
    scrolls: root.scrollWidth > root.clientWidth,
    requests: view.performance.getEntriesByType("resource").map(({ name }) => name),
    ran: "wasRun" in view || "wasRun" in window,
  });
  document.body.append(Object.assign(document.createElement("pre"), { id: "result", textContent }));
});
`;

/** A page in a frame: a browser's own window may not be as narrow as a phone. */
export function framed(page: string, width: number, height = 1600): string {
  const source = page.replace(/&/g, "&amp;").replace(/"/g, "&quot;");
  const look = `border:0;display:block;width:${width}px;height:${height}px`;
  return `<style>body{margin:0}</style><iframe style="${look}" srcdoc="${source}"></iframe>`;
}

export function lookAtSite(
  page: string,
  { width, scheme }: { readonly width: number; readonly scheme: Scheme },
  clicks: readonly number[] = [],
): Promise<SiteLook> {
  const html = `${framed(page, width)}<script>${script(clicks)}</script>`;
  return askPage<SiteLook>(html, scheme, 900, Math.max(width, 500));
}
