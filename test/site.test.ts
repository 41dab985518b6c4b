import { mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Receipt } from "../src/receipt/receipt.ts";
import { receiptPath } from "../src/receipt/receipt.ts";
import { writeReceipt } from "../src/receipt/receipt-file.ts";
import { sitePage } from "../src/site/site-page.ts";
import { writeSite } from "../src/site/write-site.ts";
import { browser, type Scheme } from "./support/browser.ts";
import { measuredSeries, smallSeries } from "./support/measured-receipts.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { oddReceipts } from "./support/odd-receipts.ts";
import { lookAtSite } from "./support/site-look.ts";

const inCi = process.env.CI === "true";
const evil = '"><script>window.wasRun=1</script><img src=x onerror=window.wasRun=1>';

const small = smallSeries.map((receipt) => named(receipt, "Small-2.0"));
const hostile: Receipt = {
  ...named(measuredSeries[0]!, "evil"),
  ...{ name: `evil ${evil.replaceAll("/", "")}`, repository: `evil ${evil.replaceAll("/", "")}` },
  plan: { ...measuredSeries[0]!.plan, tier: evil },
};
const all = [
  ...measuredSeries,
  ...small,
  hostile,
  named(oddReceipts["a receipt without proof"]!, "unproven"),
  named(oddReceipts["a tier that failed its gate"]!, "failed"),
  oddReceipts["a name of 96 characters"]!,
  oddReceipts["a right-to-left name"]!,
];
const pageOf = (receipts: readonly Receipt[]) =>
  sitePage(
    receipts.map((receipt) => ({ receipt, folder: "/tiers" })),
    { localFrom: null },
  );

/** The same figures under another name of the model. */
function named(receipt: Receipt, model: string): Receipt {
  const name = `${model}-${receipt.plan.tier}`;
  return { ...receipt, name, repository: `acme/${name}` };
}

let folder: string;
const warnings: string[] = [];
const report = { warn: (line: string) => void warnings.push(line) };

async function put(place: string, text: string | Receipt, name: string = receiptPath) {
  await mkdir(join(folder, place), { recursive: true });
  const content = typeof text === "string" ? text : writeReceipt(text);
  await writeFile(join(folder, place, name), content);
}

beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

test("the page names the programs that load the tiers", () => {
  const [one, two] = measuredSeries as [Receipt, Receipt];
  const forVlm: Receipt = { ...two, options: { ...two.options, loader: "mlx-vlm" } };
  expect(pageOf([one])).toContain("of 1 model, for mlx-lm on Macs");
  expect(pageOf([forVlm])).toContain("of 1 model, for mlx-vlm on Macs");
  expect(pageOf([one, forVlm])).toContain("of 1 model, for mlx-lm and mlx-vlm on Macs");
});

