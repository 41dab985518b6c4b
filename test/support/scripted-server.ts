import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Report } from "../../src/ground/report.ts";
import { connectHub, type HubOptions } from "../../src/hub/client.ts";
import { manualClock } from "./manual-clock.ts";

// A real HTTP server on 127.0.0.1 that answers as a test says, and a client that does not wait.

export interface Seen {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Port of the client's end of the connection. */
  readonly port: number | undefined;
}

export interface ScriptedServer {
  readonly url: string;
  /** Every request so far, in order. */
  readonly seen: Seen[];
  close(): Promise<void>;
}

export async function playServer(
  answer: (request: Seen, response: ServerResponse) => void,
): Promise<ScriptedServer> {
  const seen: Seen[] = [];
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const { method = "", url: path = "", headers } = incoming;
      const { remotePort: port } = incoming.socket;
      const request = { method, path, headers, body: Buffer.concat(chunks).toString(), port };
      seen.push(request);
      answer(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function json(
  response: ServerResponse,
  value: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify(value));
}

export const testToken = "hf_aVerySecretTokenOfTheTests";

/** A report that keeps its lines. */
export function recordingReport(): Report & {
  readonly lines: string[];
  readonly ticks: [number, number, string][];
} {
  const lines: string[] = [];
  const ticks: [number, number, string][] = [];
  return {
    lines,
    ticks,
    stage: (_name, run) => run(),
    info: (line) => lines.push(line),
    warn: (line) => lines.push(line),
    tick: (done, total, unit) => ticks.push([done, total, unit]),
  };
}

/**
 * A client whose waits are recorded instead of waited for, and whose clock a test moves. `random`
 * is 0.5 always: half of the largest wait.
 */
export function connectForTest(endpoint: string, options: Partial<HubOptions> = {}) {
  const waits: number[] = [];
  const clock = manualClock();
  const report = recordingReport();
  const sleep = async (milliseconds: number) => {
    waits.push(milliseconds);
  };
  const patience = { ...clock, sleep, random: () => 0.5 };
  const hub = connectHub({ endpoint, token: testToken, report, patience, ...options });
  return { hub, waits, report, clock };
}

/** What an awaited call throws. */
export async function thrown(run: Promise<unknown>): Promise<unknown> {
  try {
    await run;
  } catch (failure) {
    return failure;
  }
  throw new Error("expected an error, but none was thrown");
}
