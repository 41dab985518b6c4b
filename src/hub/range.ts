import { mapBounded } from "../checkpoint/bounded.ts";
import type { ByteSource } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { pieces } from "../ground/pieces.ts";
import { strangerHint } from "./expected.ts";
import { refused, type Subject } from "./failure.ts";
import { encodePath, printable } from "./names.ts";
import { type Answer, place } from "./origin.ts";
import { ownConnection, type Sending } from "./own-connection.ts";
import { Transient } from "./patience.ts";
import { Placement } from "./placement.ts";
import type { PlacedInit } from "./placing-fetch.ts";
import { receive } from "./receive.ts";
import { isTransientStatus, retry } from "./retry.ts";
import { authorization, type Transport, transient } from "./transport.ts";
import type { Watch } from "./watch.ts";

/**
 * Long reads are cut into pieces: a broken connection repeats one piece, and each has its own
 * attempts.
 */
export const pieceBytes = 32 << 20;

/**
 * Pieces of one read at the same time: one connection to a distant storage is slower than the line.
 */
const piecesAtOnce = 4;

/** A server that ignores `Range` sends the whole file. That is accepted up to this size. */
const wholeFileBytes = 1 << 20;

export interface RemoteFile {
  readonly id: string;
  readonly commit: string;
  readonly path: string;
  readonly size: number;
}

/**
 * A file of a pinned commit, read by range. The storage link behind the redirect is reused while it
 * works. The Hub resolves only a few thousand addresses per five minutes, and a checkpoint has as
 * many tensors.
 */
export function openRemote(transport: Transport, file: RemoteFile): ByteSource {
  const name = `${file.id}@${file.commit}/${file.path}`;
  const remote: Remote = { transport, file, link: { storage: null }, sending: { headers: {} } };
  let isWarned = false;
  return {
    name,
    size: file.size,
    read: (offset, length, into) => readRange(remote, { offset, length }, into),
    readAgain: (offset, length, into) => {
      const how = "reading them again, over another connection";
      if (!isWarned) transport.patience.report.warn(`bytes of ${name} came wrong: ${how}`);
      isWarned = true;
      const apart = { ...remote, link: { storage: null }, sending: ownConnection() };
      return readRange(apart, { offset, length }, into);
    },
  };
}

async function readRange(
  remote: Remote,
  { offset, length }: Range,
  into?: Uint8Array,
): Promise<Uint8Array> {
  const { transport, file } = remote;
  const name = `${file.id}@${file.commit}/${file.path}`;
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
  const readOne = ([start, end]: readonly [number, number]) => {
    const what = `Reading ${name} at ${offset + start}`;
    const piece = bytes.subarray(start, end);
    return retry(transport.patience, what, (begin) =>
      readPiece(remote, offset + start, piece, begin()),
    );
  };
  const [first, ...rest] = pieces(length, pieceBytes);
  if (first !== undefined) await readOne(first); // alone: the others use its storage link
  await mapBounded(rest, piecesAtOnce, readOne);
  return bytes;
}

/** The signed storage address of the last redirect; null if the Hub must be asked for one. */
interface Link {
  storage: string | null;
}

/** Where a file comes from. */
interface Remote {
  readonly transport: Transport;
  readonly file: RemoteFile;
  readonly link: Link;
  readonly sending: Sending;
}

interface Range {
  readonly offset: number;
  readonly length: number;
}

/** One attempt to fill `into` with the bytes from `offset`. */
async function readPiece(
  remote: Remote,
  offset: number,
  into: Uint8Array,
  watch: Watch,
): Promise<void> {
  const { link } = remote;
  const range = { offset, length: into.length };
  const count = (bytes: number) => watch.count(bytes, "received");
  const placement = new Placement(into, count);
  const answer = await request(remote, range, { signal: watch.signal, placement }).catch(
    (failure) => {
      link.storage = null; // its host may be gone for good: the next attempt asks the Hub
      throw failure;
    },
  );
  watch.answered();
  const { response } = answer;
  try {
    if (isTransientStatus(response.status)) throw await transient(answer);
    const body = await checkRange(remote, answer, range);
    await receive(response, body, { into, placement, watch });
  } catch (failure) {
    link.storage = null;
    placement.cancel();
    await response.body?.cancel().catch(() => {});
    throw failure;
  }
}

/** Asks the remembered link first. If it has expired, asks the Hub again, once. */
async function request(
  { transport, file, link, sending }: Remote,
  { offset, length }: Range,
  wish: Pick<PlacedInit, "signal" | "placement">,
): Promise<Answer> {
  const bytes = `bytes=${offset}-${offset + length - 1}`;
  const range = { ...sending.headers, Range: bytes, "Accept-Encoding": "identity" };
  if (link.storage !== null) {
    const stored = await transport.send(link.storage, { ...sending, ...wish, headers: range });
    if (stored.response.ok || isTransientStatus(stored.response.status)) return stored;
    await stored.response.body?.cancel().catch(() => {});
    link.storage = null;
  }
  const path = encodePath(file.path);
  const resolve = `${transport.endpoint}/${file.id}/resolve/${file.commit}/${path}`;
  const answer = await transport.send(
    resolve,
    { ...sending, ...wish, headers: { ...range, ...authorization(transport) } },
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
    "This is a fault of the Hub or of a proxy.",
  );
}

/** Start of the wanted bytes in the body, and length of the body. Throws for any other answer. */
async function checkRange(
  { transport, file }: Remote,
  answer: Answer,
  { offset, length }: Range,
): Promise<{ skip: number; total: number }> {
  const { response } = answer;
  const name = `${file.id}@${file.commit}/${file.path}`;
  if (response.status === 416) throw wrongSize(name, file.size, "a smaller file");
  if (!response.ok) await refuse(transport, file, answer);
  const encoding = response.headers.get("content-encoding") ?? "identity";
  if (encoding !== "identity")
    throw new Transient(`the answer is encoded as ${printable(encoding, 40)}; asked for none`);
  if (response.status !== 206) return checkWhole(file, answer, { offset, length });
  const header = response.headers.get("content-range") ?? "";
  const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(header.trim());
  if (match && Number(match[3]) !== file.size)
    throw wrongSize(name, file.size, `${match[3]} bytes`);
  if (!match || Number(match[1]) !== offset || Number(match[2]) !== offset + length - 1) {
    const asked = `${offset}-${offset + length - 1}`;
    throw new Transient(`it sent the range "${printable(header, 60)}"; asked for ${asked}`);
  }
  return { skip: 0, total: length };
}

/** The server sends the whole file. That is accepted only for small files. */
function checkWhole(file: RemoteFile, { response, url }: Answer, { offset, length }: Range) {
  const sent = response.headers.get("content-length");
  if (sent !== null && Number(sent) !== file.size) {
    // Not a range, and not the file: the login page of a network may answer in the Hub's place.
    const words = `it sent ${printable(sent, 40)} bytes; expected a range of ${file.size} bytes`;
    throw new Transient(words, { hint: strangerHint });
  }
  if (length === file.size || file.size <= wholeFileBytes)
    return { skip: offset, total: file.size };
  throw new OqeError(
    "NETWORK",
    `${place(url)} ignores the range: ` +
      `it sends all ${file.size} bytes of ${file.path} instead of ${length}`,
    "Use a Hub endpoint that serves ranges.",
  );
}

/**
 * A refusal by the Hub is final. A storage link may have expired: the next attempt gets a new one.
 */
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
