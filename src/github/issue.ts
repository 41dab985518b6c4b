import type { GitHub } from "./client.ts";
import { digestOf, isMarked, plainTitle, sealedText, sealsOf } from "./sealed-text.ts";

export interface IssueText {
  readonly marker: string;
  readonly title: string;
  readonly body: string;
  /** The first one finds the issue again, so it must stay on it. */
  readonly labels: readonly [string, ...string[]];
  /**
   * What the failure is, without what differs from run to run (times, links). An issue that a
   * person closed is opened again only for another cause.
   */
  readonly cause: string;
}

export interface IssueResult {
  readonly outcome: "created" | "updated" | "reopened" | "unchanged" | "dismissed";
  readonly number: number;
  readonly url: string;
}

const permission = "issues: write";

/**
 * Seal of an issue that we closed. Who closed it does not tell: the token may be that of a person.
 */
const closedByUs = digestOf("closed");

/**
 * Makes or updates the one issue with this marker. The same text again writes nothing. If a person
 * closed it, the same cause leaves it closed (`dismissed`); a new cause, or a failure after
 * `closeIssue`, opens it again. Issues of others are left alone.
 */
export async function upsertIssue(github: GitHub, text: IssueText): Promise<IssueResult> {
  const { rest, at } = github;
  const title = plainTitle(text.title);
  const seals = { content: digestOf(title, text.body), cause: digestOf(text.cause) };
  const body = sealedText(text.marker, text.body, seals);
  return github.settle({ what: `open the issue "${title}"`, permission }, async () => {
    const found = await findIssue(github, text.marker, text.labels[0]);
    if (found === null) {
      const labels = [...text.labels];
      const { data } = await rest.issues.create({ ...at, title, body, labels });
      return { outcome: "created", number: data.number, url: data.html_url };
    }
    const { number, html_url: url } = found;
    const before = sealsOf(found.body);
    const isDismissed = found.state === "closed" && before.content !== closedByUs;
    if (isDismissed && before.cause === seals.cause) return { outcome: "dismissed", number, url };
    if (found.state === "open" && before.content === seals.content)
      return { outcome: "unchanged", number, url };
    await rest.issues.update({ ...at, issue_number: number, title, body, state: "open" });
    return { outcome: found.state === "open" ? "updated" : "reopened", number, url };
  });
}

/**
 * Closes the issue with this marker, and puts `words` (why) above its text, in one write. Gives its
 * number; null if there is none that is open.
 */
export async function closeIssue(
  github: GitHub,
  { marker, label }: { readonly marker: string; readonly label: string },
  words: string,
): Promise<number | null> {
  const { rest, at } = github;
  return github.settle({ what: "close the issue of a mended failure", permission }, async () => {
    const found = await findIssue(github, marker, label);
    if (found === null || found.state === "closed") return null;
    const said = (found.body ?? "").split(/\r?\n/).slice(1).join("\n");
    const old = said.replace(/\s*<!-- oqe-seal [^>]*-->\s*$/, "");
    const seals = { ...sealsOf(found.body), content: closedByUs };
    await rest.issues.update({
      ...{ ...at, issue_number: found.number },
      body: sealedText(marker, `${words.trim()}\n\n---\n\n${old}`, seals),
      ...{ state: "closed", state_reason: "completed" },
    });
    return found.number;
  });
}

/** The newest issue of ours with this marker, open ones first. */
async function findIssue(github: GitHub, marker: string, label: string) {
  const { rest, at, paginate } = github;
  const listed = { ...at, labels: label, state: "all", per_page: 100 } as const;
  let closed = null;
  for await (const { data } of paginate.iterator(rest.issues.listForRepo, listed)) {
    for (const issue of data) {
      if (issue.pull_request !== undefined || !isMarked(issue.body, marker)) continue;
      if (!(await github.isOwn(issue.user))) continue;
      if (issue.state === "open") return issue;
      closed ??= issue;
    }
  }
  return closed;
}
