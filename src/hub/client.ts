import type { Report } from "../ground/report.ts";
import { branchTarget, describeHead, readBranch, removeBranch } from "./branch.ts";
import { checkWrite } from "./check-write.ts";
import { refreshCollection } from "./collection.ts";
import { openDatasetFile } from "./dataset.ts";
import { createGuard } from "./guard.ts";
import type { Hub } from "./hub-types.ts";
import { identify } from "./identify.ts";
import { inspect } from "./inspect.ts";
import { type Keyless, keylessTokens } from "./keyless.ts";
import { checkEndpoint, checkToken, createSender, defaultEndpoint } from "./origin.ts";
import { createPatience, type Patience } from "./patience.ts";
import { createPlacingFetch } from "./placing-fetch.ts";
import { inspectProposal } from "./proposal.ts";
import { amend } from "./propose.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";
import { stageFiles } from "./staging.ts";
import { readTag, tagRepository } from "./tag.ts";
import { oneToken, type TokenSource } from "./token-source.ts";
import { countRequests, newTraffic, type TrafficCount } from "./traffic.ts";
import { createTransport } from "./transport.ts";
import { validateCard } from "./validate-card.ts";

export interface HubOptions {
  /** https, or http on this machine. */
  readonly endpoint?: string;
  /** null: read without an account. `Keyless`: tokens by exchange, for what the run publishes. */
  readonly token: string | Keyless | null;
  readonly report: Report;
  /** Dependencies for tests and proxies. */
  readonly fetch?: typeof globalThis.fetch;
  /** Clock, timers and random numbers. */
  readonly patience?: Partial<Omit<Patience, "report" | "traffic">>;
  /** Counts what several connections send and receive together. */
  readonly traffic?: TrafficCount;
}

/**
 * Connects to the Hub, without a request yet. Throws BAD_INPUT for an illegal endpoint or token.
 */
export function connectHub(options: HubOptions): Hub {
  const endpoint = checkEndpoint(options.endpoint ?? defaultEndpoint);
  const traffic = options.traffic ?? newTraffic();
  const counted = countRequests(options.fetch ?? createPlacingFetch(), traffic);
  const guard = createGuard(() => tokens.secrets());
  const patience = createPatience(guard.report(options.report), { ...options.patience, traffic });
  const connect = (source: TokenSource) =>
    createTransport(endpoint, source.access, createSender(endpoint, source, counted), patience);
  const tokens: TokenSource =
    typeof options.token === "object" && options.token !== null
      ? keylessTokens(options.token, connect(oneToken(null)))
      : oneToken(checkToken(options.token));
  const transport = connect(tokens);
  /** The transport for what this run does to a repository of its own. */
  const at = (repository: string) => {
    tokens.claim(repository);
    return transport;
  };
  return {
    endpoint,
    access: tokens.access,
    traffic,
    identify: guard.errors(() => identify(transport)),
    open: guard.errors(async (id, revision) =>
      guard.repository(await pull(transport, id, revision)),
    ),
    openDatasetFile: guard.errors(async (dataset, path, revision) =>
      guard.repository(await openDatasetFile(transport, dataset, path, revision)),
    ),
    inspectProposal: guard.errors((repository, title) =>
      inspectProposal(at(repository), repository, title),
    ),
    inspect: guard.errors((repository) => inspect(at(repository), repository)),
    checkWrite: guard.errors((repository) => checkWrite(at(repository), repository)),
    readBranch: guard.errors(async (repository, branch) => {
      const found = await readBranch(at(repository), repository, branch);
      return found && { ...found, content: guard.repository(found.content) };
    }),
    describeBranch: guard.errors(async (repository, branch) =>
      describeHead(at(repository), branchTarget(repository, branch)),
    ),
    stage: guard.errors((request) => stageFiles(at(request.repository), request)),
    removeBranch: guard.errors((repository, branch) =>
      removeBranch(at(repository), repository, branch),
    ),
    readTag: guard.errors((repository, tag) => readTag(at(repository), repository, tag)),
    tag: guard.errors((request) => tagRepository(at(request.repository), request)),
    refreshCollection: guard.errors((request) => refreshCollection(transport, request)),
    amend: guard.errors((request) => amend(at(request.repository), request)),
    push: guard.errors((request) => push(at(request.repository), request)),
    validateCard: guard.errors((text) => validateCard(transport, text)),
  };
}
