import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { OqeError } from "../ground/errors.ts";
import { sha256Of } from "../hub/sums.ts";
import type { ReleaseFile } from "./release-notes.ts";

/** What a step prepared for the steps behind it. */
export interface Prepared {
  readonly tag: string;
  readonly files: readonly ReleaseFile[];
}

const noteOf = ({ tag, files }: Prepared) =>
  JSON.stringify({ tag, sha256: sha256Of(JSON.stringify(files)) });
const placeIn = (workDir: string) => join(workDir, "prepared-release.json");

/** Notes in the work folder which files were prepared, and may be attested now. */
export function notePrepared(workDir: string, prepared: Prepared): Promise<void> {
  return writeFile(placeIn(workDir), noteOf(prepared));
}

/**
 * Throws CONFLICT if other files were prepared for this tag: the Hub changed in between, and what
 * would be released is not what was attested. Without a note nothing was prepared.
 */
export async function requirePrepared(workDir: string, prepared: Prepared): Promise<void> {
  const note = await readFile(placeIn(workDir), "utf8").catch(() => null);
  if (note === null || note === noteOf(prepared)) return;
  if (!note.startsWith(`{"tag":${JSON.stringify(prepared.tag)},`)) return;
  throw new OqeError(
    "CONFLICT",
    `a tier on the Hub changed while the release ${prepared.tag} was prepared`,
    "Nothing was released. Run the job again: it prepares and attests what the Hub has now.",
  );
}
