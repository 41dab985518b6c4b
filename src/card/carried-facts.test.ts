import { describe, expect, test } from "vitest";
import { plainRow, row, section } from "../../test/support/markdown-tables.ts";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import type { CarriedPart } from "../models/carried.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { parseReceipt, writeReceipt } from "../receipt/receipt-file.ts";
import { frontMatter } from "./front-matter.ts";
import { renderCard } from "./render.ts";

const none = nemotronReceipt();

/** The receipt of a tier that carries parts of these sizes. */
function carrying(
  carried: Partial<Record<CarriedPart, number>>,
  leftOut: readonly CarriedPart[] = [],
): Receipt {
  const more = Object.values(carried).reduce((sum, bytes) => sum + bytes, 0);
  const grown = { carried, bytes: none.plan.bytes + more };
  const carry = Object.keys(carried) as CarriedPart[];
  return nemotronReceipt("oQ4e", {
    plan: { ...none.plan, ...grown },
    series: none.series.map((one) => ({ ...one, carried, bytes: one.bytes + more })),
    options: { ...none.options, carry, ...(leftOut.length > 0 && { leftOut: [...leftOut] }) },
    base: { ...none.base, inherited: { pipelineTag: "image-text-to-text" } },
  });
}

describe("the card of a tier with towers", () => {
  const receipt = carrying({ vision: 900e6, mtp: 1.5e9 });

  test("has a line for each part: size, readers, not evaluated", async () => {
    const card = await renderCard(receipt);
    expect(card).toContain(
      "- **Vision tower**: carried unquantized, 900.0 MB of every tier's size; not evaluated, not " +
        "in the bpw. mlx-vlm and apps that are built on it read it; mlx-lm skips it.\n" +
        "- **Multi-token prediction**: carried unquantized, 1.5 GB of every tier's size; not " +
        "evaluated, not in the bpw. It is in `mtp.safetensors`, with the base's names. mlx-lm and " +
        "mlx-vlm do not read this file.\n",
    );
    expect(card).toContain("mlx_vlm.generate --model acme/NVIDIA-Nemotron-3-Nano-30B-A3B-oQ4e --");
    expect(row(card, "Carried unquantized")[1]).toBe(
      "vision tower 900.0 MB, multi-token prediction 1.5 GB",
    );
  });

  test("counts them in GB, and not in the bpw", async () => {
    const card = await renderCard(receipt);
    const matrix = section(card, "Performance matrix");
    expect(row(matrix, "**oQ4e**").slice(3, 5)).toEqual(["4.70", "20.96"]);
  });

  test("names a Mac that holds what is loaded: no multi-token prediction", async () => {
    const macOf = async (one: Receipt) => plainRow(await renderCard(one), "**[oQ4e]")[2];
    expect(await macOf(none)).toBe("32 GB");
    expect(await macOf(carrying({ vision: 8e9 }))).toBe("36 GB");
    expect(await macOf(carrying({ mtp: 8e9 }))).toBe("32 GB");
  });

  test("keeps the base's task", () => {
    expect(frontMatter(receipt).pipeline_tag).toBe("image-text-to-text");
    expect(frontMatter(carrying({ mtp: 1e9 })).pipeline_tag).toBe("image-text-to-text");
  });
});

describe("the card of a tier without the base's tower", () => {
  const receipt = carrying({ mtp: 1e6 }, ["vision"]);

  test("says so, has no task for pictures, and no command for them", async () => {
    const card = await renderCard(receipt);
    expect(card).toContain("- **Vision tower**: the base has one, this tier does not.");
    expect(card).not.toContain("mlx_vlm");
    expect(card).toContain(" --carry mtp");
    expect(frontMatter(receipt).pipeline_tag).toBe("text-generation");
  });
});

test("a tier without such parts has no line about them", async () => {
  const card = await renderCard(none);
  expect(card).not.toMatch(/carried|mlx_vlm|--carry/i);
});

describe("a receipt is refused", () => {
  test.each<[what: string, change: (receipt: Receipt) => Receipt, where: RegExp]>([
    [
      "whose plan counts a part that its options do not name",
      (one) => ({ ...one, options: { ...one.options, carry: ["mtp"] } }),
      /plan.*carried/,
    ],
    [
      "that carries a part and leaves it out",
      (one) => ({ ...one, options: { ...one.options, leftOut: ["vision"] } }),
      /options.*leftOut/,
    ],
  ])("%s", (_, change, where) => {
    const receipt = carrying({ vision: 1e9, mtp: 1e9 });
    expect(parseReceipt(writeReceipt(receipt), "here")).toEqual(receipt);
    expect(() => parseReceipt(JSON.stringify(change(receipt)), "here")).toThrow(where);
  });
});
