import { OqeError } from "../ground/errors.ts";
import { answers, readAnswer } from "./answers.ts";
import { isMade } from "./create.ts";
import { type Subject, strictFetch } from "./failure.ts";
import type { TagRequest } from "./hub-types.ts";
import { checkRepositoryId, checkRevision, printable } from "./names.ts";
import { authorization, type Transport } from "./transport.ts";
import { resolveRevision } from "./tree.ts";

/** Returns the tag's name if it can be one, else throws BAD_INPUT. */
export function checkTagName(tag: string): string {
  const isOther = /^refs\/|^HEAD$|^main$|^[0-9a-f]{40}$/i.test(tag);
  // git also allows names such as `v1;id`, which a shell or a workflow takes for something else.
  if (!isOther && /^[A-Za-z0-9_][\p{L}\p{N}._+@#=,/-]*$/u.test(tag)) return checkRevision(tag);
  throw new OqeError(
    "BAD_INPUT",
    `"${printable(tag)}" cannot be a tag on the Hub`,
    "Push a tag such as v1.2.0: letters, digits, dots and dashes.",
  );
}

/** The commit of a tag; null if the repository has no such tag. */
export async function readTag(
  transport: Transport,
  repository: string,
  tag: string,
): Promise<string | null> {
  const id = checkRepositoryId(repository);
  const name = checkTagName(tag);
  const subject = { id, right: "read" } as const;
  const response = await strictFetch(transport, subject)(
    `${transport.endpoint}/api/models/${id}/refs`,
    { headers: { accept: "application/json", ...authorization(transport) } },
  );
  const { tags } = await readAnswer(answers.refs, response, `the tags of ${id}`);
  if (!tags.some((one) => one.name === name)) return null;
  // An annotated tag has an object of its own. The name always leads to the commit.
  return (await resolveRevision(transport, { ...subject, revision: name })).commit;
}

/**
 * Tags a commit. Nothing is sent if it has the tag. A tag is a published version, so it never
 * moves: throws CONFLICT if it is on another commit.
 */
export async function tagRepository(
  transport: Transport,
  { repository, tag, commit }: TagRequest,
): Promise<"tagged" | "unchanged"> {
  const target: Subject & { id: string; branch: string } = {
    id: checkRepositoryId(repository),
    branch: "main",
    right: "write",
  };
  const before = await readTag(transport, repository, tag);
  if (before === commit) return "unchanged";
  if (before !== null) throw movedTag(repository, tag, { is: before, wanted: commit });
  const isNew = await isMade(transport, target, () =>
    strictFetch(transport, target)(
      `${transport.endpoint}/api/models/${target.id}/tag/${encodeURIComponent(commit)}`,
      {
        method: "POST",
        headers: { "Content-Type": "application/json", ...authorization(transport) },
        body: JSON.stringify({ tag }),
      },
    ),
  );
  if (isNew) return "tagged";
  // The answer was lost, or somebody else made it meanwhile.
  const now = await readTag(transport, repository, tag);
  if (now === commit) return "tagged";
  throw movedTag(repository, tag, { is: now ?? "no commit", wanted: commit });
}

/** A version that was published is asked for again, with other files. */
export function movedTag(
  repository: string,
  tag: string,
  { is, wanted }: { readonly is: string; readonly wanted: string },
): OqeError {
  return new OqeError(
    "CONFLICT",
    `${repository} has the tag ${tag} on ${is}; this run would put it on ${wanted}`,
    "A published version never moves. If the tag was moved on GitHub, push a new one, such as the " +
      "next version. If this is an old run, leave it.",
  );
}
