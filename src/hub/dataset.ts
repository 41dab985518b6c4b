import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { answers, parseFile, readAnswer, type TreeFile } from "./answers.ts";
import { strictFetch } from "./failure.ts";
import { checkRepositoryId, checkRevision, pathFault, printable } from "./names.ts";
import { remoteRepository } from "./pull.ts";
import { authorization, type Transport } from "./transport.ts";
import { resolveRevision } from "./tree.ts";

/**
 * One file of a dataset on the Hub, at one commit. The other files are not listed: there may be
 * very many. Throws NOT_FOUND if there is no such dataset, revision or file, and BAD_INPUT for a
 * folder.
 */
export async function openDatasetFile(
  transport: Transport,
  dataset: string,
  path: string,
  revision = "main",
): Promise<Repository> {
  checkRepositoryId(dataset);
  checkRevision(revision);
  const fault = pathFault(path);
  if (fault !== null) {
    throw new OqeError(
      "BAD_INPUT",
      `"${printable(path)}" is not a file of a dataset: ${fault}`,
      "Copy its path from the Hub.",
    );
  }
  const subject = { id: `datasets/${dataset}`, revision, right: "read" } as const;
  const { id, commit } = await resolveRevision(transport, subject);
  if (id !== dataset)
    transport.patience.report.info(`datasets/${dataset} is now called datasets/${id}`);
  const file = await findFile(transport, id, commit, path);
  // Only this prefix distinguishes the addresses and messages of a dataset from those of a model.
  return remoteRepository(transport, `datasets/${id}`, commit, new Map([[path, file]]));
}

async function findFile(
  transport: Transport,
  id: string,
  commit: string,
  path: string,
): Promise<TreeFile> {
  const where = `datasets/${id}@${commit}`;
  const fetch = strictFetch(transport, {
    id: `datasets/${id}`,
    revision: commit,
    path,
    right: "read",
  });
  const response = await fetch(`${transport.endpoint}/api/datasets/${id}/paths-info/${commit}`, {
    method: "POST",
    headers: {
      accept: "application/json",
      "content-type": "application/json",
      ...authorization(transport),
    },
    body: JSON.stringify({ paths: [path], expand: false }),
  });
  const entries = await readAnswer(answers.entries, response, where);
  const entry = entries.find((one) => one.path === path);
  const look = `Its files are listed at ${transport.endpoint}/datasets/${id}/tree/${commit}.`;
  if (entry === undefined)
    throw new OqeError("NOT_FOUND", `${where} has no file ${printable(path)}`, look);
  if (entry.type !== "file")
    throw new OqeError("BAD_INPUT", `${where}/${printable(path)} is a folder`, look);
  return parseFile(entry, where)[1];
}
