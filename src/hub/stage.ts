import { commitIter } from "@huggingface/hub";
import { OqeError } from "../ground/errors.ts";
import { answers, readAnswer } from "./answers.ts";
import { adopt, type Subject, strictFetch } from "./failure.ts";
import { type LocalFile, readContent } from "./folder.ts";
import { printable } from "./names.ts";
import { Transient } from "./patience.ts";
import { authorization, credentials, type Transport } from "./transport.ts";

/**
 * Each xet upload needs 64 MiB for its block and 64 MiB for its index; the smallest runners have 7
 * GB.
 */
const filesInFlight = 2;

/** The Hub takes at most 100 files per preupload request. */
const filesPerQuestion = 100;

/**
 * Links of the first round may have expired, and an upload whose last answer was lost is found only
 * by asking again.
 */
const uploadRounds = 2;

/** A repository, and its branch that a commit goes to. */
export type UploadTarget = Subject & { readonly id: string; readonly branch: string };

/** The paths that the Hub wants in its large-file storage. The others are sent in the commit. */
export async function askForLarge(
  transport: Transport,
  target: UploadTarget,
  files: readonly LocalFile[],
): Promise<Set<string>> {
  const large = new Set<string>();
  for (let first = 0; first < files.length; first += filesPerQuestion) {
    const asked = files.slice(first, first + filesPerQuestion);
    const samples = await Promise.all(
      asked.map(async (file) => {
        const sample = (await readContent(file, 512)).toString("base64");
        return { path: file.path, size: file.size, sample };
      }),
    );
    const response = await strictFetch(transport, target)(
      `${transport.endpoint}/api/models/${target.id}/preupload/${encodeURIComponent(target.branch)}`,
      {
        method: "POST",
        headers: { "Content-Type": "application/json", ...authorization(transport) },
        body: JSON.stringify({ files: samples }),
      },
    );
    const answer = await readAnswer(answers.uploadModes, response, `uploads to ${target.id}`);
    const modes = new Map(answer.files.map((file) => [file.path, file.uploadMode]));
    for (const { path, oid } of asked) {
      const mode = modes.get(path);
      // A weight shard in the commit would be in memory as a whole, and no Hub accepts it.
      if (mode !== "lfs" && (mode !== "regular" || oid === null)) {
        const said = mode === undefined ? "nothing" : `"${printable(mode, 40)}"`;
        throw new OqeError(
          "NETWORK",
          `The Hub was asked how to send ${path} of ${target.id}: ` +
            `expected "lfs" or "regular", got ${said}`,
          "Check the Hub endpoint, then run again.",
        );
      }
      if (mode === "lfs") large.add(path);
    }
  }
  return large;
}

/**
 * Uploads large files to the Hub's storage, without a commit: main does not change. Files in the
 * storage are not sent again; equal files are sent and counted once. `onBytes` gets the bytes done
 * and the total.
 */
export async function stage(
  transport: Transport,
  target: UploadTarget,
  files: readonly LocalFile[],
  onBytes: (done: number, total: number) => void,
): Promise<void> {
  const distinct = [...new Map(files.map((file) => [file.sha256, file])).values()];
  const total = distinct.reduce((sum, file) => sum + file.size, 0);
  let before = 0;
  for (let first = 0; first < distinct.length; first += filesInFlight) {
    const some = distinct.slice(first, first + filesInFlight);
    const size = new Map(some.map((file) => [file.path, file.size]));
    const done = new Map<string, number>();
    for (let round = 1; ; round++) {
      try {
        await upload(transport, target, some, (path, share) => {
          done.set(path, share * (size.get(path) ?? 0));
          onBytes(before + [...done.values()].reduce((sum, bytes) => sum + bytes, 0), total);
        });
        break;
      } catch (failure) {
        const known = adopt(transport, target, failure);
        if (round === uploadRounds || !isWorthAnotherRound(known)) throw known;
        transport.patience.report.info(
          `${(known as OqeError).message}; asking for new upload links`,
        );
      }
    }
    before += some.reduce((sum, file) => sum + file.size, 0);
  }
}

