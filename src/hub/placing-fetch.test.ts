import { type AddressInfo, createServer, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Placement } from "./placement.ts";
import { createPlacingFetch, type PlacedInit } from "./placing-fetch.ts";

const body = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7) & 0xff));
const ok = (length: number, more = "") =>
  Buffer.from(`HTTP/1.1 206 Partial Content\r\nContent-Length: ${length}\r\n${more}\r\n`);

/** What a server does with a request: the socket, the request, its number, that of its socket. */
type Play = (socket: Socket, request: string, number: number, connection: number) => unknown;

/** A server that answers byte by byte as told, and a fetch that can place bodies. */
async function start(play: Play) {
  const requests: string[] = [];
  let connections = 0;
  const server = createServer((socket) => {
    const connection = connections++;
    socket.on("error", () => {});
    let text = "";
    socket.on("data", (data) => {
      text += data.toString("latin1");
      if (!text.endsWith("\r\n\r\n")) return;
      requests.push(text);
      text = "";
      play(socket, requests.at(-1)!, requests.length - 1, connection);
    });
    onTestFinished(() => void socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const placing = createPlacingFetch();
  const ask = async (size: number, init: RequestInit = {}) => {
    const bytes = new Uint8Array(new SharedArrayBuffer(size));
    const placement = new Placement(bytes, () => {});
    const request: PlacedInit = { ...init, placement };
    const response = await placing(`${url}/a/b?c=d`, request);
    const isRight = () => Buffer.compare(bytes, body.subarray(0, size)) === 0;
    return { response, placement, bytes, isRight };
  };
  return { url, ask, requests, connections: () => connections };
}

// Node makes its usual connections with the first request.
beforeAll(() => fetch("data:,x"));

it("places bodies, one after the other over one connection", async () => {
  const { url, ask, requests, connections } = await start((socket) => {
    socket.write(Buffer.concat([ok(body.length, "X-A: b\r\n"), body]));
  });
  for (let i = 0; i < 3; i++) {
    const { response, placement, isRight } = await ask(body.length, {
      headers: { Range: "bytes=1-2" },
    });
    await placement.body;
    expect([response.status, response.headers.get("x-a"), response.body]).toEqual([206, "b", null]);
    expect([isRight(), placement.received]).toEqual([true, body.length]);
  }
  expect(connections()).toBe(1);
  expect(requests[2]!.split("\r\n")).toEqual(
    expect.arrayContaining(["GET /a/b?c=d HTTP/1.1", `Host: ${url.slice(7)}`, "range: bytes=1-2"]),
  );
});

it("takes answers in parts of any size, and interim ones before them", async () => {
  const { ask } = await start(async (socket) => {
    const early = Buffer.from("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
    const answer = Buffer.concat([early, ok(3000), body.subarray(0, 3000)]);
    socket.setNoDelay(true);
    for (const [from, to] of [
      [0, 3],
      [3, 40],
      [40, 60],
      [60, 120],
      [120, 121],
      [121, 3100],
    ]) {
      socket.write(answer.subarray(from, to));
      await sleep(5);
    }
    socket.write(answer.subarray(3100));
  });
  const { placement, isRight } = await ask(3000);
  await placement.body;
  expect(isRight()).toBe(true);
});

it("asks again over a new connection where the old one was closed meanwhile", async () => {
  const { ask, requests } = await start((socket, _request, number) => {
    if (number === 1) socket.destroy();
    else socket.write(Buffer.concat([ok(10), body.subarray(0, 10)]));
  });
  await (await ask(10)).placement.body;
  const { placement, isRight } = await ask(10);
  await placement.body;
  expect([isRight(), requests.length]).toEqual([true, 3]);
});

it("fails where a new connection is closed without an answer", async () => {
  const { ask, requests } = await start((socket) => socket.destroy());
  await expect(ask(10)).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(requests.length).toBe(1);
});

it("the body fails where the connection is closed within it", async () => {
  const { ask } = await start((socket) => socket.end(Buffer.concat([ok(10), body.subarray(0, 9)])));
  const { placement } = await ask(10);
  await expect(placement.body).rejects.toMatchObject({ code: "ECONNRESET" });
  expect(placement.received).toBe(9);
});

it("gives a short refusal with its body, over a connection that stays", async () => {
  const { ask, connections } = await start((socket) =>
    socket.write("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone"),
  );
  for (let i = 0; i < 2; i++) {
    const { response, placement } = await ask(10);
    expect([response.status, await response.text(), placement.body]).toEqual([404, "none", null]);
  }
  expect(connections()).toBe(1);
});

describe("gives a body as usual that is not of the wanted length", () => {
  const chunked =
    "HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n";
  it.each([
    ["in chunks", chunked],
    ["up to the end of the connection", "HTTP/1.1 206 P\r\n\r\n0123456789"],
    ["longer", "HTTP/1.1 206 P\r\nContent-Length: 11\r\n\r\n0123456789a"],
    ["encoded", "HTTP/1.1 206 P\r\nContent-Encoding: x\r\nContent-Length: 10\r\n\r\n0123456789"],
    ["whole", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"],
  ])("%s", async (_what, answer) => {
    const { ask, requests } = await start((socket) => socket.end(answer));
    const { response, placement } = await ask(10);
    expect([(await response.text()).slice(0, 10), placement.body]).toEqual(["0123456789", null]);
    expect(requests.length).toBe(1);
  });
});

it("ends with the reason of the signal, before the head and within the body", async () => {
  let answers = false;
  const { ask } = await start((socket) => {
    if (answers) socket.write(Buffer.concat([ok(10), body.subarray(0, 5)]));
  });
  for (answers of [false, true]) {
    const abort = new AbortController();
    const asked = ask(10, { signal: abort.signal });
    if (answers) await asked;
    abort.abort(new Error("enough"));
    await expect(asked.then(({ placement }) => placement.body)).rejects.toThrow(
      answers ? "aborted" : "enough",
    );
  }
});

it("writes nothing after it was cancelled", async () => {
  let rest = () => {};
  const { ask } = await start((socket) => {
    socket.write(Buffer.concat([ok(10), body.subarray(0, 5)]));
    rest = () => void socket.write(body.subarray(5, 10));
  });
  const { placement, bytes } = await ask(10);
  placement.cancel();
  rest();
  await expect(placement.body).rejects.toThrow();
  await sleep(20);
  expect(bytes[9]).toBe(0);
});
