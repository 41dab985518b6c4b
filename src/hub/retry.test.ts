import { expect, it, onTestFinished } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { playServer, type Seen, testToken, thrown } from "../../test/support/scripted-server.ts";
import { silentReport } from "../ground/report.ts";
import { createSender } from "./origin.ts";
import { createPatience, retryLimits } from "./patience.ts";
import { toldWait } from "./retry.ts";
import { oneToken } from "./token-source.ts";
import { createTransport } from "./transport.ts";

/**
 * A transport against a server that gives the answers of `script` in order and 200 "fine" after
 * them.
 */
async function playScript(
  script: ((request: Seen, response: import("node:http").ServerResponse) => void)[],
) {
  const server = await playServer((request, response) => {
    const step = script[server.seen.length - 1];
    if (step) step(request, response);
    else response.end("fine");
  });
  onTestFinished(server.close);
  const waits: number[] = [];
  const clock = manualClock();
  const transport = createTransport(
    server.url,
    "token",
    createSender(server.url, oneToken(testToken), fetch),
    createPatience(silentReport, {
      ...clock,
      sleep: async (milliseconds) => {
        waits.push(milliseconds);
      },
      random: () => 0.5,
    }),
  );
  return { server, waits, clock, transport };
}

const status =
  (code: number, headers: Record<string, string> = {}) =>
  (_request: Seen, response: import("node:http").ServerResponse) => {
    response.writeHead(code, headers).end("later");
  };

it.each([408, 429, 500, 502, 503, 504])(
  "tries again after %i, waiting half of a doubling limit",
  async (code) => {
    const { server, waits, transport } = await playScript([
      status(code),
      status(code),
      status(code),
    ]);
    const response = await transport.fetch(`${server.url}/x`);
    expect(await response.text()).toBe("fine");
    expect(waits).toEqual([500, 1000, 2000]);
  },
);

it.each([400, 401, 403, 404, 409, 412, 413, 416, 422, 501])("returns %i at once", async (code) => {
  const { server, waits, transport } = await playScript([status(code)]);
  expect((await transport.fetch(`${server.url}/x`)).status).toBe(code);
  expect(server.seen).toHaveLength(1);
  expect(waits).toEqual([]);
});

it.each([
  [429, { "Retry-After": "7" }, 7_000],
  [503, { "Retry-After": "120" }, 120_000],
  [
    503,
    { "Retry-After": "Tue, 24 Nov 2026 10:00:30 GMT", Date: "Tue, 24 Nov 2026 10:00:00 GMT" },
    30_000,
  ],
  [429, { RateLimit: '"api";r=0;t=55' }, 55_000],
  [429, { RateLimit: '"api";r=3;t=12, "resolvers";r=0;t=301' }, 301_000],
  [503, { RateLimit: '"api";r=0;t=55' }, 500],
  [429, { "Retry-After": "0" }, 500],
  [429, { "Retry-After": "soon" }, 500],
] as const)("after %i with %j waits %i ms", async (code, headers, wait) => {
  const { server, waits, transport } = await playScript([status(code, headers)]);
  await transport.fetch(`${server.url}/x`);
  expect(waits).toEqual([wait]);
});

it("compares a date with the local clock if the server sends none", () => {
  const headers = new Headers({ "Retry-After": "Tue, 24 Nov 2026 10:00:30 GMT" });
  expect(toldWait(503, headers, Date.parse("Tue, 24 Nov 2026 10:00:20 GMT"))).toBe(10_000);
  expect(toldWait(503, headers, Date.parse("Tue, 24 Nov 2026 11:00:00 GMT"))).toBe(0);
});

it("gives up after the last attempt, with waits that stay under the longest", async () => {
  const { server, waits, transport } = await playScript(
    Array(50).fill(status(503, { "X-Error-Message": "overloaded" })),
  );
  const failure = await thrown(transport.fetch(`${server.url}/x?signature=secret`));
  expect(failure).toMatchObject({
    code: "NETWORK",
    message: expect.stringContaining("status 503 (overloaded)"),
  });
  expect(String(failure)).not.toContain("signature");
  expect(server.seen).toHaveLength(retryLimits.attempts);
  expect(waits).toEqual([500, 1000, 2000, 4000, 8000, 16000, 30000]);
});

it("does not wait if the server asks for more than a rate window", async () => {
  const { server, waits, transport } = await playScript([status(429, { "Retry-After": "3600" })]);
  expect(await thrown(transport.fetch(`${server.url}/x`))).toMatchObject({
    code: "NETWORK",
    message: expect.stringContaining("3600 s"),
  });
  expect(waits).toEqual([]);
});

it("waits at most three rate windows in total", async () => {
  const { server, waits, transport } = await playScript(
    Array(50).fill(status(429, { "Retry-After": "300" })),
  );
  expect(await thrown(transport.fetch(`${server.url}/x`))).toMatchObject({ code: "NETWORK" });
  expect(waits).toEqual([300_000, 300_000, 300_000]);
});

it("tries again after a reset before or during the answer", async () => {
  const { server, waits, transport } = await playScript([
    (_request, response) => response.socket?.destroy(),
    (_request, response) => {
      response.writeHead(200, { "Content-Length": "100" });
      response.write("only this", () => response.socket?.destroy());
    },
  ]);
  expect(await (await transport.fetch(`${server.url}/x`)).text()).toBe("fine");
  expect(waits).toEqual([500, 1000]);
});

it("names an unreachable server", async () => {
  const { server, transport, waits } = await playScript([]);
  await server.close();
  expect(await thrown(transport.fetch(`${server.url}/x`))).toMatchObject({
    code: "NETWORK",
    message: expect.stringContaining("ECONNREFUSED"),
  });
  expect(waits).toHaveLength(retryLimits.firstContact - 1);
});

it("waits longer for a server that has answered before", async () => {
  const { server, transport, waits } = await playScript([]);
  await transport.fetch(`${server.url}/x`);
  await server.close();
  expect(await thrown(transport.fetch(`${server.url}/x`))).toMatchObject({ code: "NETWORK" });
  expect(waits).toHaveLength(retryLimits.attempts - 1);
});

it.each([
  ["a string", () => "payload"],
  ["a Blob", () => new Blob(["payload"])],
  ["bytes", () => new TextEncoder().encode("payload")],
  ["a form", () => new URLSearchParams("payload=")],
])("sends %s a second time", async (_name, body) => {
  const { server, transport } = await playScript([status(503)]);
  await transport.fetch(`${server.url}/x`, { method: "POST", body: body() });
  expect(server.seen.map((request) => request.body.slice(0, 7))).toEqual(["payload", "payload"]);
});

it("sends a stream once only", async () => {
  const { server, transport, waits } = await playScript([status(503)]);
  const body = new Blob(["payload"]).stream();
  const failure = await thrown(
    transport.fetch(`${server.url}/x`, { method: "POST", body, duplex: "half" } as RequestInit),
  );
  expect(failure).toMatchObject({
    code: "NETWORK",
    message: expect.stringContaining("cannot be sent again"),
  });
  expect(server.seen).toHaveLength(1);
  expect(waits).toEqual([]);
});

it("stops between attempts when the caller aborts", async () => {
  const { server, transport } = await playScript(Array(50).fill(status(503)));
  const controller = new AbortController();
  const patience = { ...transport.patience, sleep: async () => controller.abort() };
  const impatient = createTransport(server.url, "token", transport, patience);
  expect(
    await thrown(impatient.fetch(`${server.url}/x`, { signal: controller.signal })),
  ).toMatchObject({
    name: "AbortError",
  });
  expect(server.seen).toHaveLength(1);
});
