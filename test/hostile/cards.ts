import assert from "node:assert/strict";
import { describeChanges } from "../../src/card/card-changes.ts";
import { readFigures } from "../../src/card/machine-facts.ts";
import { cutCard, isBroken, placeNotes } from "../../src/card/notes.ts";
import { renderCard } from "../../src/card/render.ts";
import { parseResult } from "../../src/series/result-file.ts";
import { nemotronReceipt } from "../support/receipts.ts";
import { damageText, type Random } from "./damage.ts";
import { type Target, textOf, utf8 } from "./target.ts";

const lines = [
  ...["<!-- oqe:notes -->", "<!-- /oqe:notes -->", " <!-- oqe:notes -->", "<!--oqe:notes-->"],
  ...[
    "```",
    "~~~~",
    "````sh",
    "---",
    "\r",
    "::warning::x",
    "##[group]x",
    "<!-- oqe-publisher {} -->",
  ],
];

/** Puts some lines of people into a card, or takes some away. */
function damageCard(seed: Uint8Array, random: Random): Uint8Array {
  const text = textOf(seed).split("\n");
  for (let k = 0; k <= random(3); k++) {
    const at = random(text.length);
    if (random(3) === 0) text.splice(at, 1 + random(3));
    else text.splice(at, 0, lines[random(lines.length)]!);
  }
  return utf8(random(3) === 0 ? damageText(text.join("\n"), random) : text.join("\n"));
}

const card = await renderCard(nemotronReceipt(), { notes: "\nMine.\n\n```sh\nls\n```\n" });

const notes: Target = {
  name: "card with notes",
  seeds: [utf8(card)],
  damage: damageCard,
  codes: [],
  read: async (document) => {
    const text = textOf(document);
    readFigures(text);
    assert.doesNotMatch(describeChanges(["a", text], ["b", card]), /^\s*::|##\[|\r/m);
    const cut = cutCard(text);
    if (cut === null || isBroken(cut)) return false;
    assert.equal(cut.before + cut.notes + cut.after, text);
    const again = placeNotes(card, cut.notes);
    const found = cutCard(again);
    assert.ok(found !== null && !isBroken(found));
    assert.equal(found.notes, cut.notes);
    // Front matter and facts are those of the receipt, whatever people wrote.
    assert.equal(again.split("<!-- oqe:notes -->")[0], card.split("<!-- oqe:notes -->")[0]);
    assert.deepEqual(readFigures(again), readFigures(card));
    return true;
  },
};

const result: Target = {
  name: "result of a series",
  seeds: [
    utf8(
      JSON.stringify({
        ...{ format: 1, series: "nano", command: "seal", complete: false },
        base: { id: "org/Nano", revision: "c".repeat(40) },
        tiers: [
          {
            ...{ tier: "oQ4e", repository: "acme/Nano-oQ4e", outcome: "kept" },
            ...{ commit: null, url: "https://hub/acme/Nano-oQ4e" },
          },
        ],
        tables: [{ title: "worse", markdown: "| | |\n" }],
        failure: { code: "GATE", message: "worse", hint: "" },
      }),
    ),
  ],
  codes: ["BAD_INPUT"],
  read: async (document) => {
    const { series, tiers } = parseResult(textOf(document), "oqe-result-nano.json");
    for (const text of [series ?? "", ...tiers.map(({ repository }) => repository)])
      assert.doesNotMatch(text, /[\r\n]/);
    return true;
  },
};

/** Readers of what people edit in cards, and of what other jobs leave. */
export const cardTargets: readonly Target[] = [notes, result];
