import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { drawPictures } from "../src/card/pictures.ts";
import { renderCard } from "../src/card/render.ts";
import { runCommand } from "../src/entry/commands.ts";
import { formatRun } from "../src/entry/run-table.ts";
import { paintFor } from "../src/ground/color.ts";
import { sitePage } from "../src/site/site-page.ts";
import { findReceipts } from "../src/site/site-receipts.ts";
import { askPage, type Scheme, screenshot } from "../test/support/browser.ts";
import { cardHtml } from "../test/support/card-html.ts";
import { githubPage, renderOnGitHub } from "../test/support/github-page.ts";
import { githubTexts } from "../test/support/github-texts.ts";
import { framed } from "../test/support/site-look.ts";

/**
 * Screenshots of what people see: card, site, terminal and job summary, in a folder; and how many
 * words the cards have. Card and site are those of the last `npm run demo`; `--tiers` names another
 * folder with receipts. With `--readme` it makes the pictures of README.md instead.
 *   npm run show [-- <folder>] [-- --readme]
 */
const args = process.argv.slice(2);
const root = resolve(import.meta.dirname, "..");
const tiersAt = args.indexOf("--tiers");
const tiers = resolve(tiersAt === -1 ? join(root, "demo/hub/demo") : args[tiersAt + 1]!);
const named = args.find((arg, at) => !arg.startsWith("-") && args[at - 1] !== "--tiers");
const folder = resolve(named ?? join(root, "show"));
/** Pixels of a card of 740 that end below its first table. */
const topOfCard = 722;
const schemes: readonly Scheme[] = ["light", "dark"];
const paint = paintFor({ FORCE_COLOR: "1" }, true);

/** Of the codes of SGR that the command line uses. */
const styles: Readonly<Record<string, string>> = {
  "1": "font-weight:bold",
  "31": "color:light-dark(#cf222e,#ff7b72)",
  "32": "color:light-dark(#116329,#7ee787)",
  "33": "color:light-dark(#7d4e00,#e3b341)",
  "36": "color:light-dark(#1b7c83,#76e3ea)",
};

if (!existsSync(tiers)) {
  console.error(`${tiers} does not exist. Run npm run demo first, or name tiers by --tiers.`);
  process.exit(1);
}
const found = await findReceipts([tiers], { warn: (line) => console.warn(line) });
const receipts = found.map(({ receipt }) => receipt).sort((a, b) => b.plan.bytes - a.plan.bytes);
const smallest = receipts.at(-1)!;
if (args.includes("--readme")) await forReadme();
else await showAll();

async function showAll() {
  await mkdir(folder, { recursive: true });
  const card = await cardHtml(smallest);
  const site = sitePage(found, { localFrom: null });
  const { texts, pictureAt } = await githubTexts();
  for (const scheme of schemes) {
    for (const width of [360, 740, 980]) {
      await save(`card-${width}-${scheme}`, cardPage(card, width), scheme, width);
      const height = await heightOf(framed(site, width), scheme, "iframe");
      await save(`site-${width}-${scheme}`, framed(site, width, height), scheme, width);
    }
    for (const [name, text] of Object.entries(await terminalTexts()))
      await save(`terminal-${name}-${scheme}`, terminalPage(text), scheme, 760);
    for (const { name, markdown, place } of texts.filter((text) => text.place === "summary")) {
      const page = githubPage([{ html: renderOnGitHub(markdown, place), place }], pictureAt);
      await save(`${name.replaceAll(" ", "-")}-${scheme}`, page, scheme, 1000);
    }
  }
  console.log("words of the cards, before unfolding and in all:");
  for (const receipt of receipts) {
    const whole = (await renderCard(receipt)).replace(/^---\n[\s\S]*?^---\n/m, "");
    const shown = whole.replace(/<details>[\s\S]*?<\/details>/g, "");
    console.log(`  ${receipt.name}: ${wordsOf(shown)} of ${wordsOf(whole)}`);
  }
  console.log(folder);
}

/** The top of a card, and the picture of the series. */
async function forReadme() {
  const pictures = join(root, "docs/pictures");
  await mkdir(pictures, { recursive: true });
  const page = cardPage(await cardHtml(smallest), 740);
  const { png } = await screenshot(page, {}, "light", { width: 740, height: topOfCard });
  await writeFile(join(pictures, "card.png"), png);
  const kl = drawPictures(smallest).find(({ path }) => path === "oqe-kl.svg")!;
  await writeFile(join(pictures, "kl.svg"), kl.svg);
  console.log(`${pictures}: card.png ${png.length} bytes, kl.svg ${kl.svg.length} bytes`);
}

async function save(name: string, page: string, scheme: Scheme, width: number) {
  const height = Math.min(16000, await heightOf(page, scheme));
  const size = { width: Math.max(500, width), height };
  await writeFile(join(folder, `${name}.png`), (await screenshot(page, {}, scheme, size)).png);
}

/** Pixels of a page, or of the page in its frame. */
function heightOf(page: string, scheme: Scheme, frame?: string): Promise<number> {
  const of =
    frame === undefined ? "document" : `document.querySelector("${frame}").contentDocument`;
  const script = `addEventListener("load", () => {
    const textContent = ${of}.documentElement.scrollHeight;
    document.body.append(Object.assign(document.createElement("pre"), { id: "result", textContent }));
  });`;
  return askPage<number>(`${page}<script>${script}</script>`, scheme, 100, 1000);
}

function cardPage(html: string, width: number): string {
  const page = githubPage([{ html, place: "summary" }], () => null);
  const style = `box-sizing:border-box;width:${width}px`;
  return page.replace(/(<article[^>]*) style="[^"]*"/, `$1 style="${style}"`);
}

function wordsOf(markdown: string): number {
  const text = markdown.replace(/<!--[\s\S]*?-->/g, "").replace(/\]\([^)]*\)/g, "]");
  return text.match(/[\p{L}\p{N}]\S*/gu)?.length ?? 0;
}

/** What a terminal of 80 columns shows of some commands. */
async function terminalTexts(): Promise<Readonly<Record<string, string>>> {
  const of = async (...argv: string[]) => {
    let text = `$ oqe ${argv.join(" ")}\n`;
    const write = (part: string) => {
      text += part;
    };
    const environment = { ...process.env, FORCE_COLOR: "1" };
    await runCommand(argv, { environment, write, columns: 80, script: "oqe" });
    return text;
  };
  const ended = receipts.map((receipt) => {
    return { plan: receipt.plan, receipt, outcome: "published" } as const;
  });
  const model = join(root, "test/models/nemotron-nano-tiny");
  return {
    help: await of("--help"),
    "help-verify": await of("verify", "--help"),
    plan: await of("plan", model, "--policy", "oq"),
    end: formatRun(ended, 80, paint),
  };
}

function terminalPage(text: string): string {
  const html = text
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape of SGR
    .replace(/\u001b\[(\d+)m/g, (_, code: string) =>
      code in styles ? `<span style="${styles[code]}">` : "</span>",
    );
  return `<style>body{margin:0;color-scheme:light dark;background:light-dark(#fff,#0d1117);
    color:light-dark(#1f2328,#e6edf3)}</style>
    <pre style="margin:12px;width:80ch;font:14px/1.4 'DejaVu Sans Mono',monospace;
    outline:1px dotted #8888">${html}</pre>`;
}
