import { createBranch as askForBranch, deleteBranch } from "@huggingface/hub";
import { OqeError } from "../ground/errors.ts";
import { answers, readAnswer } from "./answers.ts";
import type { Main } from "./compare.ts";
import { isMade } from "./create.ts";
import { adopt, strictFetch } from "./failure.ts";
import type { Branch } from "./hub-types.ts";
import { readHead } from "./inspect.ts";
import { checkRepositoryId, checkRevision, printable } from "./names.ts";
import { remoteRepository } from "./pull.ts";
import type { UploadTarget } from "./stage.ts";
import { authorization, credentials, type Transport } from "./transport.ts";

/** A branch beside main as the target of commits. Throws BAD_INPUT for an illegal name. */
export function branchTarget(repository: string, branch: string): UploadTarget {
  const id = checkRepositoryId(repository);
  if (checkRevision(branch) !== "main" && !branch.startsWith("refs/"))
    return { id, branch, right: "write" };
  throw new OqeError(
    "BAD_INPUT",
    `"${branch}" of ${id} cannot be a branch for unfinished work`,
    "Give another name: main is for finished work, and refs/ is the Hub's own.",
  );
}

/** Head and files of a branch; null if there is no such repository or branch. */
export async function readBranch(
  transport: Transport,
  repository: string,
  branch: string,
): Promise<Branch | null> {
  const { id } = branchTarget(repository, branch);
  const head = await readHead(transport, { id, revision: branch, right: "read" });
  if (head === null) return null;
  const content = remoteRepository(transport, id, head.head, head.tree);
  return { commit: head.head, files: head.tree, content };
}

/** Makes the branch at a commit. True if this call made it; false if there is one already. */
export function createBranch(
  transport: Transport,
  target: UploadTarget,
  start: string,
): Promise<boolean> {
  return isMade(transport, target, () =>
    askForBranch({
      repo: { type: "model", name: target.id },
      branch: target.branch,
      revision: start,
      hubUrl: transport.endpoint,
      fetch: strictFetch(transport, target),
      ...(credentials(transport) as { accessToken: string }),
    }),
  );
}

/** Removes a branch. Nothing happens if there is none, so a repeated call does no harm. */
export async function removeBranch(
  transport: Transport,
  repository: string,
  branch: string,
): Promise<void> {
  const target = branchTarget(repository, branch);
  try {
    await deleteBranch({
      repo: { type: "model", name: target.id },
      branch,
      hubUrl: transport.endpoint,
      fetch: strictFetch(transport, target),
      ...(credentials(transport) as { accessToken: string }),
    });
  } catch (failure) {
    const known = adopt(transport, target, failure);
    // A lost answer is followed by "no such branch", for which Hubs have different statuses.
    const subject = { id: target.id, revision: branch, right: "write" } as const;
    const left = await readHead(transport, subject).catch(() => "unknown");
    if (left !== null) throw known;
  }
}

/** Title and author of a branch's last commit, for messages; empty if the Hub does not say. */
export async function describeHead(transport: Transport, target: UploadTarget): Promise<string> {
  const { id, branch } = target;
  try {
    const response = await strictFetch(transport, target)(
      `${transport.endpoint}/api/models/${id}/commits/${encodeURIComponent(branch)}?limit=1`,
      { headers: { accept: "application/json", ...authorization(transport) } },
    );
    const [last] = await readAnswer(answers.commits, response, `the commits of ${id}@${branch}`);
    if (last === undefined) return "";
    const authors = last.authors.map(({ user }) => user).join(", ");
    return ` ("${printable(last.title, 80)}" by ${printable(authors, 80)})`;
  } catch {
    return "";
  }
}

/** Main, or a branch, has another head than this run knows: CONFLICT that names what and who. */
export async function movedBranch(
  transport: Transport,
  target: UploadTarget,
  { expected, head }: { readonly expected: string; readonly head: Main | null },
): Promise<OqeError> {
  const is =
    head === null ? "is gone" : `is at ${head.head}${await describeHead(transport, target)}`;
  return new OqeError(
    "CONFLICT",
    `Somebody else changed ${target.id}@${target.branch}: it was at ${expected} and ${is}`,
    "Another run may stage its work there. Let it finish, then run again.",
  );
}
