import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import rehypeRaw from "rehype-raw";
import rehypeSanitize from "rehype-sanitize";
import rehypeStringify from "rehype-stringify";
import remarkBreaks from "remark-breaks";
import remarkGfm from "remark-gfm";
import remarkParse from "remark-parse";
import remarkRehype from "remark-rehype";
import { unified } from "unified";

/**
 * Where GitHub shows a text. In conversations (issues, pull requests, comments, releases) the end
 * of a line is a line break; in a file or a job summary it is not.
 */
export type Place = "conversation" | "summary";

/**
 * Markdown as GitHub shows it: its dialect, with the markup removed that it removes (styles,
 * scripts, inline SVG, handlers of events, addresses other than web addresses).
 */
export function renderOnGitHub(markdown: string, place: Place): string {
  return unified()
    .use(remarkParse)
    .use(remarkGfm)
    .use(place === "conversation" ? [remarkBreaks] : [])
    .use(remarkRehype, { allowDangerousHtml: true })
    .use(rehypeRaw)
    .use(rehypeSanitize)
    .use(rehypeStringify)
    .processSync(markdown)
    .toString();
}

/** Pixels inside a comment, and inside the summary of a run, on a screen of 1280. */
export const widths: Readonly<Record<Place, number>> = { conversation: 766, summary: 960 };

/** A rendered text. */
export interface Shown {
  readonly html: string;
  readonly place: Place;
}

const style = readFileSync(
  fileURLToPath(import.meta.resolve("github-markdown-css/github-markdown.css")),
  "utf8",
);

/**
 * A page that shows the texts below each other, in GitHub's colours, each as wide as its place.
 * `pictureAt`: the picture at an address, which a machine without network shows; null: there is
 * none.
 */
export function githubPage(
  texts: readonly Shown[],
  pictureAt: (address: string) => Uint8Array | null,
): string {
  const local = (html: string) =>
    html.replace(/(?<=<(?:img|source)[^>]* src(?:set)?=")https:[^"]*/g, (address) => {
      const picture = pictureAt(address);
      return picture === null ? address : dataUrl(picture);
    });
  const boxes = texts.map(
    ({ html, place }) =>
      `<article class="markdown-body" style="width:${widths[place]}px">${local(html)}</article>`,
  );
  return `<style>${style}
    body { margin: 0; background: light-dark(#fff, #0d1117); color-scheme: light dark; }
    #result { display: none; }
    article { padding: 16px; border-bottom: 1px solid #888; }
  </style>${boxes.join("\n")}`;
}

/** A picture, SVG or PNG, as an address. */
export function dataUrl(picture: Uint8Array): string {
  const type = picture[0] === 0x89 ? "image/png" : "image/svg+xml";
  return `data:${type};base64,${Buffer.from(picture).toString("base64")}`;
}

/** What is wrong with one text, as the browser shows it. */
export interface Look {
  /** Markup that a reader sees as such, outside of code. */
  readonly raw: readonly string[];
  /** Tables, pictures, code and words that are wider than the comment. */
  readonly wide: readonly string[];
  /** Pictures that are not shown. */
  readonly lost: readonly string[];
  /** Sentences that a line break cuts. */
  readonly cut: readonly string[];
  readonly tables: number;
  readonly height: number;
}

/** Runs in the page; its result is a list of `Look`. */
export const lookScript = `
const markup = /\\|\\s*:?-{3,}|^\\s*\\|.*\\|\\s*$|\\*\\*|\\]\\(|<\\/?[a-z]|\`|<!--|\\{\\{|\\{%|\\bundefined\\b|\\bNaN\\b|\\[object|&(lt|gt|amp|#\\d+);|\\\\[|*_~$!\\[\\]#]/im;
const textsOf = (article) => {
  const walker = document.createTreeWalker(article, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode())
    if (!walker.currentNode.parentElement.closest("code, pre")) found.push(walker.currentNode.data);
  return found;
};
const look = (article) => {
  const inner = article.clientWidth - 32;
  const wide = [...article.querySelectorAll("table, img, pre, p, li, h1, h2, h3, h4, summary")]
    .filter((box) => box.scrollWidth > box.clientWidth + 1 || box.offsetWidth > inner + 1)
    .map((box) => box.tagName + ": " + box.textContent.trim().slice(0, 80));
  const cut = [...article.querySelectorAll("br")]
    .filter((br) => !br.closest("td, th"))
    .map((br) => [(br.previousSibling ? br.previousSibling.textContent : "").trim(), br])
    .filter(([before]) => !/[.:;!?)]$/.test(before))
    .map(([before]) => before.slice(-80));
  return {
    raw: textsOf(article).filter((text) => markup.test(text)).map((text) => text.trim().slice(0, 200)),
    wide, cut,
    lost: [...article.querySelectorAll("img")].filter((img) => !(img.naturalWidth > 0)).map((img) => img.src.slice(0, 80)),
    tables: article.querySelectorAll("table").length,
    height: article.offsetHeight,
  };
};
for (const details of document.querySelectorAll("details")) details.open = true;
addEventListener("load", () => {
  const textContent = JSON.stringify([...document.querySelectorAll("article")].map(look));
  document.body.append(Object.assign(document.createElement("pre"), { id: "result", textContent }));
});
`;
