import type { IncomingMessage } from "node:http";
import { checkGate, checkMayRead, checkMayWrite, identify } from "./auth.ts";
import {
  addItem,
  changeCollection,
  changeItem,
  createCollection,
  deleteCollection,
  deleteItem,
  listCollections,
  readCollection,
} from "./collections.ts";
import { commit, preupload } from "./commit.ts";
import { type Context, decodeSegment, type HubState, type RepoContext } from "./context.ts";
import { createDiscussion, discussion, listDiscussions, merge, setStatus } from "./discussions.ts";
import { refuse } from "./errors.ts";
import type { Reply } from "./exchange.ts";
import { completeMultipart, lfsBatch, lfsVerify, type TransferLimits } from "./lfs.ts";
import { commits, pathsInfo, tree } from "./listing.ts";
import { createRepo, deleteRepo, listModels, repoInfo, validateYaml, whoami } from "./models.ts";
import { datasetsRoot } from "./names.ts";
import { createBranch, createTag, deleteBranch, deleteTag, refs } from "./refs.ts";
import { rawFile, resolveFile } from "./resolve.ts";
import { identityPath } from "./trusted-publishers.ts";

export interface Route {
  /** One method, or several separated by `|`. */
  readonly method: string;
  /** `:x` matches one segment, a trailing `*` any number. */
  readonly pattern: string;
  /**
   * The right that the user needs. `open`: none (the handler checks); `read`: to see the repo;
   * `content`: also to pass its gate; `write`: to change the repo.
   */
  readonly needs: "open" | "read" | "content" | "write";
  readonly handle: (context: RepoContext) => Promise<Reply>;
  /** `datasets/` for a route of datasets. */
  readonly prefix?: string;
}

const open = (
  method: string,
  pattern: string,
  handle: (context: Context) => Promise<Reply>,
): Route => ({
  method,
  pattern,
  needs: "open",
  handle,
});

/** Datasets can only be read. They are made by copying a folder into the store. */
const ofDatasets = (table: readonly Route[]) =>
  table.map((route) => ({ ...route, prefix: `${datasetsRoot}/` }));

/** Every request that the Hub answers. */
export function routes(limits: TransferLimits): readonly Route[] {
  const model = "/api/models/:namespace/:name";
  const repo = "/:namespace/:name";
  const dataset = "/api/datasets/:namespace/:name";
  const collection = "/api/collections/:namespace/:name";
  return [
    open("GET", "/api/whoami-v2", whoami),
    open("POST", "/api/validate-yaml", validateYaml),
    open("POST", "/api/repos/create", createRepo),
    open("DELETE", "/api/repos/delete", deleteRepo),
    open("POST", "/api/complete_multipart", completeMultipart),
    open("GET", "/api/models", listModels),
    open("POST", "/oauth/token", ({ hub, request }) =>
      hub.publishers.exchange(request, (id) => hub.store.get(id) !== undefined),
    ),
    open("GET", "/api/collections", listCollections),
    open("POST", "/api/collections", createCollection),
    open("GET", collection, readCollection),
    open("PATCH", collection, changeCollection),
    open("DELETE", collection, deleteCollection),
    open("POST", `${collection}/items`, addItem),
    open("PATCH", `${collection}/items/:item`, changeItem),
    open("DELETE", `${collection}/items/:item`, deleteItem),
    { method: "GET", pattern: model, needs: "read", handle: repoInfo },
    { method: "GET", pattern: `${model}/revision/:revision`, needs: "read", handle: repoInfo },
    { method: "GET", pattern: `${model}/tree/*`, needs: "read", handle: tree },
    { method: "POST", pattern: `${model}/paths-info/:revision`, needs: "read", handle: pathsInfo },
    { method: "GET", pattern: `${model}/commits/*`, needs: "read", handle: commits },
    { method: "GET", pattern: `${model}/refs`, needs: "read", handle: refs },
    { method: "GET", pattern: `${model}/auth-check`, needs: "content", handle: granted },
    { method: "GET", pattern: `${model}/auth-check/write`, needs: "write", handle: granted },
    { method: "POST", pattern: `${model}/branch/:branch`, needs: "write", handle: createBranch },
    { method: "DELETE", pattern: `${model}/branch/:branch`, needs: "write", handle: deleteBranch },
    { method: "POST", pattern: `${model}/tag/:revision`, needs: "write", handle: createTag },
    { method: "DELETE", pattern: `${model}/tag/:revision`, needs: "write", handle: deleteTag },
    { method: "POST", pattern: `${model}/preupload/:revision`, needs: "read", handle: preupload },
    { method: "POST", pattern: `${model}/commit/:revision`, needs: "read", handle: commit },
    { method: "GET", pattern: `${model}/discussions`, needs: "read", handle: listDiscussions },
    { method: "POST", pattern: `${model}/discussions`, needs: "read", handle: createDiscussion },
    { method: "GET", pattern: `${model}/discussions/:num`, needs: "read", handle: discussion },
    {
      method: "POST",
      pattern: `${model}/discussions/:num/status`,
      needs: "write",
      handle: setStatus,
    },
    { method: "POST", pattern: `${model}/discussions/:num/merge`, needs: "write", handle: merge },
    {
      method: "POST",
      pattern: `${repo}.git/info/lfs/objects/batch`,
      needs: "write",
      handle: (it) => lfsBatch(it, limits),
    },
    { method: "POST", pattern: `${repo}.git/info/lfs/verify`, needs: "write", handle: lfsVerify },
    { method: "GET|HEAD", pattern: `${repo}/resolve/*`, needs: "content", handle: resolveFile },
    { method: "GET|HEAD", pattern: `${repo}/raw/*`, needs: "content", handle: rawFile },
    ...ofDatasets([
      { method: "GET", pattern: dataset, needs: "read", handle: repoInfo },
      { method: "GET", pattern: `${dataset}/revision/:revision`, needs: "read", handle: repoInfo },
      { method: "GET", pattern: `${dataset}/tree/*`, needs: "read", handle: tree },
      {
        method: "POST",
        pattern: `${dataset}/paths-info/:revision`,
        needs: "read",
        handle: pathsInfo,
      },
      {
        method: "GET|HEAD",
        pattern: `/${datasetsRoot}${repo}/resolve/*`,
        needs: "content",
        handle: resolveFile,
      },
      {
        method: "GET|HEAD",
        pattern: `/${datasetsRoot}${repo}/raw/*`,
        needs: "content",
        handle: rawFile,
      },
    ]),
  ];
}

