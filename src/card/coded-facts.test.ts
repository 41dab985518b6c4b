import { expect, test } from "vitest";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import { renderCard } from "./render.ts";

test("a card names the tiers that are larger than a base of codes", async () => {
  const receipt = nemotronReceipt();
  const sizes = receipt.series.map(({ bytes }) => bytes).sort((a, b) => a - b);
  const model = { ...receipt.model, publishedBytes: sizes[0]! };
  const card = await renderCard({ ...receipt, model });
  const [line = ""] = card.split("\n").filter((one) => one.startsWith("- **Size of the base**"));
  expect(line).toMatch(/Smaller than that: oQ4e\. Larger: oQ8e, oQ6e, oQ5e;/);
  expect(await renderCard(receipt)).not.toContain("Size of the base");
});
