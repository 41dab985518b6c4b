import { type Document, parse, readJson } from "../ground/schema.ts";
import { requireContrast } from "../plan/sensitivity-check.ts";
import { type Sensitivity, sensitivitySchema } from "../plan/sensitivity-types.ts";

const document = (where: string): Document => ({
  where,
  code: "BAD_SENSITIVITY",
  hint:
    "The file was not written by this oqe-publisher, or was changed. " +
    "Make a new one with `oqe sensitivity`.",
});

/**
 * A sensitivity from its JSON text. Throws BAD_SENSITIVITY, naming the file `where` and the field,
 * if a field is wrong or the sensitivity gives no information (requireContrast). The caller
 * checks base and engine (requireOrigin).
 */
export function parseSensitivity(text: string, where: string): Sensitivity {
  const file = document(where);
  const sensitivity = parse(sensitivitySchema, readJson(text, file), file);
  requireContrast(sensitivity);
  return sensitivity;
}

/**
 * The sensitivity as JSON on one line. Throws BAD_SENSITIVITY for one that could not be read back.
 */
export function writeSensitivity(sensitivity: Sensitivity): string {
  const checked = parse(sensitivitySchema, sensitivity, document("the new sensitivity"));
  return `${JSON.stringify(checked)}\n`;
}
