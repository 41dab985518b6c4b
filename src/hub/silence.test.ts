import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import {
  connectForTest,
  json,
  recordingReport,
  thrown,
} from "../../test/support/scripted-server.ts";
import { createSender } from "./origin.ts";
import { createPatience, retryLimits } from "./patience.ts";
import { oneToken } from "./token-source.ts";
import { createTransport } from "./transport.ts";

const clock = () => manualClock(Date.UTC(2026, 0, 1, 10, 0));
const fiveMinutes = 300_000;
const size = 4 << 20;

/** A server that does as told with each request, and a transport whose clock the test moves. */
async function start(
  answer: (
    request: IncomingMessage,
    response: ServerResponse,
    time: ReturnType<typeof clock>,
  ) => unknown,
) {
  const time = clock();
  const began = time.now();
  let requests = 0;
  const server = createServer((request, response) => {
    requests++;
    // A client that gives up is not the fault of the server.
    Promise.resolve(answer(request, response, time)).catch(() => {});
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const report = recordingReport();
  let waited = 0;
  const sleep = async (milliseconds: number) => {
    waited += milliseconds;
  };
  const given = { ...time, sleep, random: () => 0.5 };
  const transport = createTransport(
    url,
    "none",
    createSender(url, oneToken(null), fetch),
    createPatience(report, given),
  );
  return {
    url,
    transport,
    report,
    hub: connectForTest(url, { report, patience: given }).hub,
    requests: () => requests,
    /** Milliseconds on the clock, waits between attempts included. */
    spent: () => time.now() - began + waited,
  };
}

/** Moves the clock second by second until the attempt ends, and calls `each` every second. */
async function tick(time: ReturnType<typeof clock>, response: ServerResponse, each = () => {}) {
  while (time.isAwaited() && !response.writableEnded) {
    each();
    await setImmediate();
    time.advance(1000);
  }
}

it("a server that accepts and says nothing is given up after four minutes", async () => {
  const { url, transport, requests, spent, report } = await start((_request, response, time) =>
    tick(time, response),
  );
  expect(await thrown(transport.fetch(`${url}/x`))).toMatchObject({
    code: "NETWORK",
    message: expect.stringMatching(/failed after 4 attempts in 24\d s.*no answer for 5\d s$/),
  });
  expect(requests()).toBe(4);
  expect(spent()).toBeLessThan(fiveMinutes);
  expect(report.lines[0]).toBe(`GET ${url}/x: no answer for 30 s; trying until 10:04 UTC`);
  expect(report.lines[1]).toMatch(/no answer for 60 s; attempt 2 of 8 in 0.5 s$/);
});

it("the next call to a silent server is given up after half a minute", async () => {
  const { url, transport, requests, spent } = await start((_request, response, time) =>
    tick(time, response),
  );
  await thrown(transport.fetch(`${url}/x`));
  const [before, began] = [requests(), spent()];
  expect(await thrown(transport.fetch(`${url}/y`))).toMatchObject({ code: "NETWORK" });
  expect(requests() - before).toBe(1);
  expect(spent() - began).toBeLessThanOrEqual(32_000);
});

it("after an answer, a silent server gets its minutes again", async () => {
  const { url, transport, requests } = await start((request, response, time) =>
    request.url === "/fine" ? response.end("fine") : tick(time, response),
  );
  await thrown(transport.fetch(`${url}/x`));
  await transport.fetch(`${url}/fine`);
  const before = requests();
  await thrown(transport.fetch(`${url}/x`));
  expect(requests() - before).toBe(4);
});

it.each<[string, (response: ServerResponse) => (() => void) | undefined]>([
  ["sends headers and then nothing", () => undefined],
  ["sends a byte per second", (response) => () => response.write("x")],
  ["sends 5 kB per second", (response) => () => response.write("x".repeat(5_000))],
])("a server that %s is given up within five minutes", async (_name, writer) => {
  const { url, transport, requests, spent } = await start((_request, response, time) => {
    response.writeHead(200).flushHeaders();
    return tick(time, response, writer(response));
  });
  expect(await thrown(transport.fetch(`${url}/x`))).toMatchObject({
    code: "NETWORK",
    message: expect.stringMatching(/no answer for|only \d+ bytes in/),
  });
  expect(requests()).toBeLessThanOrEqual(4);
  expect(spent()).toBeLessThan(fiveMinutes);
});

it("a slow body that brings enough is waited for", async () => {
  const { url, transport, requests, spent } = await start(async (_request, response, time) => {
    response.writeHead(200).flushHeaders();
    let left = 300;
    await tick(time, response, () => {
      if (left-- === 0) response.end();
      else response.write("x".repeat(20_000));
    });
  });
  expect((await (await transport.fetch(`${url}/x`)).text()).length).toBe(300 * 20_000);
  expect(requests()).toBe(1);
  expect(spent()).toBeGreaterThanOrEqual(fiveMinutes);
});

it("weights that come a byte per second are given up, and the file is named", async () => {
  const { hub, spent, report } = await start((request, response, time) => {
    const { url = "" } = request;
    const commit = "c".repeat(40);
    if (url.includes("/revision/")) return json(response, { id: "acme/m", sha: commit });
    if (url.includes("/tree/"))
      return json(response, [{ type: "file", path: "w", size, oid: "b".repeat(40) }]);
    response.writeHead(206, { "Content-Range": `bytes 0-${size - 1}/${size}` }).flushHeaders();
    return tick(time, response, () => response.write("x"));
  });
  const source = await (await hub.open("acme/m")).open("w");
  expect(await thrown(source.read(0, size))).toMatchObject({
    code: "NETWORK",
    message: expect.stringMatching(/^Reading acme\/m@c{40}\/w at 0 failed after 4 attempts/),
  });
  expect(spent()).toBeLessThan(fiveMinutes);
  expect(report.lines[0]).toMatch(/only \d\d bytes in 30 s; trying until 10:0\d UTC$/);
});

it.each([
  ["a Blob", () => new Blob([new Uint8Array(8 << 20)])],
  ["bytes", () => new Uint8Array(8 << 20)],
  ["a long text", () => "x".repeat(8 << 20)],
])("an upload of %s that nobody reads is given up", async (_name, body) => {
  const { url, transport, spent } = await start((request, response, time) => {
    request.pause();
    return tick(time, response);
  });
  expect(await thrown(transport.fetch(`${url}/x`, { method: "PUT", body: body() }))).toMatchObject({
    code: "NETWORK",
    message: expect.stringMatching(/no answer for|only \d+ bytes in/),
  });
  expect(spent()).toBeLessThan(fiveMinutes);
});

it("a slow upload that is read steadily arrives whole, with its length", async () => {
  let read = 0;
  const { url, transport, requests, spent } = await start(async (request, response, time) => {
    expect(request.headers["content-length"]).toBe(String(64 << 20));
    for await (const chunk of request as AsyncIterable<Buffer>) {
      read += chunk.length;
      await setImmediate();
      time.advance(chunk.length / 200);
    }
    response.end("fine");
  });
  const body = new Uint8Array(64 << 20);
  expect((await transport.fetch(`${url}/x`, { method: "PUT", body })).status).toBe(200);
  expect(read).toBe(64 << 20);
  expect(requests()).toBe(1);
  expect(spent()).toBeGreaterThan(2 * retryLimits.silence);
});

it("a machine that slept does not blame the server", async () => {
  const { url, transport, requests } = await start((_request, response, time) => {
    time.sleepThrough(3_600_000);
    response.end("fine");
  });
  expect(await (await transport.fetch(`${url}/x`)).text()).toBe("fine");
  expect(requests()).toBe(1);
});
