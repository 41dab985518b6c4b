import type { IncomingMessage } from "node:http";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { type LocalHubUser, userTable } from "./auth.ts";
import { CollectionStore } from "./collection-store.ts";
import type { HubState } from "./context.ts";
import type { Fault } from "./faults.ts";
import { createWorld, type DrawnFault, type FaultyWorld } from "./faulty-world.ts";
import { isLegalId } from "./names.ts";
import { answerHub, routes } from "./routes.ts";
import { type SeenRequest, serve } from "./server.ts";
import { Storage } from "./storage.ts";
import { Store } from "./store.ts";
import { commitAsStranger } from "./stranger.ts";
import {
  type TrustedPublisher,
  TrustedPublishers,
  type WorkflowRun,
} from "./trusted-publishers.ts";
import { notify, type Webhook } from "./webhooks.ts";

export type { LocalHubUser } from "./auth.ts";
export type { Fault } from "./faults.ts";
export { type DrawnFault, type FaultKind, faultKinds } from "./faulty-world.ts";
export type { SeenRequest } from "./server.ts";
export type { TrustedPublisher, WorkflowRun } from "./trusted-publishers.ts";
export type { Webhook } from "./webhooks.ts";

export interface LocalHubOptions {
  /**
   * The store, made if missing: `<folder>/<org>/<name>/` for people, `<folder>/.hub/` for the Hub.
   */
  folder: string;
  /** Default: a free one. */
  port?: number;
  /**
   * Token -> user. By default every `hf_…` is user `local`, who may write everywhere. Two kinds of
   * token rehearse failures: `hf_invalid…` (401) and `hf_read…` (403 on write).
   */
  users?: Record<string, LocalHubUser>;
  /**
   * Repository -> users who may read its files; all others get GatedRepo. May be changed while the
   * Hub runs.
   */
  gated?: Record<string, string[]>;
  /**
   * Size in bytes from which a binary file goes to LFS; default 10 MiB. `.gitattributes` decides
   * first.
   */
  lfsThreshold?: number;
  /** Size in bytes from which an LFS object is uploaded in parts; default 32 MiB. */
  multipartThreshold?: number;
  /** Bytes of a part; default 16 MiB. */
  partSize?: number;
  /** Most entries of a listing page; default 1000. */
  pageSize?: number;
  /**
   * Repository -> workflows that may publish to it without a token. May be changed while the Hub
   * runs.
   */
  publishers?: Record<string, TrustedPublisher[]>;
  /** Lifetime of a token that such a workflow gets, in seconds; default 3600. */
  tokenLifetime?: number;
  /** Told of each ref that moved. May be changed while the Hub runs. */
  webhooks?: Webhook[];
  /** Milliseconds since 1970, for the lifetime of tokens. Default: the real clock. */
  now?: () => number;
  faults?: Fault[];
  /** Faults that are drawn by a seed. */
  world?: FaultyWorld;
  /**
   * Called when an injected fault keeps a connection open in silence, until `isOpen` is false. A
   * test moves its client's clock then.
   */
  onSilence?: (isOpen: () => boolean) => void;
  onRequest?: (request: SeenRequest) => void;
}

export interface LocalHub {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Origin of LFS objects, another one than `url`, as on the real Hub. */
  readonly storageUrl: string;
  /** Add to it to inject failures. */
  readonly faults: Fault[];
  /** The faults of the world that happened so far, in order of arrival. May be emptied. */
  readonly drawn: DrawnFault[];
  /**
   * Requests with an `Authorization` header to the storage origin: each is a fault of the client.
   */
  readonly leakedTokens: number;
  /** SHA-256 of an object in large-file storage -> bytes that were sent for it, all told. */
  readonly uploads: ReadonlyMap<string, number>;
  close(): Promise<void>;
  /** The variables that GitHub sets for a run of a workflow with `id-token: write`. */
  identityOf(run: WorkflowRun): Record<string, string>;
  /**
   * Commits to main of a repository exactly the files of a folder. The id is `<namespace>/<name>`,
   * or `datasets/<namespace>/<name>`. Returns the commit.
   */
  seed(id: string, folder: string): Promise<string>;
  /** Head commit of main or another branch; null if there is no such repository or branch. */
  head(id: string, branch?: string): string | null;
  /** Commits of main or another branch, newest first; empty if there is none. */
  history(id: string, branch?: string): readonly string[];
  /** Files of main, another branch or a commit; empty if there is no such repository or branch. */
  files(
    id: string,
    branch?: string,
  ): ReadonlyMap<string, { readonly size: number; readonly sha256: string; readonly lfs: boolean }>;
}