describe("oqe site", () => {
  const write = (places: readonly string[], out: string, isLocal = false) => {
    warnings.length = 0;
    const folders = places.map((place) => join(folder, place));
    return writeSite(folders, { out: join(folder, out), isLocal }, report);
  };

  test("finds receipts in folders, below them, and those of a release", async () => {
    await put("tiers/a", measuredSeries[0]!);
    await put("tiers/deep/er/b", measuredSeries[1]!);
    await put("tiers/.c.partial/files", measuredSeries[3]!);
    await put("release", measuredSeries[2]!, "m-oQ5e.receipt.json");
    await symlink(folder, join(folder, "tiers/loop"));
    const { page, tiers } = await write(["tiers", "release"], "found/");
    expect({ page, tiers, warnings }).toEqual({
      ...{ page: join(folder, "found/index.html"), tiers: 3 },
      warnings: [],
    });
    const text = await readFile(page, "utf8");
    for (const { repository } of measuredSeries.slice(0, 3))
      expect(text).toContain(`href="https://huggingface.co/${repository}"`);
    expect(text).not.toContain(`href="https://huggingface.co/${measuredSeries[3]!.repository}"`);
    const again = await write(["tiers", "release"], "found/");
    expect(await readFile(again.page, "utf8")).toBe(text);
  });

  test("names broken receipts, and a second one of a repository, and keeps the others", async () => {
    await put("mixed/a", small[0]!);
    await put("mixed/b", "{ not JSON");
    await put("mixed/c", "{}");
    await put("mixed/d", small[0]!);
    await put("mixed/e", { ...small[0]!, warnings: ["another"] });
    const { tiers } = await write(["mixed"], "mixed.html");
    expect(tiers).toBe(1);
    expect(warnings.map((line) => /mixed\/(\w)\/oqe-receipt/.exec(line)?.[1])).toEqual([
      ...["b", "c", "e"],
    ]);
  });

  test("refuses folders without receipts, missing ones, broken ones and another's file", async () => {
    await put("empty", "text", "notes.txt");
    await put("broken", "{}");
    await put("theirs", "<!doctype html><title>mine</title>", "index.html");
    const rejected = (places: readonly string[], out = "none.html") =>
      expect(write(places, out)).rejects;
    await rejected(["empty"]).toMatchObject({ code: "NOT_FOUND", message: /no receipt/ });
    await rejected(["gone"]).toMatchObject({ code: "NOT_FOUND", message: /gone/ });
    await rejected(["broken"]).toMatchObject({ code: "BAD_INPUT" });
    await rejected(["tiers"], "theirs/index.html").toMatchObject({ code: "NOT_OURS" });
    await expect(readFile(join(folder, "none.html"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("links tiers to their folders if asked", async () => {
    await put("with space/t#1", small[0]!);
    const { page } = await write(["with space"], "local/index.html", true);
    const text = await readFile(page, "utf8");
    expect(text).toContain('href="./../with%20space/t%231/"');
    expect(text).not.toContain("huggingface.co");
  });
});

describe("the page", () => {
  test("escapes what is on a receipt, and turns no text around", () => {
    const page = pageOf(all);
    expect(page.match(/<script/g)).toHaveLength(1);
    expect(page).not.toMatch(/<img|[\u202a-\u202e\u2066-\u2069]/);
    const bare = page.replace(/"[^"]*"/g, '""');
    expect(bare).not.toMatch(/<[^>]*\s(src|srcset|on\w+)=|url\(|@import/);
  });

  test("has one row a tier, and one for what stock tools make of each base", () => {
    const page = pageOf(measuredSeries);
    expect(page.match(/<tr>/g)).toHaveLength(measuredSeries.length + 1);
    expect(page.match(/<tr class="stock">/g)).toHaveLength(1);
    expect(page).toContain("<h1>oQe series of acme</h1>");
    expect(page).toContain("4 tiers of 1 model,");
  });

  test("has no link to a tier that is held back, and no picture without figures", () => {
    const failed = pageOf([oddReceipts["a tier that failed its gate"]!]);
    expect(failed).toContain("held back");
    expect(failed).not.toMatch(/href="https:\/\/huggingface\.co\/acme/);
    const page = pageOf([oddReceipts["a receipt without proof"]!]);
    expect(page).not.toContain("<svg");
    expect(page).toContain("not measured");
  });
});

describe.skipIf(browser === null && !inCi)("in a browser (absent? .ci/toolchain browser)", () => {
  const sets: Readonly<Record<string, readonly Receipt[]>> = {
    "all receipts": all,
    "one receipt": [small[0]!],
  };
  const views = Object.keys(sets).flatMap((name) =>
    [360, 980].flatMap((width) =>
      (["light", "dark"] as const).map((scheme): [string, number, Scheme] => [name, width, scheme]),
    ),
  );

  test.each(views)("%s fits %i pixels, %s", async (name, width, scheme) => {
    const look = await lookAtSite(pageOf(sets[name]!), { width, scheme });
    const { scrolls, clipped, faint, requests, ran } = look;
    expect({ scrolls, clipped, faint, requests, ran }).toEqual({
      ...{ scrolls: false, clipped: [], faint: [], requests: [], ran: false },
    });
    expect(look.texts).toBeGreaterThan(40);
  });

  test("a click on a head sorts, a second one the other way", async () => {
    const [size, top] = [2, 5];
    const view = { width: 980, scheme: "light" } as const;
    const { orders } = await lookAtSite(pageOf(measuredSeries), view, [size, size, top]);
    const [start, up, down, best] = orders;
    expect(start).toEqual(["oQ8e", "oQ6e", "oQ5e", "oQ4e", "stock 4-bit"]);
    expect(up).toEqual([...start!].reverse());
    expect(down).toEqual(start);
    expect(best).toEqual(start);
  });

  test("what has no value is last, both ways", async () => {
    const receipts = [small[0]!, named(oddReceipts["a receipt without proof"]!, "unproven")];
    const view = { width: 980, scheme: "light" } as const;
    const { orders } = await lookAtSite(pageOf(receipts), view, [4, 4]);
    expect(orders.slice(1).map((order) => order.at(-1))).toEqual(["oQ4e", "oQ4e"]);
  });

  test("the checks find what is wrong", async () => {
    const wrong = pageOf([small[0]!])
      .replace(
        "</main>",
        '<p style="width:2000px;color:#777;background:#888">wide and faint</p></main>',
      )
      .replace(/<meta http-equiv[^>]*>/, "<script>window.wasRun = 1</script>");
    const look = await lookAtSite(wrong, { width: 360, scheme: "light" });
    expect(look).toMatchObject({ scrolls: true, ran: true });
    expect(look.faint).toHaveLength(1);
  });
});
