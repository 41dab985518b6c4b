import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import { testedMlxLm, useFacts } from "./use-facts.ts";

test("the card names the release of mlx-lm that tests load", () => {
  const path = fileURLToPath(new URL("../../test/python/requirements.txt", import.meta.url));
  expect(readFileSync(path, "utf8")).toContain(`mlx-lm==${testedMlxLm}\n`);
});

test("each command gets the flags that it has", () => {
  const sampling = { temperature: 0.6, top_p: 0.95, top_k: 20, repetition_penalty: 1.1 };
  const facts = useFacts(nemotronReceipt("oQ4e", { usage: { sampling, prompt: null } }));
  expect(facts).toMatchObject({
    flags: " --temp 0.6 --top-p 0.95 --top-k 20",
    chatFlags: " --temp 0.6 --top-p 0.95",
    sampling: "temperature 0.6, top_p 0.95, top_k 20",
    hasTemplate: false,
  });
});

test("a prompt with a comment is not shown: it could hold the markers of notes", () => {
  const prompt = ["<!-- oqe:notes -->", "{prompt}"];
  const usage = { sampling: {}, prompt };
  expect(useFacts(nemotronReceipt("oQ4e", { usage })).prompt).toEqual([]);
  expect(useFacts(nemotronReceipt()).prompt).toHaveLength(3);
});
