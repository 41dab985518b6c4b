import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { tunedReceipt } from "../../test/support/receipts.ts";
import { drawPictures } from "../card/pictures.ts";
import { renderCard } from "../card/render.ts";
import { OqeError } from "../ground/errors.ts";
import { parseSums, sha256Of } from "../hub/sums.ts";
import { rewriteCard, writeCard } from "./card-files.ts";

let folder: string;
let warnings: string[];
const report = { warn: (line: string) => warnings.push(line) };
beforeEach(async () => {
  folder = await scratchFolder();
  warnings = [];
});
afterEach(() => removeFolder(folder));

test("card and pictures are written, and a picture of an earlier receipt is removed", async () => {
  for (const old of ["oqe-kl.svg", "oqe-kl.png", "oqe-kl-dark.png"])
    await writeFile(`${folder}/${old}`, "old");
  await writeCard(folder, { receipt: tunedReceipt() }, report);
  const names = ["README.md", "SHA256SUMS", "oqe-bits-dark.png", "oqe-bits.png", "oqe-bits.svg"];
  names.push("oqe-receipt.json");
  expect((await readdir(folder)).sort()).toEqual(names);
  expect(warnings).toEqual([]);
});

test("SHA256SUMS lists every other file, and is returned with its own hash", async () => {
  const { files } = tunedReceipt();
  const { sums } = await writeCard(folder, { receipt: tunedReceipt() }, report);
  const text = await readFile(`${folder}/SHA256SUMS`, "utf8");
  const listed = parseSums(text)!;
  expect(sums).toEqual(new Map([...listed, ["SHA256SUMS", sha256Of(text)]]));
  for (const [path, sha256] of listed) {
    const made = Object.hasOwn(files, path) ? null : await readFile(`${folder}/${path}`);
    expect(made === null ? files[path]!.sha256 : sha256Of(made)).toBe(sha256);
  }
  expect(listed.size).toBe(Object.keys(files).length + 5);
  await writeFile(`${folder}/README.md`, "lost");
  await rewriteCard(folder, report);
  expect(await readFile(`${folder}/SHA256SUMS`, "utf8")).toBe(text);
});

test("a picture that cannot be drawn is a warning, and its placeholder is written", async () => {
  const failure = "oqe-bits.svg: its content is not as expected";
  const draw = (receipt: Parameters<typeof drawPictures>[0]) =>
    drawPictures(receipt).map((picture) => ({ ...picture, svg: "<svg/>", failure }));
  await writeCard(folder, { receipt: tunedReceipt() }, report, { render: renderCard, draw });
  expect(await readFile(`${folder}/oqe-bits.svg`, "utf8")).toBe("<svg/>");
  expect(await readFile(`${folder}/README.md`, "utf8")).toContain("oqe-bits.png");
  expect(warnings).toEqual([expect.stringContaining(`a picture could not be drawn: ${failure}`)]);
});

test("a card that cannot be rendered is a warning, and a placeholder without a figure", async () => {
  const render = () => Promise.reject(new OqeError("TEMPLATE", "model-card.md.jinja:3: broken"));
  await writeCard(folder, { receipt: tunedReceipt() }, report, { render, draw: drawPictures });
  const card = await readFile(`${folder}/README.md`, "utf8");
  expect(card).toContain(`# ${tunedReceipt().name}`);
  expect(card).not.toMatch(/bpw|KL|GB/);
  expect(warnings).toEqual([
    expect.stringMatching(/^the card of .* could not be made: model-card/),
  ]);
});

test("a card that is made again keeps its notes, and one with broken markers is left alone", async () => {
  await writeCard(folder, { receipt: tunedReceipt(), notes: "\nMine.\n" }, report);
  const path = `${folder}/README.md`;
  const card = await readFile(path, "utf8");
  expect(card).toContain("<!-- oqe:notes -->\nMine.\n<!-- /oqe:notes -->\n");
  await writeFile(path, card.replace("Mine.", "Better.").replace("## Use", "## How"));
  await rewriteCard(folder, report);
  expect(await readFile(path, "utf8")).toBe(card.replace("Mine.", "Better."));
  const sums = parseSums(await readFile(`${folder}/SHA256SUMS`, "utf8"))!;
  expect(sums.get("README.md")).toBe(sha256Of(await readFile(path, "utf8")));

  const broken = card.replace("<!-- /oqe:notes -->", "");
  await writeFile(path, broken);
  await expect(rewriteCard(folder, report)).rejects.toMatchObject({
    code: "BAD_INPUT",
    message: expect.stringMatching(/README\.md is not overwritten[\s\S]*^\+<!-- \/oqe:notes -->$/m),
  });
  expect(await readFile(path, "utf8")).toBe(broken);
  await rm(path);
  await rewriteCard(folder, report);
  expect(await readFile(path, "utf8")).toContain("<!-- oqe:notes -->\n<!-- /oqe:notes -->\n");
});

test("a placeholder keeps the notes too", async () => {
  const render = () => Promise.reject(new OqeError("TEMPLATE", "model-card.md.jinja:3: broken"));
  const tier = { receipt: tunedReceipt(), notes: "\nMine.\n" };
  await writeCard(folder, tier, report, { render, draw: drawPictures });
  expect(await readFile(`${folder}/README.md`, "utf8")).toContain(
    "<!-- oqe:notes -->\nMine.\n<!-- /oqe:notes -->",
  );
});
