import type { Dirent } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import type { Report } from "../ground/report.ts";
import { type Receipt, receiptPath } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";

/** A receipt and the folder that it was found in. */
export interface FoundReceipt {
  readonly receipt: Receipt;
  readonly folder: string;
}

/** Bytes of the largest receipt that is read; that of a model with 30 B parameters has 3 MB. */
const largest = 64e6;
/** Folders below a named one that are looked through. */
const deepest = 8;

/**
 * The receipts in and below some folders: `oqe-receipt.json` of a tier, or `<name>.receipt.json` as
 * a release has it. Hidden folders and links are left out. A receipt that cannot be read is a
 * warning, and the others are kept. Of two for one repository the first counts. Throws NOT_FOUND
 * if a folder is missing or none has a receipt, BAD_INPUT if all receipts are broken.
 */
export async function findReceipts(
  places: readonly string[],
  report: Pick<Report, "warn">,
): Promise<readonly FoundReceipt[]> {
  const paths = new Set((await Promise.all(places.map(receiptsBelow))).flat());
  if (paths.size === 0) {
    throw new OqeError(
      "NOT_FOUND",
      `no receipt (${receiptPath} or *.receipt.json) in ${places.join(", ")}`,
      "Name folders that `oqe quantize` or `oqe publish` wrote, or the receipts of a release.",
    );
  }
  const found = new Map<string, FoundReceipt & { readonly path: string; readonly text: string }>();
  for (const path of paths) {
    const read = await readOne(path).catch((error: unknown) => {
      if (!(error instanceof OqeError)) throw error;
      report.warn(`left out: ${error.message}`);
      return null;
    });
    if (read === null) continue;
    const first = found.get(read.receipt.repository);
    if (first === undefined) found.set(read.receipt.repository, { ...read, path });
    else if (first.text !== read.text)
      report.warn(`left out: ${path} differs from ${first.path}, of the same repository`);
  }
  if (found.size > 0) return [...found.values()];
  throw new OqeError(
    "BAD_INPUT",
    `none of ${paths.size} receipts can be read`,
    "The warnings above say why. Restore them from the repositories, or quantize again.",
  );
}

async function receiptsBelow(place: string): Promise<readonly string[]> {
  const path = resolve(place);
  const status = await stat(path).catch((cause: unknown) => {
    const hint = "Check the name of the folder.";
    throw new OqeError("NOT_FOUND", `${place} cannot be read: ${reasonOf(cause)}`, hint, cause);
  });
  return status.isDirectory() ? walk(path, deepest) : [path];
}

async function walk(folder: string, levels: number): Promise<readonly string[]> {
  const entries: Dirent[] = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const shown = entries
    .filter(({ name }) => !name.startsWith(".") && name !== "node_modules")
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const paths: string[] = [];
  for (const entry of shown) {
    const path = join(folder, entry.name);
    const isReceipt = entry.name === receiptPath || entry.name.endsWith(".receipt.json");
    if (entry.isFile() && isReceipt) paths.push(path);
    else if (entry.isDirectory() && levels > 0) paths.push(...(await walk(path, levels - 1)));
  }
  return paths;
}

async function readOne(path: string) {
  const unreadable = (reason: string, cause?: unknown) =>
    new OqeError("BAD_INPUT", `${path} cannot be read: ${reason}`, undefined, cause);
  const text = await stat(path)
    .then(({ size }) => {
      if (size > largest) throw unreadable(`${size} bytes are too many for a receipt`);
      return readFile(path, "utf8");
    })
    .catch((cause: unknown) => {
      throw cause instanceof OqeError ? cause : unreadable(reasonOf(cause), cause);
    });
  return { receipt: parseReceipt(text, path), folder: dirname(path), text };
}
