import { readFile, writeFile } from "node:fs/promises";
import { beforeAll, describe, expect, test } from "vitest";
import { smallest } from "./support/models.ts";
import { story, verifyScene } from "./support/published-tier.ts";

const base = smallest.nemotron_h!;
const scene = verifyScene(base);
const chunks = 2;
let tier: string;
let receipt: {
  wikitextRows: object;
  evaluation: { wikitext: Record<string, number> & { rows: object } };
};

beforeAll(async () => {
  const paragraphs = story(5).split("\n\n");
  await writeFile(`${scene.folder}/wiki.test.raw`, paragraphs.map((one) => ` ${one} \n`).join(""));
  const made = await scene.oqe(
    ...["quantize", base, "--tiers", "oQ4e", "--policy", "oq", "--evaluation-samples", "1"],
    ...["--calibration-samples", "4", "--calibration-length", "32", "--out", scene.folder],
    ...["--wikitext", `${scene.folder}/wiki.test.raw`, "--wikitext-chunks", String(chunks)],
    "--json",
  );
  expect(made).toMatchObject({ code: 0 });
  tier = JSON.parse(made.stdout).folders[0];
  receipt = JSON.parse(await readFile(`${tier}/oqe-receipt.json`, "utf8"));
});

const wikitext = () => ["--wikitext", `${scene.folder}/wiki.test.raw`];
const verify = (...flags: string[]) => scene.oqe("verify", tier, "--base", base, ...flags);

describe("a tier with the text of WikiText-2", () => {
  test("has figures of chunks of 512 tokens, without the last position of each", () => {
    const { rows, ...figures } = receipt.evaluation.wikitext;
    expect(rows).toMatchObject({ source: "wiki.test.raw", samples: chunks, length: 512 });
    expect(receipt.wikitextRows).toMatchObject({ ...rows, tokens: chunks * 512 });
    expect(figures.positions).toBe(chunks * 511);
    expect(figures.meanKl).toBeGreaterThan(0);
    expect(figures.maxKl).toBeGreaterThanOrEqual(figures.p99Kl!);
    const ratio = figures.perplexity! / figures.basePerplexity!;
    expect(ratio).toBeCloseTo(figures.perplexityRatio!, 4);
  });

  test("has a row on its card, and commands that name the text", async () => {
    const card = await readFile(`${tier}/README.md`, "utf8");
    const nats = /^0\.0*\d{3}/.exec(String(receipt.evaluation.wikitext.meanKl))![0].slice(0, -1);
    expect(card).toMatch(new RegExp(`\\| Mean KL on WikiText-2, 512-token chunks \\| ${nats}`));
    expect(card).toContain("the first 2 chunks of wiki.test.raw, 1,022 positions");
    expect(card).toMatch(/ verify .* --wikitext \.\/wiki\.test\.raw$/m);
    expect(card).toMatch(/ quantize .* --wikitext \.\/wiki\.test\.raw --wikitext-chunks 2/);
  });

  test("is measured again by verify, to the same figures", async () => {
    const { code, stdout } = await verify(...wikitext(), "--json");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toEqual(receipt.evaluation);
    const told = await verify(...wikitext());
    expect(told.stdout).toMatch(/^WikiText-2 +0\.\d+/m);
    expect(told.stdout).toMatch(/Every file and every figure matches the receipt\.$/m);
  });

  test("without the text verify says that this row was not measured again", async () => {
    const { code, stdout, stderr } = await verify();
    expect(code).toBe(0);
    expect(stderr).toContain("name its text by --wikitext wiki.test.raw");
    expect(stdout).toContain("but WikiText-2 was not measured again");
  });

  test("a figure that was changed is found", async () => {
    const path = `${tier}/oqe-receipt.json`;
    const text = await readFile(path, "utf8");
    const { meanKl } = receipt.evaluation.wikitext;
    const at = text.lastIndexOf('"wikitext"');
    const wrong = text.slice(0, at) + text.slice(at).replace(String(meanKl), "0.5");
    await writeFile(path, wrong);
    const { code, stderr } = await verify(...wikitext());
    await writeFile(path, text);
    expect(code).not.toBe(0);
    expect(stderr).toContain(`meanKl on WikiText-2 is ${meanKl}, oqe-receipt.json says 0.5`);
  });

  test("its text may not be that of the calibration", async () => {
    const same = await scene.oqe(
      ...["quantize", base, "--tiers", "oQ4e", "--policy", "oq", "--evaluation-samples", "1"],
      ...["--calibration-samples", "4", "--calibration-length", "64", "--out", scene.folder],
      ...["--calibration", `${scene.folder}/calibration.txt`],
      ...["--wikitext", `${scene.folder}/calibration.txt`, "--overwrite"],
    );
    expect(same.stderr).toMatch(/wikitext: calibration\.txt shares passages with the calibration/);
  });
});
