import { OqeError } from "../ground/errors.ts";
import { firstDifference, isSameFile, type Main } from "./compare.ts";
import { adopt } from "./failure.ts";
import { hashStaged } from "./folder.ts";
import type { Amended, AmendRequest, PushResult } from "./hub-types.ts";
import { checkRepositoryId } from "./names.ts";
import { Transient } from "./patience.ts";
import { findPull, type Pull } from "./proposal.ts";
import { confirm, type Publication, publish } from "./publication.ts";
import { retry } from "./retry.ts";
import type { UploadTarget } from "./stage.ts";
import { addFiles, amendMain } from "./staging.ts";
import type { Transport } from "./transport.ts";

/** How often a pull request is opened if the answers are lost. */
const openings = 3;

/** What one pull request of ours is to have. */
interface Plan {
  readonly transport: Transport;
  readonly target: UploadTarget;
  readonly title: string;
  /** The first difference of a pull request from what it is to have; null: none. */
  readonly differs: (head: Main) => string | null;
  /** Commits to `onto`: an open pull request, or main to open a new one (null). */
  readonly send: (onto: Pull | null) => Promise<string>;
}

/** Puts a whole series folder into our pull request. */
export function propose(publication: Publication, main: Main): Promise<PushResult> {
  const { transport, target, request } = publication;
  return proposeBy({
    ...{ transport, target, title: request.title },
    differs: (head) => firstDifference(head, publication),
    send: async (onto) => {
      if (onto === null) return publish(publication, main, true);
      const there = { ...publication, target: { ...target, branch: onto.branch } };
      const commit = await publish(there, onto.head);
      await confirm(there, { parent: onto.head.head, commit });
      return commit;
    },
  });
}

/** Changes some files of main, or of our pull request, and leaves the others. */
export async function amend(transport: Transport, request: AmendRequest): Promise<Amended> {
  if (!request.proposes) return { ...(await amendMain(transport, request)), pull: null };
  const { commit, url } = await proposeFiles(transport, request);
  return { commit, pull: url };
}

async function proposeFiles(transport: Transport, request: AmendRequest): Promise<PushResult> {
  const id = checkRepositoryId(request.repository);
  const target: UploadTarget = { id, branch: "main", right: "write" };
  const files = await Promise.all(request.files.map(hashStaged));
  return proposeBy({
    ...{ transport, target, title: request.title },
    differs: ({ tree }) => {
      const other = files.find((file) => !isSameFile(tree.get(file.path), file));
      return other?.path ?? request.deleted.find((path) => tree.has(path)) ?? null;
    },
    send: async (onto) => {
      const branch = onto?.branch ?? "main";
      const parent = onto?.head.head ?? request.parent;
      const staging = { ...request, branch, parent, private: false };
      const { commit } = await addFiles(transport, { ...target, branch }, staging, onto === null);
      return commit;
    },
  });
}

/**
 * Updates our open pull request, or opens one. Nothing is sent if it has what it is to have. One
 * that somebody closed is then left alone.
 */
async function proposeBy(plan: Plan): Promise<PushResult> {
  const { transport, target, title, differs, send } = plan;
  const known = await findPull(transport, target.id, title);
  if (known !== null && differs(known.head) === null) {
    const closed = "has these files, and somebody closed it: it is not opened again";
    if (!known.isOpen) transport.patience.report.info(`${known.url} ${closed}`);
    return { outcome: "proposed", commit: known.head.head, url: known.url };
  }
  if (known?.isOpen) return { outcome: "proposed", commit: await send(known), url: known.url };
  const { url, head } = await open(plan);
  return { outcome: "proposed", commit: head.head, url };
}

/** Opens a pull request. A request is sent once; if its answer is lost, the Hub is looked at. */
async function open({ transport, target, title, differs, send }: Plan): Promise<Pull> {
  for (let tries = 1; ; tries++) {
    const failure = await send(null).then(
      () => null,
      (error: unknown) => adopt(transport, target, error),
    );
    const look = () => findPull(transport, target.id, title);
    const made = failure === null ? await waitFor(look, transport, target.id) : await look();
    const wrong = made?.isOpen ? differs(made.head) : "it is not listed";
    if (made !== null && wrong === null) return made;
    if (failure === null) {
      throw new OqeError(
        "NETWORK",
        `The Hub took a pull request for ${target.id}, and does not show it as sent: ${wrong}`,
        `Look at ${transport.endpoint}/${target.id}/discussions, then run again.`,
      );
    }
    const isLost = failure instanceof OqeError && failure.code === "NETWORK";
    if (!isLost || tries === openings) throw failure;
  }
}

/** The Hub may list a new pull request only a moment later. */
function waitFor(look: () => Promise<Pull | null>, transport: Transport, id: string) {
  return retry(transport.patience, `Reading the pull requests of ${id}`, async () => {
    const pull = await look();
    if (!pull?.isOpen) throw new Transient("the new one is not listed yet");
    return pull;
  });
}
