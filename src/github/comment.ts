import type { GitHub } from "./client.ts";
import { digestOf, isMarked, sealedText, sealsOf } from "./sealed-text.ts";

export interface Upserted {
  readonly outcome: "created" | "updated" | "unchanged";
  /** The page that shows it. */
  readonly url: string;
}

/**
 * Makes or updates the one comment with this marker on a pull request. The same body again writes
 * nothing, even if a person edited the comment since. If two runs make it at once, one stays.
 * Comments of others are left alone, also those that quote the marker.
 */
export async function upsertComment(
  github: GitHub,
  pull: number,
  mark: string,
  body: string,
): Promise<Upserted> {
  const { rest, at } = github;
  const verb = {
    what: `comment on pull request ${pull}`,
    permission: "pull-requests: write",
  } as const;
  const seals = { content: digestOf(body) };
  const text = sealedText(mark, body, seals);
  return github.settle(verb, async () => {
    const found = await findComment(github, pull, mark);
    if (found === null) {
      const { data } = await rest.issues.createComment({ ...at, issue_number: pull, body: text });
      const first = await findComment(github, pull, mark);
      if (first === null || first.id === data.id) return { outcome: "created", url: data.html_url };
      // GitHub lets two runs make the same comment: the later run goes on with the first one.
      await rest.issues.deleteComment({ ...at, comment_id: data.id });
      return update(first);
    }
    return update(found);
  });

  async function update({ id, body, html_url: url }: Found): Promise<Upserted> {
    if (sealsOf(body).content === seals.content) return { outcome: "unchanged", url };
    await rest.issues.updateComment({ ...at, comment_id: id, body: text });
    return { outcome: "updated", url };
  }
}

type Found = NonNullable<Awaited<ReturnType<typeof findComment>>>;

/** The oldest comment of ours with this marker. */
async function findComment(github: GitHub, pull: number, mark: string) {
  const { rest, at, paginate } = github;
  const pages = paginate.iterator(rest.issues.listComments, {
    ...at,
    issue_number: pull,
    per_page: 100,
  });
  for await (const { data } of pages) {
    for (const comment of data)
      if (isMarked(comment.body, mark) && (await github.isOwn(comment.user))) return comment;
  }
  return null;
}
