import type { ByteSource } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { refused, type Subject } from "./failure.ts";
import { encodePath, printable } from "./names.ts";
import { type Answer, describe, place } from "./origin.ts";
import { isTransientStatus, retry, Transient } from "./retry.ts";
import { authorization, type Transport, transient, withDeadline } from "./transport.ts";

/** Long reads are cut, so that a broken connection costs at most this much again and every piece has attempts of its own. */
export const pieceBytes = 32 << 20;

/** A server that ignores `Range` sends the whole file; that is taken only where it costs no more than this. */
const wholeFileBytes = 1 << 20;

export interface RemoteFile {
  readonly id: string;
  readonly commit: string;
  readonly path: string;
  readonly size: number;
}

/**
 * A file of a pinned commit, read by range. The storage link behind the redirect is kept while it works: resolving is
 * limited to a few thousand requests per five minutes, and a checkpoint has as many tensors.
 */
export function openRemote(transport: Transport, file: RemoteFile): ByteSource {
  const name = `${file.id}@${file.commit}/${file.path}`;
  const link: Link = { storage: null };
  return {
    name,
    size: file.size,
    async read(offset, length, into) {
      if (
        !(
          Number.isSafeInteger(offset) &&
          Number.isSafeInteger(length) &&
          offset >= 0 &&
          length >= 0 &&
          offset + length <= file.size
        )
      ) {
        throw new OqeError(
          "BAD_CHECKPOINT",
          `${name} has ${file.size} bytes; asked for ${length} at ${offset}`,
        );
      }
      const bytes = into ?? new Uint8Array(length);
      for (let done = 0; done < length; done += pieceBytes) {
        const piece = bytes.subarray(done, Math.min(done + pieceBytes, length));
        const what = `Reading ${name} at ${offset + done}`;
        await retry(transport.patience, what, () =>
          readPiece(transport, file, link, offset + done, piece),
        );
      }
      return bytes;
    },
  };
}

/** The signed storage address that the last redirect gave; null where it must be asked for. */
interface Link {
  storage: string | null;
}

/** One attempt to fill `into` with the bytes from `offset`. */
async function readPiece(
  transport: Transport,
  file: RemoteFile,
  link: Link,
  offset: number,
  into: Uint8Array,
): Promise<void> {
  const deadline = withDeadline(null, into.length);
  const answer = await request(transport, file, link, offset, into.length, deadline).catch(
    (failure) => {
      link.storage = null; // its host may be gone for good: the next attempt asks the Hub
      throw failure;
    },
  );
  try {
    if (isTransientStatus(answer.response.status)) throw await transient(answer);
    const { skip, total } = await checkRange(transport, file, answer, offset, into.length);
    await fill(answer.response, skip, total, into);
  } catch (failure) {
    link.storage = null;
    await answer.response.body?.cancel().catch(() => {});
    throw failure;
  }
}

/** Asks the kept link first; where it has expired, the Hub again, once. */
async function request(
  transport: Transport,
  file: RemoteFile,
  link: Link,
  offset: number,
  length: number,
  signal: AbortSignal,
): Promise<Answer> {
  const range = { Range: `bytes=${offset}-${offset + length - 1}`, "Accept-Encoding": "identity" };
  if (link.storage !== null) {
    const kept = await transport.send(link.storage, { headers: range, signal });
    if (kept.response.ok || isTransientStatus(kept.response.status)) return kept;
    await kept.response.body?.cancel().catch(() => {});
    link.storage = null;
  }
  const resolve = `${transport.endpoint}/${file.id}/resolve/${file.commit}/${encodePath(file.path)}`;
  const answer = await transport.send(
    resolve,
    { headers: { ...range, ...authorization(transport) }, signal },
    (hop) => checkCommit(file, hop.headers.get("x-repo-commit")),
  );
  const isStorage = new URL(answer.url).origin !== new URL(transport.endpoint).origin;
  if (isStorage && answer.response.ok) link.storage = answer.url;
  return answer;
}

function checkCommit(file: RemoteFile, commit: string | null): void {
  if (commit === null || commit === file.commit) return;
  throw new OqeError(
    "NETWORK",
    `${file.id}/${file.path} comes from commit ${printable(commit, 60)}; asked for ${file.commit}`,
    "This is a fault of the Hub or of a proxy between.",
  );
}

/** Where in the body the wanted bytes begin, and how long the body must be. Throws where it is not what was asked for. */
async function checkRange(
  transport: Transport,
  file: RemoteFile,
  answer: Answer,
  offset: number,
  length: number,
): Promise<{ skip: number; total: number }> {
  const { response, url } = answer;
  const name = `${file.id}@${file.commit}/${file.path}`;
  if (response.status === 416) throw wrongSize(name, file.size, "a smaller file");
  if (!response.ok) await refuse(transport, file, answer);
  const encoding = response.headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity")
    throw new Transient(`the answer is encoded as ${printable(encoding, 40)}, asked for none`);
  if (response.status !== 206) {
    const sent = response.headers.get("content-length");
    if (sent !== null && Number(sent) !== file.size)
      throw wrongSize(name, file.size, `${printable(sent, 40)} bytes`);
    if (length === file.size || file.size <= wholeFileBytes)
      return { skip: offset, total: file.size };
    throw new OqeError(
      "NETWORK",
      `${place(url)} ignores the range: it sends all ${file.size} bytes of ${file.path} where ${length} were asked for`,
      "Use a Hub endpoint that serves ranges.",
    );
  }
  const header = response.headers.get("content-range") ?? "";
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header.trim());
  if (match && Number(match[3]) !== file.size)
    throw wrongSize(name, file.size, `${match[3]} bytes`);
  if (!match || Number(match[1]) !== offset || Number(match[2]) !== offset + length - 1) {
    throw new Transient(
      `it sent the range "${printable(header, 60)}", asked for ${offset}-${offset + length - 1}`,
    );
  }
  return { skip: 0, total: length };
}

/** The Hub's own refusal is final; that of a storage link may be its age, and the next attempt gets a new one. */
async function refuse(
  transport: Transport,
  file: RemoteFile,
  { response, url }: Answer,
): Promise<never> {
  if (new URL(url).origin !== new URL(transport.endpoint).origin) {
    throw new Transient(`the storage ${place(url)} answers ${response.status}`);
  }
  const subject: Subject = { id: file.id, revision: file.commit, path: file.path, right: "read" };
  throw await refused(transport, subject, response, `GET ${place(url)}`);
}

function wrongSize(name: string, listed: number, sent: string): OqeError {
  const hint = "Report this to the owner of the repository, or use another revision.";
  return new OqeError(
    "BAD_CHECKPOINT",
    `${name} is listed with ${listed} bytes; the Hub sends ${sent}`,
    hint,
  );
}

/** Copies the body from `skip` on into `into`; `Transient` where it is not exactly `total` bytes long. */
async function fill(
  response: Response,
  skip: number,
  total: number,
  into: Uint8Array,
): Promise<void> {
  let seen = 0;
  try {
    for await (const chunk of response.body ?? []) {
      const from = Math.max(0, skip - seen);
      const to = Math.min(chunk.length, skip + into.length - seen);
      if (from < to) into.set(chunk.subarray(from, to), seen + from - skip);
      seen += chunk.length;
      if (seen > total) break;
    }
  } catch (failure) {
    throw new Transient(`the answer was cut short after ${seen} bytes (${describe(failure)})`);
  }
  if (seen !== total)
    throw new Transient(`it sent ${seen > total ? "more" : seen} bytes, expected ${total}`);
}
