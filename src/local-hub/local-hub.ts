import type { IncomingMessage } from "node:http";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { type LocalHubUser, userTable } from "./auth.ts";
import type { HubState } from "./context.ts";
import type { Fault } from "./faults.ts";
import { isLegalId } from "./names.ts";
import { answerHub, routes } from "./routes.ts";
import { type SeenRequest, serve } from "./server.ts";
import { Storage } from "./storage.ts";
import { Store } from "./store.ts";

export type { LocalHubUser } from "./auth.ts";
export type { Fault } from "./faults.ts";
export type { SeenRequest } from "./server.ts";

export interface LocalHubOptions {
  /** Where repos live: `<folder>/<org>/<name>/` for people, `<folder>/.hub/` for the Hub. Made if missing. */
  folder: string;
  /** Default: a free one. */
  port?: number;
  /**
   * Token to user. Default: any `hf_…` is user "local", who may write everywhere, save the rehearsal tokens
   * `hf_invalid…` (401) and `hf_read…` (403 on write).
   */
  users?: Record<string, LocalHubUser>;
  /** Repos whose files are refused (GatedRepo) until the user's name is listed. May be changed while the Hub runs. */
  gated?: Record<string, string[]>;
  /** Bytes from which a file that is no text goes to LFS; default 10 MiB. What `.gitattributes` names always does. */
  lfsThreshold?: number;
  /** Bytes from which an LFS object is uploaded in parts; default 32 MiB. */
  multipartThreshold?: number;
  /** Bytes of a part; default 16 MiB. */
  partSize?: number;
  /** Entries of a listing page, at most; default 1000. */
  pageSize?: number;
  faults?: Fault[];
  onRequest?: (request: SeenRequest) => void;
}

export interface LocalHub {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** Where LFS objects are stored and fetched: another origin, as on the real Hub. */
  readonly storageUrl: string;
  /** Push to inject failures. */
  readonly faults: Fault[];
  /** Requests that brought an `Authorization` header to the storage origin: each is a client's bug. */
  readonly leakedTokens: number;
  close(): Promise<void>;
  /** Makes main of a repo (`<namespace>/<name>`, or a dataset's with `datasets/` before it) hold exactly the files of a folder; returns the commit. */
  seed(id: string, folder: string): Promise<string>;
  /** Head commit of main; null where there is no such repo. */
  head(id: string): string | null;
  /** Files of main; empty where there is no such repo. */
  files(
    id: string,
  ): ReadonlyMap<string, { readonly size: number; readonly sha256: string; readonly lfs: boolean }>;
}

/** Starts a Hub on 127.0.0.1. Same requests, same folder: same commits, whatever the clock and the ports. */
export async function startLocalHub(options: LocalHubOptions): Promise<LocalHub> {
  const store = await Store.open(options.folder).catch((error) => cannotUse(options.folder, error));
  const storage = new Storage(store);
  const faults = options.faults ?? [];
  const hub: HubState = {
    store,
    storage,
    users: userTable(options.users),
    gated: options.gated ?? {},
    lfsThreshold: options.lfsThreshold ?? 10 * 1024 * 1024,
    pageSize: options.pageSize ?? 1000,
  };
  const table = routes({
    multipartThreshold: options.multipartThreshold ?? 32 * 1024 * 1024,
    partSize: options.partSize ?? 16 * 1024 * 1024,
  });
  const shared = { faults, onRequest: options.onRequest };
  const storageServer = await serve(
    { ...shared, origin: "storage", answer: (request) => storage.handle(request) },
    0,
  );
  storage.url = storageServer.url;
  const answer = (request: IncomingMessage) => answerHub(hub, table, request);
  const hubServer = await serve({ ...shared, origin: "hub", answer }, options.port ?? 0).catch(
    async (error) => {
      await storageServer.close();
      throw new OqeError(
        "BAD_INPUT",
        `Port ${options.port} cannot be used: ${reasonOf(error)}`,
        "Choose another port.",
        error,
      );
    },
  );
  return {
    url: hubServer.url,
    storageUrl: storage.url,
    faults,
    get leakedTokens() {
      return storage.leakedTokens;
    },
    close: async () => {
      await Promise.all([hubServer.close(), storageServer.close()]);
    },
    seed: async (id, folder) => {
      if (!isLegalId(id))
        throw new OqeError("BAD_INPUT", `${id} is no legal repo id`, "Use <namespace>/<name>.");
      return (await store.seed(id, folder).catch((error) => cannotUse(folder, error))).id;
    },
    head: (id) => store.get(id)?.resolve("main")?.id ?? null,
    files: (id) => store.get(id)?.resolve("main")?.tree ?? new Map(),
  };
}

function cannotUse(folder: string, error: Error): never {
  throw new OqeError(
    "DISK",
    `${folder} cannot be used: ${reasonOf(error)}`,
    "It must be a folder that can be read and written.",
    error,
  );
}
