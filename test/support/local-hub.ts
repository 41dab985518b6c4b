import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import {
  type LocalHub,
  type LocalHubOptions,
  startLocalHub,
} from "../../src/local-hub/local-hub.ts";

/** A request to the local Hub, as any HTTP client sends it. */
export interface Call {
  token?: string | null;
  json?: unknown;
  body?: string | Uint8Array<ArrayBuffer>;
  headers?: Record<string, string>;
}

/** An empty folder, removed when the test ends. */
export async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "local-hub-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

export async function startHub(options: Partial<LocalHubOptions> = {}): Promise<LocalHub> {
  const hub = await startLocalHub({
    folder: options.folder ?? (await scratchFolder()),
    ...options,
  });
  onTestFinished(() => hub.close());
  return hub;
}

/**
 * One request with the token `hf_test` (or another, or null for none); redirects are not followed.
 */
export async function call(
  hub: LocalHub,
  line: string,
  { token = "hf_test", json, body, headers }: Call = {},
): Promise<Response> {
  const [method, path] = line.split(" ") as [string, string];
  return fetch(path.startsWith("http") ? path : `${hub.url}${path}`, {
    method,
    redirect: "manual",
    headers: {
      ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
      ...(json === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    ...(json === undefined ? (body === undefined ? {} : { body }) : { body: JSON.stringify(json) }),
  });
}

export async function createRepo(
  hub: LocalHub,
  id: string,
  token = "hf_test",
  more: object = {},
): Promise<Response> {
  const [organization, name] = id.split("/");
  return call(hub, "POST /api/repos/create", {
    token,
    json: { name, organization, type: "model", ...more },
  });
}

export type CommitLine = { key: string; value: unknown };

export const addFile = (path: unknown, text: string | Uint8Array): CommitLine => ({
  key: "file",
  value: { path, content: Buffer.from(text).toString("base64"), encoding: "base64" },
});

export const lfsFile = (path: string, bytes: Uint8Array): CommitLine => ({
  key: "lfsFile",
  value: { path, algo: "sha256", oid: sha256(bytes), size: bytes.length },
});

export async function commit(
  hub: LocalHub,
  id: string,
  lines: CommitLine[],
  how: {
    token?: string | null;
    branch?: string;
    parentCommit?: string;
    query?: string;
    summary?: string;
  } = {},
): Promise<Response> {
  const header = {
    summary: how.summary ?? "Change",
    description: "",
    parentCommit: how.parentCommit,
  };
  const body = [{ key: "header", value: header }, ...lines]
    .map((line) => JSON.stringify(line))
    .join("\n");
  return call(hub, `POST /api/models/${id}/commit/${how.branch ?? "main"}${how.query ?? ""}`, {
    ...(how.token === undefined ? {} : { token: how.token }),
    body,
    headers: { "Content-Type": "application/x-ndjson" },
  });
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export interface UploadActions {
  upload: { href: string; header: Record<string, string> };
  verify: { href: string };
}

/** How the Hub wants one object uploaded; null where it has it already. */
export async function batch(
  hub: LocalHub,
  id: string,
  bytes: Uint8Array,
  transfers = ["basic"],
): Promise<UploadActions | null> {
  const objects = [{ oid: sha256(bytes), size: bytes.length }];
  const json = { operation: "upload", transfers, hash_algo: "sha256", objects };
  const response = await call(hub, `POST /${id}.git/info/lfs/objects/batch`, { json });
  const answer = (await response.json()) as { objects: { actions?: UploadActions }[] };
  return answer.objects[0]!.actions ?? null;
}

export async function upload(
  hub: LocalHub,
  id: string,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<void> {
  const actions = await batch(hub, id, bytes);
  if (!actions) return;
  const answer = await call(hub, `PUT ${actions.upload.href}`, { token: null, body: bytes });
  if (!answer.ok) throw new Error(await answer.text());
}

/** Status, code and words of a refusal. */
export async function refusal(response: Response) {
  const { error } = (await response.json()) as { error: string };
  return { status: response.status, code: response.headers.get("X-Error-Code"), error };
}

export const bytesOf = (size: number): Uint8Array<ArrayBuffer> => new Uint8Array(randomBytes(size));

/** A PUT to a signed address of the storage. */
export const put = (hub: LocalHub, href: string, body: Uint8Array<ArrayBuffer>) =>
  call(hub, `PUT ${href}`, { token: null, body });

/** A Hub with the repository `acme/m`. */
export async function startWithRepo(options: Partial<LocalHubOptions> = {}): Promise<LocalHub> {
  const hub = await startHub(options);
  await createRepo(hub, "acme/m");
  return hub;
}
