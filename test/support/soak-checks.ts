import { inspect } from "node:util";
import { OqeError } from "../../src/ground/errors.ts";
import type { LocalHub } from "../../src/local-hub/local-hub.ts";
import { strangersFile } from "../../src/local-hub/stranger.ts";

/** Path -> SHA-256 of what a run publishes, without what names its repository. */
export type Content = ReadonlyMap<string, string>;

/** Files whose bytes name the repository, so that they differ from job to job. */
const named = /^(README\.md|SHA256SUMS|oqe-receipt\.json|.*\.(svg|png))$/;

export function contentOf(files: ReturnType<LocalHub["files"]>): Content {
  const ours = [...files].filter(([path]) => path !== ".gitattributes");
  return new Map(ours.map(([path, { sha256 }]) => [path, sha256]));
}

/**
 * Every commit that main ever had shows nothing or one whole content, and no content came twice.
 * Returns whether somebody else committed to main.
 */
export function checkHistory(
  hub: LocalHub,
  repository: string,
  contents: readonly Content[],
): boolean {
  const seen = new Set<string>();
  let raced = false;
  for (const commit of hub.history(repository).toReversed()) {
    const files = new Map(contentOf(hub.files(repository, commit)));
    const theirs = files.get(strangersFile);
    raced ||= theirs !== undefined;
    const key = JSON.stringify([...files]);
    files.delete(strangersFile);
    if (files.size === 0) continue;
    if (seen.has(key)) throw new Error(`${repository} has the same content twice: ${commit}`);
    seen.add(key);
    const faults = contents.map((content) => differences(files, content));
    if (faults.every((fault) => fault.length > 0))
      throw new Error(`${repository}@${commit} is wrong: ${JSON.stringify(faults)}`);
  }
  return raced;
}

/** Paths that differ from the content. Those that name the repository only have to exist. */
function differences(files: Content, content: Content): string[] {
  const isTier = content.has("oqe-receipt.json");
  const paths = new Set([...files.keys(), ...content.keys()]);
  return [...paths].filter((path) => {
    const [found, wanted] = [files.get(path), content.get(path)];
    const both = found !== undefined && wanted !== undefined;
    return isTier && named.test(path) ? !both : found !== wanted;
  });
}

/** After a run that ended well, main has the content, and no unfinished work is left. */
export function checkEnd(hub: LocalHub, repository: string, content: Content): void {
  const wrong = differences(contentOf(hub.files(repository)), content);
  if (wrong.length > 0) throw new Error(`${repository} ended well, but main has not: ${wrong}`);
  if (hub.head(repository, "oqe-staging") !== null)
    throw new Error(`${repository} ended well and left its staging branch`);
}

/** A failure is a clear error, and neither it nor the log shows a secret. */
export function checkOutput(lines: readonly string[], failure: unknown, token: string): void {
  if (failure !== null && !(failure instanceof OqeError && failure.code !== "INTERNAL"))
    throw new Error("a run ended with something else than a clear error", { cause: failure });
  const said = [...lines, ...(failure === null ? [] : [failure.message, failure.hint])].join("\n");
  if (`${said}${inspect(failure, { depth: 8 })}`.includes(token) || /signature=/.test(said))
    throw new Error(`a secret is in the output: ${said}`);
}
