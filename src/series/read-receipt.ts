import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { type Receipt, receiptPath } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";

/** Reads the receipt of a finished folder. Throws NOT_FOUND, BAD_INPUT. */
export async function readReceipt(folder: string): Promise<Receipt> {
  const path = join(folder, receiptPath);
  const text = await readFile(path, "utf8").catch((cause) => {
    throw new OqeError(
      "NOT_FOUND",
      `${path} cannot be read: ${reasonOf(cause)}`,
      "Name a folder that `oqe quantize` or `oqe publish` wrote.",
      cause,
    );
  });
  return parseReceipt(text, path);
}