/**
 * Uploads by @huggingface/hub (xet, multipart or one PUT, as the Hub answers). Its generator stops
 * before the commit, so that leaving the loop there prevents the commit.
 */
async function upload(
  transport: Transport,
  target: UploadTarget,
  files: readonly LocalFile[],
  onShare: (path: string, share: number) => void,
): Promise<void> {
  const offer = { transfer: "basic" };
  const events = commitIter({
    repo: { type: "model", name: target.id },
    title: "never sent",
    branch: target.branch,
    operations: files.map(({ path, content }) => ({ operation: "addOrUpdate", path, content })),
    hubUrl: transport.endpoint,
    fetch: checkedFetch(transport, target, { files, offer }),
    ...credentials(transport),
  });
  try {
    for await (const event of events) {
      if (event.event === "phase" && event.phase === "committing") return;
      if (event.event === "fileProgress" && event.state === "uploading")
        onShare(event.path, event.progress);
    }
  } catch (failure) {
    throw offer.transfer === "xet" ? xetFailure(transport, target, failure) : failure;
  }
  throw new OqeError(
    "INTERNAL",
    "The upload went on to a commit of its own",
    "Report this: @huggingface/hub changed its order of events.",
  );
}

/** A Hub may offer uploads by xet alone, which needs a content store beside it. */
function xetFailure(transport: Transport, target: UploadTarget, failure: unknown): OqeError {
  const known = adopt(transport, target, failure);
  const reason = known instanceof Error ? known.message : String(known);
  return new OqeError(
    "NETWORK",
    `The Hub offers uploads to ${target.id} by xet only, and that failed: ` +
      `expected "basic", "multipart", or a xet content store that works; got: ${reason}`,
    "Run again. If it stays, use a Hub endpoint whose content store this machine can reach.",
    known,
  );
}

/**
 * The library hashes each file again before it asks for links. A file that changed since we hashed
 * it ends the upload there: the commit would name an object that the storage does not have. Notes
 * in `offer` how the Hub wants the files.
 */
function checkedFetch(
  transport: Transport,
  target: UploadTarget,
  { files, offer }: { readonly files: readonly LocalFile[]; readonly offer: { transfer: string } },
): typeof fetch {
  const known = new Set(files.map((file) => file.sha256));
  const send = strictFetch(transport, target);
  return async (input, init) => {
    if (!String(input).endsWith("/info/lfs/objects/batch")) return send(input, init);
    const { objects } = JSON.parse(String(init?.body)) as { objects: { oid: string }[] };
    if (objects.some(({ oid }) => !known.has(oid)))
      throw new OqeError(
        "CONFLICT",
        `${files.map((file) => file.path).join(" or ")} changed while it was uploaded`,
        "Another run may be using the same work folder. Run again, with a work-dir of its own.",
      );
    const response = await send(input, init);
    offer.transfer = (await readAnswer(answers.batch, response.clone(), target.id)).transfer;
    return response;
  };
}

function isWorthAnotherRound(failure: unknown): boolean {
  if (!(failure instanceof OqeError)) return false;
  // A server that was silent for minutes is not asked for minutes again.
  const { cause } = failure;
  const isSilence = cause instanceof Transient && cause.isSilence;
  return !isSilence && ["NETWORK", "NOT_FOUND", "CONFLICT"].includes(failure.code);
}

/** Passes a count on after every hundredth: the library counts every 64 KiB. */
export function inSteps(
  tick: (done: number, total: number) => void,
): (done: number, total: number) => void {
  let last = -1;
  return (done, total) => {
    const step = Math.floor((done / Math.max(1, total)) * 100);
    if (step <= last) return;
    last = step;
    tick(Math.min(Math.round(done), total), total);
  };
}
