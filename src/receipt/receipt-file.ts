import * as v from "valibot";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import { agree, count, type Document, object, parse, readJson, version } from "../ground/schema.ts";
import { type Receipt, receiptSchema } from "./receipt.ts";
import { contradictions } from "./receipt-checks.ts";

const wholeReceipt = v.pipe(receiptSchema, agree(contradictions));
/** Fields that receipts of all formats have. */
const header = object({ format: count, engine: object({ version }) });

/**
 * Matches lists of numbers in indented JSON. It cannot match inside a string, because a JSON string
 * holds no line break.
 */
const numberList = /\[\n\s+[-+.\de]+(?:,\n\s+[-+.\de]+)*\n\s+\]/g;

const document = (where: string): Document => ({
  where,
  code: "BAD_INPUT",
  hint:
    "The receipt was not written by this oqe-publisher, or was changed. " +
    "Restore it from the repository, or quantize again.",
});

/**
 * A receipt from its JSON text. Throws BAD_INPUT, naming the file `where` and the field, for text
 * that is not JSON, for another format, and for values that no run writes.
 */
export function parseReceipt(text: string, where: string): Receipt {
  const value = readJson(text, document(where));
  requireFormat(value, where);
  return parse(wholeReceipt, value, document(where));
}

/**
 * Another format gets a message of its own: the receipt is sound, but this oqe-publisher cannot
 * read it.
 */
function requireFormat(value: unknown, where: string): void {
  const { success, output } = v.safeParse(header, value);
  if (!success || output.format === 1) return;
  const writer = `oqe-publisher ${output.engine.version}`;
  throw new OqeError(
    "BAD_INPUT",
    `${where}: field "format" is ${output.format}, written by ${writer}; ` +
      `oqe-publisher ${engine.version} reads format 1`,
    "Use the oqe-publisher that wrote it, or quantize again with this one.",
  );
}

/**
 * The receipt as text. Fields are in the order of its schema, keys of maps sorted. It is indented
 * by 2, with lists of numbers on one line and one newline at the end. Throws BAD_INPUT for a
 * receipt that could not be read back.
 */
export function writeReceipt(receipt: Receipt): string {
  const text = JSON.stringify(parse(wholeReceipt, receipt, document("the new receipt")), null, 2);
  const onOneLine = (list: string) =>
    list.replace(/(?<=\[)\s+|\s+(?=\])/g, "").replace(/\s+/g, " ");
  return `${text.replace(numberList, onOneLine)}\n`;
}
