import type { Report } from "../ground/report.ts";
import { branchTarget, describeHead, readBranch, removeBranch } from "./branch.ts";
import { checkWrite } from "./check-write.ts";
import { openDatasetFile } from "./dataset.ts";
import { createGuard } from "./guard.ts";
import type { Hub } from "./hub-types.ts";
import { identify } from "./identify.ts";
import { inspect } from "./inspect.ts";
import { checkEndpoint, checkToken, createSender, defaultEndpoint } from "./origin.ts";
import { createPatience, type Patience } from "./patience.ts";
import { pull } from "./pull.ts";
import { push } from "./push.ts";
import { stageFiles } from "./staging.ts";
import { countRequests, newTraffic, type TrafficCount } from "./traffic.ts";
import { createTransport } from "./transport.ts";
import { validateCard } from "./validate-card.ts";

export interface HubOptions {
  /** https, or http on this machine. */
  readonly endpoint?: string;
  /** null: read without an account. */
  readonly token: string | null;
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
  const token = checkToken(options.token);
  const guard = createGuard(token);
  const traffic = options.traffic ?? newTraffic();
  const transport = createTransport(
    endpoint,
    token !== null,
    createSender(endpoint, token, countRequests(options.fetch ?? fetch, traffic)),
    createPatience(guard.report(options.report), { ...options.patience, traffic }),
  );
  return {
    endpoint,
    traffic,
    identify: guard.errors(() => identify(transport)),
    open: guard.errors(async (id, revision) =>
      guard.repository(await pull(transport, id, revision)),
    ),
    openDatasetFile: guard.errors(async (dataset, path, revision) =>
      guard.repository(await openDatasetFile(transport, dataset, path, revision)),
    ),
    inspect: guard.errors((repository) => inspect(transport, repository)),
    checkWrite: guard.errors((repository) => checkWrite(transport, repository)),
    readBranch: guard.errors(async (repository, branch) => {
      const found = await readBranch(transport, repository, branch);
      return found && { ...found, content: guard.repository(found.content) };
    }),
    describeBranch: guard.errors(async (repository, branch) =>
      describeHead(transport, branchTarget(repository, branch)),
    ),
    stage: guard.errors((request) => stageFiles(transport, request)),
    removeBranch: guard.errors((repository, branch) => removeBranch(transport, repository, branch)),
    push: guard.errors((request) => push(transport, request)),
    validateCard: guard.errors((text) => validateCard(transport, text)),
  };
}
