import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type LocalHubUser, userTable } from "./auth.ts";
import type { HubState } from "./context.ts";
import { Refusal, refuse } from "./errors.ts";
import { json, type Reply, refusalReply, send } from "./exchange.ts";
import { type Fault, takeFault } from "./faults.ts";
import { checkId } from "./names.ts";
import { answerHub, routes } from "./routes.ts";
import { Storage } from "./storage.ts";
import { Store } from "./store.ts";

export type { LocalHubUser } from "./auth.ts";
export type { Fault } from "./faults.ts";

export interface SeenRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly origin: "hub" | "storage";
  /** 0 where the connection was broken by a fault before an answer. */
  readonly status: number;
}

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
  /** Makes main of a repo hold exactly the files of a folder; returns the commit. */
  seed(id: string, folder: string): Promise<string>;
  /** Head commit of main; null where there is no such repo. */
  head(id: string): string | null;
  /** Files of main; empty where there is no such repo. */
  files(id: string): ReadonlyMap<string, { readonly size: number; readonly sha256: string; readonly lfs: boolean }>;
}

/** Starts a Hub on 127.0.0.1. Same requests, same folder: same commits, whatever the clock and the ports. */
export async function startLocalHub(options: LocalHubOptions): Promise<LocalHub> {
  const store = await Store.open(options.folder);
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
  const serve = (origin: "hub" | "storage", answer: (request: IncomingMessage) => Promise<Reply>) =>
    createServer(
      (request, response) => void exchange({ origin, answer, faults, onRequest: options.onRequest }, request, response),
    );
  const hubServer = serve("hub", (request) => answerHub(hub, table, request));
  const storageServer = serve("storage", (request) => {
    const [path = "", query = ""] = request.url!.split(/\?(.*)/s);
    return storage.handle(request, path, new URLSearchParams(query));
  });
  storage.url = await listen(storageServer, 0);
  const url = await listen(hubServer, options.port ?? 0).catch(async (error) => {
    await stop(storageServer);
    throw error;
  });
  return {
    url,
    storageUrl: storage.url,
    faults,
    get leakedTokens() {
      return storage.leakedTokens;
    },
    close: async () => {
      await Promise.all([stop(hubServer), stop(storageServer)]);
    },
    seed: async (id, folder) => {
      const [namespace = "", name = "", ...more] = id.split("/");
      if (more.length > 0) throw refuse.badRequest(`Not a repo id: ${id}`);
      return (await store.seed(checkId(namespace, name), folder)).id;
    },
    head: (id) => store.get(id)?.resolve("main")?.id ?? null,
    files: (id) => store.get(id)?.resolve("main")?.tree ?? new Map(),
  };
}

async function listen(server: Server, port: number): Promise<string> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function stop(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}

interface Exchange {
  readonly origin: "hub" | "storage";
  readonly answer: (request: IncomingMessage) => Promise<Reply>;
  readonly faults: readonly Fault[];
  readonly onRequest: LocalHubOptions["onRequest"];
}

let requests = 0;

/** One request from its first byte to its last, injected faults included. */
async function exchange(how: Exchange, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = "", url = "", headers } = request;
  const seen = (status: number) => how.onRequest?.({ method, url, headers, origin: how.origin, status });
  const fault = takeFault(how.faults, `${method} ${url}`);
  response.setHeader("X-Request-Id", `local-${++requests}`);
  try {
    if (fault === "reset") {
      seen(0);
      request.socket.resetAndDestroy();
      return;
    }
    const injected = fault !== null && typeof fault === "object";
    const reply = injected
      ? json(fault.body ?? { error: "Injected" }, fault.status, fault.headers)
      : await compute(how, request);
    if (fault === "drop-answer") {
      seen(0);
      request.socket.resetAndDestroy();
      return;
    }
    seen(reply.status);
    await send(response, reply, method !== "HEAD", fault === "truncate" ? 0.5 : 1);
  } catch {
    // The client went away, or a file vanished while it was being sent: nothing more can be said on this connection.
    response.destroy();
  }
}

async function compute(how: Exchange, request: IncomingMessage): Promise<Reply> {
  try {
    checkHost(request);
    return await how.answer(request);
  } catch (error) {
    if (error instanceof Refusal) return refusalReply(error);
    // A client that hangs up in the middle of its request is no failure of ours, and hears no answer either.
    if (request.destroyed && !request.complete) throw error;
    console.error(error);
    return json({ error: "Internal Server Error" }, 500);
  }
}

/** Only by a local name: a web page that points its own name at 127.0.0.1 gets nothing. */
function checkHost(request: IncomingMessage): void {
  if (!/^(127\.0\.0\.1|localhost)(:\d{1,5})?$/i.test(request.headers.host ?? "")) {
    throw new Refusal(421, "This Hub answers on 127.0.0.1 only");
  }
  if (!request.url!.startsWith("/")) throw refuse.badRequest("The request target must be a path");
}