/** The route has checked the right. */
async function granted(): Promise<Reply> {
  return { status: 200, body: "OK" };
}

interface Match {
  readonly route: Route;
  readonly params: Record<string, string>;
  readonly rest: string[];
}

function match(route: Route, method: string, path: string): Match | null {
  if (!route.method.split("|").includes(method)) return null;
  const source = route.pattern
    .replace(/\./g, "\\.")
    .replace(/:(\w+)/g, "(?<$1>[^/]+?)")
    .replace(/\*$/, "(?<rest>.+)");
  const found = new RegExp(`^${source}$`).exec(path);
  if (!found) return null;
  const { rest, ...params } = { ...found.groups };
  const decoded = Object.entries(params).map(([name, value]) => [name, decodeSegment(value!)]);
  return {
    route,
    params: Object.fromEntries(decoded),
    rest: rest?.split("/").map(decodeSegment) ?? [],
  };
}

/** Finds the route, checks the token and the right, and runs the handler. */
export async function answerHub(
  hub: HubState,
  table: readonly Route[],
  request: IncomingMessage,
): Promise<Reply> {
  const [path = "", query = ""] = request.url!.split(/\?(.*)/s);
  if (path === identityPath) return hub.publishers.identity(request);
  const user = identify(request.headers.authorization, hub.users);
  for (const route of table) {
    const matched = match(route, request.method!, path);
    if (!matched) continue;
    const { params, rest } = matched;
    const origin = `http://${request.headers.host}`;
    const context = {
      hub,
      request,
      user,
      origin,
      path,
      query: new URLSearchParams(query),
      params,
      rest,
    };
    // Open routes do not use the repository.
    if (route.needs === "open") return route.handle(context as unknown as RepoContext);
    const found = hub.store.get(`${route.prefix ?? ""}${params.namespace}/${params.name}`);
    // No model is called `datasets%2Facme/text`. Such a name would allow writing to a dataset.
    const repo = checkMayRead(
      user,
      found?.isDataset === (route.prefix !== undefined) ? found : undefined,
    );
    if (route.needs === "content") checkGate(user, repo, hub.gated);
    if (route.needs === "write") checkMayWrite(user, repo);
    return route.handle({ ...context, repo });
  }
  throw refuse.noRoute();
}
