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
 * Makes or updates the one issue with this marker. The same text again writes nothing. If two runs
 * open it at once, that of the lower number stays. If a person closed it, the same cause leaves it
 * closed (`dismissed`); a new cause, or a failure after `closeIssue`, opens it again. Issues of
 * others are left alone.
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
      return keepFirst(github, text, data);
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

type Issue = Awaited<ReturnType<GitHub["rest"]["issues"]["listForRepo"]>>["data"][number];

/** GitHub lets two runs open the same issue. The one of the later run is closed again. */
async function keepFirst(
  github: GitHub,
  { marker, labels }: IssueText,
  made: Pick<Issue, "number" | "html_url">,
): Promise<IssueResult> {
  const { rest, at } = github;
  let first = made;
  for await (const issue of ownIssues(github, marker, { label: labels[0], state: "open" }))
    if (issue.number < first.number) first = issue;
  const { number, html_url: url } = first;
  if (number === made.number) return { outcome: "created", number, url };
  const body = `Another run opened #${number} about the same at the same time.`;
  await rest.issues.update({
    ...{ ...at, issue_number: made.number, body },
    ...{ state: "closed", state_reason: "not_planned" },
  });
  return { outcome: "unchanged", number, url };
}

/** The newest issue of ours with this marker, open ones first. */
async function findIssue(github: GitHub, marker: string, label: string): Promise<Issue | null> {
  let closed: Issue | null = null;
  for await (const issue of ownIssues(github, marker, { label, state: "all" })) {
    if (issue.state === "open") return issue;
    closed ??= issue;
  }
  return closed;
}

/** The issues of ours with this marker, newest first. */
async function* ownIssues(
  github: GitHub,
  marker: string,
  { label, state }: { readonly label: string; readonly state: "open" | "all" },
): AsyncGenerator<Issue> {
  const { rest, at, paginate } = github;
  const listed = { ...at, labels: label, state, per_page: 100 };
  for await (const { data } of paginate.iterator(rest.issues.listForRepo, listed)) {
    for (const issue of data)
      if (issue.pull_request === undefined && isMarked(issue.body, marker))
        if (await github.isOwn(issue.user)) yield issue;
  }
}
