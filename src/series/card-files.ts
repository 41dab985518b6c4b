import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readNotes } from "../card/kept-notes.ts";
import { pictureFilePaths, pictureFiles } from "../card/picture-files.ts";
import { type CardPicture, drawPictures } from "../card/pictures.ts";
import { placeholderCard, renderCard } from "../card/render.ts";
import { decorate } from "../ground/decoration.ts";
import { onDisk } from "../ground/disk.ts";
import type { Report } from "../ground/report.ts";
import { type Sums, sha256Of, sumsPath, writeSums } from "../hub/sums.ts";
import { type Receipt, receiptPath } from "../receipt/receipt.ts";
import { parseReceipt, writeReceipt } from "../receipt/receipt-file.ts";
import { blankEvaluation, blankTuning, completeReceipt, type Recipe } from "../receipt/recipe.ts";
import { readReceipt } from "./read-receipt.ts";

/**
 * The card before anything is measured. Fails here, before hours of work, if receipt or template
 * would fail later. Throws TEMPLATE, BAD_INPUT.
 */
export async function rehearseCard(recipe: Recipe): Promise<string> {
  const unmeasured = {
    ...{ files: {}, weightError: { relative: 0 }, warnings: [] },
    verifiedBase: recipe.base.id === null ? null : { shards: 0, bytes: 0 },
  };
  const blank = { ...unmeasured, tuning: blankTuning(recipe), evaluation: blankEvaluation(recipe) };
  const receipt = completeReceipt(recipe, blank);
  return renderCard(parseReceipt(writeReceipt(receipt), receipt.name));
}

interface CardFiles {
  readonly receipt: Receipt;
  readonly card: string;
  readonly pictures: readonly CardPicture[];
}

/** A tier that is finished, and every file of its folder with its SHA-256. */
export interface MadeTier {
  readonly receipt: Receipt;
  readonly sums: Sums;
}

export function receiptsOf(made: readonly MadeTier[]): readonly Receipt[] {
  return made.map(({ receipt }) => receipt);
}

/** How card and pictures are made. Tests pass others. */
const making = { render: renderCard, draw: drawPictures };

/**
 * Renders card and pictures of a finished folder again, and lists them in SHA256SUMS; gives the
 * card's path. Keeps what people wrote between the card's markers. Throws TEMPLATE, BAD_INPUT.
 */
export async function rewriteCard(folder: string, report: Pick<Report, "warn">): Promise<string> {
  const receipt = await readReceipt(folder);
  const pictures = drawPictures(receipt);
  const path = join(folder, "README.md");
  const made = await renderCard(receipt, { pictures });
  const notes = readNotes(
    { where: path, text: await readFile(path, "utf8").catch(() => "") },
    made,
  );
  const card = await renderCard(receipt, { pictures, notes });
  await writeFiles(folder, { receipt, card, pictures }, report);
  return path;
}

/**
 * Finishes the folder of a tier that was just made: writes receipt, card, pictures and SHA256SUMS.
 * What cannot be made is a placeholder and a warning: the weights took hours. `notes`: what people
 * wrote in the card that this one replaces.
 */
export async function writeCard(
  folder: string,
  { receipt: made, notes }: { readonly receipt: Receipt; readonly notes?: string | undefined },
  report: Pick<Report, "warn">,
  { render, draw } = making,
): Promise<MadeTier> {
  // As it reads back: the keys of its maps are sorted, and pictures depend on their order.
  const receipt = parseReceipt(writeReceipt(made), made.name);
  const pictures = draw(receipt);
  const card = await decorate(report, {
    what: `the card of ${receipt.name}`,
    make: () => render(receipt, { pictures, ...(notes !== undefined && { notes }) }),
    placeholder: placeholderCard(receipt, notes),
  });
  return { receipt, sums: await writeFiles(folder, { receipt, card, pictures }, report) };
}

/** Removes pictures that the receipt has no figures for. */
async function writeFiles(
  folder: string,
  { receipt, card, pictures }: CardFiles,
  report: Pick<Report, "warn">,
): Promise<Sums> {
  const drawn = await pictureFiles(pictures);
  for (const failure of drawn.failures)
    report.warn(`${receipt.name}: a picture could not be drawn: ${failure}`);
  const made: Readonly<Record<string, string | Uint8Array>> = {
    [receiptPath]: writeReceipt(receipt),
    "README.md": card,
    ...Object.fromEntries(drawn.files),
  };
  const listed = Object.entries(receipt.files).map(([path, { sha256 }]) => [path, sha256] as const);
  const hashed = Object.entries(made).map(([path, content]) => [path, sha256Of(content)] as const);
  const text = writeSums(new Map([...listed, ...hashed]));
  const files = { ...made, [sumsPath]: text };
  const size = Object.values(files).reduce((sum, content) => sum + Buffer.byteLength(content), 0);
  await onDisk(folder, size, async () => {
    for (const path of pictureFilePaths)
      if (!Object.hasOwn(files, path)) await rm(join(folder, path), { force: true });
    for (const [path, content] of Object.entries(files))
      await writeFile(join(folder, path), content);
  });
  return new Map([...listed, ...hashed, [sumsPath, sha256Of(text)]]);
}