/**
 * Starts a Hub on 127.0.0.1. The same requests give the same commits; clock and ports do not
 * matter.
 */
export async function startLocalHub(options: LocalHubOptions): Promise<LocalHub> {
  const store = await Store.open(options.folder).catch((error) => cannotUse(options.folder, error));
  const storage = new Storage(store);
  const faults = options.faults ?? [];
  const drawn: DrawnFault[] = [];
  const shared = {
    faults,
    draw: options.world ? createWorld(options.world, drawn) : () => null,
    race: (url: string) => commitAsStranger(store, url),
    onSilence: options.onSilence,
    onRequest: options.onRequest,
  };
  const handle = (request: IncomingMessage) => storage.handle(request);
  const storageServer = await serve({ ...shared, origin: "storage", answer: handle }, 0);
  storage.url = storageServer.url;
  const collections = await CollectionStore.open(options.folder);
  const publishers = new TrustedPublishers({
    publishers: options.publishers ?? {},
    lifetime: options.tokenLifetime ?? 3600,
    now: options.now ?? Date.now,
  });
  const answer = answersOf(options, { store, storage, collections, publishers });
  const hubServer = await serve({ ...shared, origin: "hub", answer }, options.port ?? 0).catch(
    async (error) => {
      await storageServer.close();
      throw portInUse(options.port, error);
    },
  );
  const told = tellWebhooks(store, options.webhooks ?? [], hubServer.url);
  return {
    url: hubServer.url,
    identityOf: (run) => publishers.environment(hubServer.url, run),
    storageUrl: storage.url,
    faults,
    drawn,
    uploads: storage.received,
    get leakedTokens() {
      return storage.leakedTokens;
    },
    close: async () => {
      await Promise.all([hubServer.close(), storageServer.close(), ...told]);
    },
    seed: (id, folder) => seed(store, id, folder),
    head: (id, branch = "main") => store.get(id)?.resolve(branch)?.id ?? null,
    history: (id, branch = "main") => store.get(id)?.history(branch) ?? [],
    files: (id, branch = "main") => store.get(id)?.resolve(branch)?.tree ?? new Map(),
  };
}

/** Tells the webhooks of every change. Gives the messages that are on their way. */
function tellWebhooks(store: Store, webhooks: readonly Webhook[], origin: string) {
  const told = new Set<Promise<void>>();
  store.onMoved = (repo, moved) => {
    const message = notify(webhooks, repo, { moved, origin }).finally(() => told.delete(message));
    told.add(message);
  };
  return told;
}

/** Answers the requests to the Hub's own origin. */
function answersOf(
  options: LocalHubOptions,
  parts: Pick<HubState, "store" | "storage" | "collections" | "publishers">,
) {
  const hub: HubState = {
    ...parts,
    users: parts.publishers.users(userTable(options.users)),
    gated: options.gated ?? {},
    lfsThreshold: options.lfsThreshold ?? 10 * 1024 * 1024,
    pageSize: options.pageSize ?? 1000,
  };
  const table = routes({
    multipartThreshold: options.multipartThreshold ?? 32 * 1024 * 1024,
    partSize: options.partSize ?? 16 * 1024 * 1024,
  });
  return (request: IncomingMessage) => answerHub(hub, table, request);
}

async function seed(store: Store, id: string, folder: string): Promise<string> {
  if (!isLegalId(id)) {
    const hint = "Use <namespace>/<name>.";
    throw new OqeError("BAD_INPUT", `${id} is not a legal repository id`, hint);
  }
  return (await store.seed(id, folder).catch((error) => cannotUse(folder, error))).id;
}

function portInUse(port: number | undefined, error: unknown): OqeError {
  const message = `Port ${port} cannot be used: ${reasonOf(error)}`;
  return new OqeError("BAD_INPUT", message, "Choose another port.", error);
}

function cannotUse(folder: string, error: Error): never {
  if (error instanceof OqeError) throw error;
  throw new OqeError(
    "DISK",
    `${folder} cannot be used: ${reasonOf(error)}`,
    "It must be a folder that can be read and written.",
    error,
  );
}
