import { expect, test } from "vitest";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { inRepository } from "./facts.ts";
import { findEdits, readNotes } from "./kept-notes.ts";
import { cutCard, isBroken, noNotes } from "./notes.ts";
import { placeholderCard, renderCard } from "./render.ts";

const receipt = nemotronReceipt();
const made = await renderCard(receipt);
const [start, end] = ["<!-- oqe:notes -->", "<!-- /oqe:notes -->"];
const withNotes = (notes: string) => made.replace(`${start}\n${end}`, () => start + notes + end);
const notesOf = (text: string) => readNotes({ where: "cards/nano/oQ4e.md", text }, made);

test("a card has one empty pair of markers, and so has a placeholder", () => {
  expect(made.split(`\n${start}\n${end}\n`)).toHaveLength(2);
  expect(notesOf(made)).toBe(noNotes);
  expect(notesOf(placeholderCard(receipt))).toBe(noNotes);
});

test.each([
  ["plain text", "\nRuns well on an M3.\n"],
  [
    "carriage returns, blanks and odd characters",
    "\r\n  a \t\r\n\r\n\u00a0é\u2028 \ud83d\ude00\r\n",
  ],
  ["code blocks that are closed", "\n````sh\n```\nx\n````\n~~~\n```\n~~~\n"],
  ["lines that look like front matter", "\n---\nlicense: mit\n---\n"],
  ["what a replacement pattern would read", "\n$& $1 $$ $` {{ name }} {% if x %}\n"],
  ["a comment that is like the last line of a card", '\n<!-- oqe-publisher {"bytes":1} -->\n'],
  ["nothing, not even an empty line", "\n\n\n"],
])("notes stay byte for byte: %s", async (_, notes) => {
  const text = withNotes(notes);
  expect(notesOf(text)).toBe(notes);
  const again = await renderCard(receipt, { notes: notesOf(text) });
  expect(again).toBe(text);
  expect(placeholderCard(receipt, notes)).toContain(start + notes + end);
  expect(findEdits({ where: "x", text }, made)).toBe("");
  const head = (card: string) => card.slice(0, card.indexOf("\n---\n", 4));
  expect(head(again)).toBe(head(made));
});

test.each([
  ["the end is missing", made.replace(`${end}\n`, ""), /has no <!-- \/oqe:notes -->/],
  ["the start is missing", made.replace(`${start}\n`, ""), /comes before/],
  ["the start is doubled", withNotes(`\n${start}\n`), /a second <!-- oqe:notes -->/],
  ["a pair is nested", withNotes(`\n${start}\n${end}\n`), /a second <!-- oqe:notes -->/],
  ["a second pair", `${made}\n${start}\n${end}\n`, /a second <!-- oqe:notes -->/],
  ["the end is doubled", withNotes(`\n${end}\n`), /a second <!-- \/oqe:notes -->/],
  ["a code block swallows the end", withNotes("\n```sh\nx\n"), /in the code block that begins/],
  ["a longer fence is not closed", withNotes("\n~~~~\n~~~\n"), /in the code block that begins/],
  ["both are in a code block", withNotes("\n").replace(start, `\`\`\`\n${start}`), /code block/],
  ["another spelling", made.replace(end, "<!--/oqe:notes-->"), /alone on its line/],
  ["not alone on its line", withNotes("text"), /alone on its line/],
  ["indented", made.replace(start, `    ${start}`), /alone on its line/],
])("a card with broken markers is refused: %s", (_, text, says) => {
  expect(isBroken(cutCard(text))).toBe(true);
  const refused = () => notesOf(text);
  expect(refused).toThrow(says);
  expect(refused).toThrow(/cards\/nano\/oQ4e\.md is not overwritten.*line \d+/);
  expect(refused).toThrow(expect.objectContaining({ code: "BAD_INPUT" }));
  const [, diff] = /(--- cards[\s\S]*)/.exec(messageOf(refused)) ?? [];
  expect(diff).toMatch(/^[-+].*oqe:notes|```|~~~~/m);
});

function messageOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as Error).message;
  }
  return "";
}

test("a card of an earlier version has no markers, and no notes", () => {
  expect(notesOf(made.replace(`${start}\n${end}\n\n`, ""))).toBe(noNotes);
  expect(notesOf("")).toBe(noNotes);
});

test("markers in front matter and in names of others mean nothing", async () => {
  const odd = `${start}`;
  const hostile: Receipt = {
    ...receipt,
    base: { ...receipt.base, name: odd, inherited: { tags: [odd, end], licenseName: odd } },
    configNotes: [odd, end],
    warnings: [odd, `x ${end}`],
    unquantized: { [odd]: odd, [end]: end },
  };
  const notes = "\nMine.\n";
  const text = await renderCard(hostile, { notes });
  expect(text).toContain(`- ${start}\n`); // a tag
  expect(notesOf(text)).toBe(notes);
});

test("edits outside the markers are shown, without commands of the Actions log", () => {
  const text = withNotes("\nMine.\n")
    .replace("license: other", "license: mit\n::add-mask::x")
    .replace("## Use\n", "## Use\n\nUse my fork.\u001b[31m\n##[group]x\n");
  const edits = findEdits({ where: "cards/nano/oQ4e.md", text }, made);
  expect(edits).toContain("--- cards/nano/oQ4e.md\n+++ the card from the receipt\n");
  expect(edits).toMatch(/^-license: mit$/m);
  expect(edits).toMatch(/^-Use my fork\. \[31m$/m);
  expect(edits).not.toMatch(/Mine|##\[/);
  expect(edits).not.toContain("\u001b");
  const context = findEdits(
    { where: "x", text: `${made}\n::warning::x\nlast` },
    `${made}\n::warning::x\n`,
  );
  expect(context).not.toMatch(/^\s*::/m);
  const long = `${"y\n".repeat(500)}`;
  expect(findEdits({ where: "x", text: long }, made).split("\n").length).toBeLessThan(62);
});

test("in a GitHub repository links lead to the tier's folder of pictures, and to the Hub", async () => {
  const files = { ...receipt.files, LICENSE: { bytes: 1, sha256: "0".repeat(64) } };
  const inherited = { license: "other", licenseName: "x", licenseLink: "LICENSE" };
  const own = { ...receipt, files, base: { ...receipt.base, inherited } };
  const onHub = await renderCard(own);
  const onGitHub = await renderCard(own, { place: inRepository(own) });
  expect(onHub).toContain('<img src="oqe-bits.png"');
  expect(onHub).toContain("](LICENSE)");
  const file = `https://huggingface.co/${own.repository}/blob/main/LICENSE`;
  expect(onGitHub).toContain(`](${file})`);
  const relative = [...onGitHub.matchAll(/\]\((?!https?:|#)([^)]+)\)/g)].map(
    ([, target]) => target,
  );
  expect(relative).toEqual(["oQ4e/oqe-bits.svg"]);
});
