import { createHash } from "node:crypto";

/**
 * A value as JSON on one line, with the SHA-256 of its text. So a record that was damaged, and
 * still is JSON, is not taken for what was written.
 */
export function writeSealed(value: unknown): string {
  const text = JSON.stringify(value);
  return `{"sha256":"${sha256Of(text)}","value":${text}}`;
}

/** The value of such a line; undefined for a text that `writeSealed` did not write. */
export function readSealed(line: string): unknown {
  try {
    const { sha256, value } = JSON.parse(line);
    return sha256 === sha256Of(JSON.stringify(value)) ? value : undefined;
  } catch {
    return undefined; // no JSON, nothing with fields, or nested too deeply
  }
}

function sha256Of(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
