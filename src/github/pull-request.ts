import type { GitHub } from "./client.ts";
import { type BranchFiles, commitFiles, isNew } from "./commit.ts";
import { digestOf, isMarked, plainTitle, resealed, sealedText, sealsOf } from "./sealed-text.ts";

export interface PullRequestText {
  readonly branch: string;
  readonly base: string;
  readonly marker: string;
  readonly title: string;
  readonly body: string;
  /** The body without addresses that name a commit: the same words are not written again. */
  readonly words: string;
  readonly labels: readonly string[];
  /** Hash of what is proposed. A closed pull request is not opened again for the same. */
  readonly content: string;
  /** Page where a person can open it. */
  readonly byHand: string;
}

/** Files for a branch, and the pull request that proposes them. */
export interface Proposal
  extends BranchFiles,
    Omit<PullRequestText, "body" | "words" | "branch" | "base"> {
  /** The text of the pull request, for the commit that its addresses name. */
  readonly body: (commit: string) => Promise<string>;
}

export interface PullRequestResult {
  /**
   * `declined`: a person closed the pull request with the same content, and it stays closed.
   * `theirs`: the branch has a pull request of a person, whose text is left alone.
   * `nothing`: the base has everything already; an open pull request of ours was closed.
   */
  readonly outcome: "created" | "updated" | "unchanged" | "declined" | "theirs" | "nothing";
  readonly number: number | null;
  readonly url: string | null;
  /** Commits of people on the branch, which are kept. */
  readonly kept: number;
}

const permission = "pull-requests: write";

/** Who a job's own token is. */
const jobLogin = "github-actions[bot]";

const noChecks = (number: number) =>
  `GitHub starts no checks on pull request ${number}, because a job's own token opened it. Close ` +
  "and reopen it by hand to start them, or give series.yml the secrets app-client-id and " +
  "app-private-key of a GitHub App, or github-token of a person.";

/**
 * Proposes files in the one pull request of a branch: commits them and makes or updates the pull
 * request. The same files again write nothing. If GitHub lets no pull request be opened, the branch
 * stays, and the failure names the page where a person can open it.
 */
export async function proposeFiles(
  github: GitHub,
  { message, files, seen, body, ...text }: Proposal,
): Promise<PullRequestResult> {
  const at = { branch: text.branch, base: text.base };
  const wanted = { ...at, files, message, ...(seen !== undefined && { seen }) };
  if (!(await isNew(github, wanted))) return withdraw(github, text);
  const declined = await findDeclined(github, text);
  if (declined !== null) return declined;
  const words = await body(""); // before the first write: a template may be broken
  const { commit, kept } = await commitFiles(github, wanted);
  if (commit === null) return withdraw(github, text); // meanwhile the base has the files
  const full = { ...text, words, body: await body(commit) };
  return { ...(await upsertPullRequest(github, full)), kept };
}

/**
 * Makes or updates the one pull request of a branch, which must have a commit that the base lacks.
 * The same words and content again write nothing. Labels are put on a new one only, so a person may
 * take them off.
 */
export async function upsertPullRequest(
  github: GitHub,
  text: PullRequestText,
): Promise<PullRequestResult> {
  const { rest, at } = github;
  const title = plainTitle(text.title);
  const seals = { content: text.content, text: digestOf(title, text.words) };
  const body = sealedText(text.marker, text.body, seals);
  const what = `open the pull request of ${text.branch}`;
  const verb = { what, permission, byHand: text.byHand } as const;
  return github.settle(verb, async () => {
    const open = await findOpen(github, text);
    if (open !== null) {
      const { number, html_url: url } = open.pull;
      const found = { number, url, kept: 0 };
      if (!open.isOwn) return { outcome: "theirs", ...found };
      const before = sealsOf(open.pull.body);
      if (before.content === seals.content && before.text === seals.text)
        return { outcome: "unchanged", ...found };
      await rest.pulls.update({ ...at, pull_number: number, title, body });
      return { outcome: "updated", ...found };
    }
    const declined = await findDeclined(github, text);
    if (declined !== null) return declined;
    const { branch: head, base, labels } = text;
    const { data } = await rest.pulls.create({ ...at, head, base, title, body });
    const { number, html_url: url } = data;
    if (data.user?.login === jobLogin) github.report.info(noChecks(number));
    if (labels.length > 0)
      await rest.issues.addLabels({ ...at, issue_number: number, labels: [...labels] });
    return { outcome: "created", number, url, kept: 0 };
  });
}

type Sought = Pick<PullRequestText, "branch" | "base" | "marker">;

async function findOpen(github: GitHub, { branch, base, marker }: Sought) {
  const { rest, at } = github;
  const head = `${at.owner}:${branch}`;
  const { data } = await rest.pulls.list({ ...at, head, base, state: "open" });
  const [pull] = data;
  if (pull === undefined) return null;
  return { pull, isOwn: isMarked(pull.body, marker) && (await github.isOwn(pull.user)) };
}

/** The newest pull request of ours with this content, if a person closed it without merging. */
function findDeclined(
  github: GitHub,
  { branch, base, marker, content }: Sought & Pick<PullRequestText, "content">,
): Promise<PullRequestResult | null> {
  const { rest, at } = github;
  const listed = { ...at, head: `${at.owner}:${branch}`, base, state: "all" } as const;
  const verb = { what: `look for pull requests of ${branch}`, permission } as const;
  return github.settle(verb, async () => {
    const order = { sort: "created", direction: "desc", per_page: 30 } as const;
    const { data } = await rest.pulls.list({ ...listed, ...order });
    const [newest] = data.filter(({ body }) => isMarked(body, marker));
    if (newest === undefined || newest.state === "open" || newest.merged_at !== null) return null;
    if (sealsOf(newest.body).content !== content || !(await github.isOwn(newest.user))) return null;
    const { number, html_url: url } = newest;
    return { outcome: "declined", number, url, kept: 0 };
  });
}

/** Closes our open pull request: what it proposed is in the base, or is no longer wanted. */
async function withdraw(github: GitHub, text: Sought): Promise<PullRequestResult> {
  const { rest, at } = github;
  const verb = { what: `close the pull request of ${text.branch}`, permission } as const;
  return github.settle(verb, async () => {
    const open = await findOpen(github, text);
    if (open === null || !open.isOwn)
      return { outcome: "nothing", number: null, url: null, kept: 0 };
    const { number, html_url: url } = open.pull;
    // Without its seal it does not count as declined. Who closed it does not tell that: the token
    // may be a person's.
    const body = resealed(open.pull.body ?? "", {});
    await rest.pulls.update({ ...at, pull_number: number, state: "closed", body });
    return { outcome: "nothing", number, url, kept: 0 };
  });
}
