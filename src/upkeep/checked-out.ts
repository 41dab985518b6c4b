import { lstat, readFile } from "node:fs/promises";
import { join } from "node:path";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { printable } from "../hub/names.ts";

/** A card has some ten kilobytes, and what people write in it. */
const largest = 4 << 20;

/**
 * A text file of the repository that the workflow checked out; null if there is none. Throws
 * BAD_INPUT for a link (it could lead to any file of the runner), for a large file, and for one
 * that is not UTF-8.
 */
export async function readCheckedOut(
  root: string,
  path: string,
  kind = "a card",
): Promise<string | null> {
  const refuse = (what: string) =>
    new OqeError("BAD_INPUT", `${printable(path)} is not ${kind}: ${what}`, "Restore the file.");
  let at = root;
  const names = path.split("/");
  for (const [i, name] of names.entries()) {
    at = join(at, name);
    const found = await lstat(at).catch(() => null);
    if (found === null) return null;
    const isLast = i === names.length - 1;
    if (!(isLast ? found.isFile() : found.isDirectory()))
      throw refuse(`${names.slice(0, i + 1).join("/")} is no plain ${isLast ? "file" : "folder"}`);
    if (isLast && found.size > largest) throw refuse(`it has ${found.size} bytes`);
  }
  const bytes = await readFile(at).catch((error) => {
    throw refuse(reasonOf(error));
  });
  return decodeCard(bytes, path, kind === "a card" ? undefined : "");
}

/** The text of a card's bytes. Throws BAD_INPUT for bytes that are not UTF-8. */
export function decodeCard(
  bytes: Uint8Array,
  path: string,
  so = ", so its notes cannot be kept",
): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    const what = `${printable(path)} is not UTF-8${so}`;
    throw new OqeError("BAD_INPUT", what, "Save it as UTF-8.");
  }
}
