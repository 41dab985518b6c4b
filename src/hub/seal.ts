import { answers, readAnswer } from "./answers.ts";
import { strictFetch } from "./failure.ts";
import { type HashedFile, type LocalFile, readWhole } from "./folder.ts";
import type { UploadTarget } from "./stage.ts";
import { authorization, type Transport } from "./transport.ts";

/** The changes of one commit. */
export interface Change {
  readonly title: string;
  readonly description: string;
  /** Commit that the branch must still be at; otherwise the Hub answers 412. */
  readonly parent: string;
  /** Files that are in the Hub's storage already. The commit names them by SHA-256. */
  readonly staged: readonly HashedFile[];
  /** Small files, sent inside the commit. */
  readonly inline: readonly LocalFile[];
  readonly deleted: readonly string[];
  /**
   * Whether the commit opens a pull request in place of moving the branch. Then the request is sent
   * once only: a second one would open a second pull request.
   */
  readonly opens?: boolean;
}

/**
 * Commits to the target's branch and returns the commit. The request is newline-delimited JSON:
 * header, files, deletions. It may be repeated: after a lost answer the branch has moved, and a
 * second commit is refused.
 */
export async function seal(
  transport: Transport,
  target: UploadTarget,
  change: Change,
): Promise<string> {
  const inline = change.inline.map(async (file) => ({
    key: "file",
    value: {
      path: file.path,
      content: (await readWhole(file)).toString("base64"),
      encoding: "base64",
    },
  }));
  const lines = [
    {
      key: "header",
      value: {
        summary: change.title,
        description: change.description,
        parentCommit: change.parent,
      },
    },
    ...(await Promise.all(inline)),
    ...change.staged.map(({ path, size, sha256 }) => ({
      key: "lfsFile",
      value: { path, algo: "sha256", size, oid: sha256 },
    })),
    ...change.deleted.map((path) => ({ key: "deletedFile", value: { path } })),
  ];
  const { opens = false } = change;
  const text = lines.map((line) => JSON.stringify(line)).join("\n");
  const at = `${transport.endpoint}/api/models/${target.id}/commit`;
  const response = await strictFetch(transport, target)(
    `${at}/${encodeURIComponent(target.branch)}${opens ? "?create_pr=1" : ""}`,
    {
      method: "POST",
      headers: { "Content-Type": "application/x-ndjson", ...authorization(transport) },
      // A stream is not sent again (`isReplayable`).
      ...(opens ? { body: new Blob([text]).stream(), duplex: "half" } : { body: text }),
    } as RequestInit,
  );
  return (await readAnswer(answers.commit, response, `the commit to ${target.id}`)).commitOid;
}
