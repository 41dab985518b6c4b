import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import { writeAside } from "../series/atomic-folder.ts";
import { generator, sitePage } from "./site-page.ts";
import { findReceipts } from "./site-receipts.ts";

export interface SiteOptions {
  /** File of the page, or a folder for its `index.html`. */
  readonly out: string;
  /** Links tiers to their folders on this machine, not to the Hub. */
  readonly isLocal: boolean;
}

export interface WrittenSite {
  readonly page: string;
  readonly tiers: number;
}

/**
 * Writes the series page of all receipts in and below some folders. Throws NOT_FOUND, BAD_INPUT,
 * and NOT_OURS if another file is in its place.
 */
export async function writeSite(
  folders: readonly string[],
  { out, isLocal }: SiteOptions,
  report: Pick<Report, "warn">,
): Promise<WrittenSite> {
  const page = await placeOf(out);
  await refuseForeignPage(page);
  const found = await findReceipts(folders, report);
  await writeAside(page, sitePage(found, { localFrom: isLocal ? dirname(page) : null }));
  return { page, tiers: found.length };
}

async function placeOf(out: string): Promise<string> {
  const path = resolve(out);
  const isFolder = await stat(path).then(
    (status) => status.isDirectory(),
    () => /[\\/]$/.test(out),
  );
  return isFolder ? join(path, "index.html") : path;
}

async function refuseForeignPage(page: string): Promise<void> {
  const text = await readFile(page, "utf8").catch(() => null);
  if (text === null || text === "" || text.includes(generator)) return;
  throw new OqeError(
    "NOT_OURS",
    `${page} exists, and oqe site did not write it`,
    "Name another file with --out.",
  );
}
