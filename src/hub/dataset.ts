import { datasetInfo } from "@huggingface/hub";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { answers, parseAnswer, parseFile, readAnswer, type TreeFile } from "./answers.ts";
import { adopt, strictFetch } from "./failure.ts";
import { checkRepositoryId, checkRevision, pathFault, printable } from "./names.ts";
import { remoteRepository } from "./pull.ts";
import { authorization, credentials, type Transport } from "./transport.ts";

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
      `"${printable(path)}" is no file of a dataset: ${fault}`,
      "Copy its path from the Hub.",
    );
  }
  const { id, commit } = await resolveDataset(transport, dataset, revision);
  if (id !== dataset)
    transport.patience.report.info(`datasets/${dataset} is now called datasets/${id}`);
  const file = await findFile(transport, id, commit, path);
  // Only this prefix distinguishes the addresses and messages of a dataset from those of a model.
  return remoteRepository(transport, `datasets/${id}`, commit, new Map([[path, file]]));
}

async function resolveDataset(transport: Transport, dataset: string, revision: string) {
  const subject = { id: `datasets/${dataset}`, revision, right: "read" } as const;
  const info = await datasetInfo({
    name: dataset,
    revision,
    additionalFields: ["sha"],
    hubUrl: transport.endpoint,
    fetch: strictFetch(transport, subject),
    ...credentials(transport),
  }).catch((failure: unknown) => {
    throw adopt(transport, subject, failure);
  });
  const { sha, name } = parseAnswer(answers.revision, info, `datasets/${dataset}@${revision}`);
  return { id: name, commit: sha };
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
