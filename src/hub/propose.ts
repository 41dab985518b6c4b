import { OqeError } from "../ground/errors.ts";
import { firstDifference, isSame, type Main } from "./compare.ts";
import { adopt } from "./failure.ts";
import type { PushResult } from "./hub-types.ts";
import { findPull, type Pull } from "./proposal.ts";
import { confirm, type Publication, publish } from "./publication.ts";

/** How often a pull request is opened if the answers are lost. */
const openings = 3;

/**
 * Puts the files into our pull request, which is opened if there is none. One that somebody closed
 * is left alone if it has these files.
 */
export async function propose(publication: Publication, main: Main): Promise<PushResult> {
  const { transport, target, request } = publication;
  const known = await findPull(transport, target.id, request.title);
  const report = (pull: Pull) => {
    const { url, head } = pull;
    return { outcome: "proposed", commit: head.head, url } as const;
  };
  if (known !== null && isSame(known.head, publication)) {
    const closed = "has these files, and somebody closed it: it is not opened again";
    if (!known.isOpen) transport.patience.report.info(`${known.url} ${closed}`);
    return report(known);
  }
  if (known?.isOpen) {
    const onto = { ...publication, target: { ...target, branch: known.branch } };
    const commit = await publish(onto, known.head);
    await confirm(onto, { parent: known.head.head, commit });
    return { ...report(known), commit };
  }
  for (let tries = 1; ; tries++) {
    const failure = await publish(publication, main, true).then(
      () => null,
      (error: unknown) => adopt(transport, target, error),
    );
    // If the answer was lost, the pull request may be there.
    const made = await findPull(transport, target.id, request.title);
    if (made?.isOpen && isSame(made.head, publication)) return report(made);
    const isLost = failure instanceof OqeError && failure.code === "NETWORK";
    if (failure !== null && (!isLost || tries === openings)) throw failure;
    if (failure === null) {
      const wrong = made && firstDifference(made.head, publication);
      throw new OqeError(
        "NETWORK",
        `The Hub took the pull request for ${target.id}, and ` +
          (wrong ? `it differs from what was sent: ${wrong}` : "does not show it"),
        `Look at ${transport.endpoint}/${target.id}/discussions, then run again.`,
      );
    }
  }
}
