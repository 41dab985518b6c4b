import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { body, ok, startPlacing } from "../../test/support/placing.ts";

// Node makes its usual connections with the first request.
beforeAll(() => fetch("data:,x"));

const answer = (size: number, more = "") => Buffer.concat([ok(size, more), body.subarray(0, size)]);

/** A server whose first answer is placed by the client; `play` answers to the line behind it. */
async function startLine(play: (socket: Socket, number: number) => unknown) {
  const server = await startPlacing((socket, _request, number) =>
    number === 0 ? socket.write(answer(10)) : play(socket, number),
  );
  await (await server.ask(10)).placement.body;
  return server;
}

it("takes an answer in parts of any size", async () => {
  const { ask, requests, connections } = await startLine(async (socket) => {
    socket.setNoDelay(true);
    const bytes = answer(3000, "X-A: b\r\n");
    for (const [from, to] of [
      [0, 3],
      [3, 40],
      [40, 60],
      [60, 100],
      [100, 3000],
    ]) {
      socket.write(bytes.subarray(from, to));
      await sleep(5);
    }
    socket.write(bytes.subarray(3000));
  });
  const { response, placement, isRight } = await ask(3000, { headers: { Range: "bytes=1-2" } });
  await placement.body;
  expect([response.status, response.headers.get("x-a"), response.body]).toEqual([206, "b", null]);
  expect([isRight(), placement.received, requests.length, connections()]).toEqual([
    ...[true, 3000, 2, 2],
  ]);
  expect(requests[1]).toContain("range: bytes=1-2\r\n");
});

it("is used again, for one request at a time", async () => {
  const { ask, requests, connections } = await startLine((socket) => socket.write(answer(1000)));
  const read = async () => {
    const { placement, isRight } = await ask(1000);
    await placement.body;
    return isRight();
  };
  expect([await read(), await read()]).toEqual([true, true]);
  expect(await Promise.all([read(), read(), read()])).toEqual([true, true, true]);
  expect([requests.length, connections()]).toEqual([6, 4]);
});

it("gives short answers with their body, and stays", async () => {
  const answers = [
    "HTTP/1.1 206 P\r\nContent-Length: 11\r\n\r\n0123456789a",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789",
    "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
    "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n",
  ];
  const { ask, requests, connections } = await startLine(async (socket, number) => {
    const text = answers[number - 1]!;
    socket.write(text.slice(0, -1));
    await sleep(5);
    socket.write(text.slice(-1));
  });
  for (const text of answers) {
    const { response, placement } = await ask(10);
    const [status, body] = [response.status, await response.text()];
    expect([String(status), placement.body]).toEqual([text.slice(9, 12), null]);
    expect(text.split("\r\n\r\n")[1]).toBe(body);
  }
  expect([requests.length, connections()]).toEqual([5, 2]);
});

describe("leaves other answers to the client, which asks again", () => {
  const chunked = "HTTP/1.1 206 P\r\nTransfer-Encoding: chunked\r\n";
  const long = "HTTP/1.1 403 No\r\nContent-Length: 20000\r\n\r\n";
  it.each([
    ["in chunks", `${chunked}\r\na\r\n0123456789\r\n0\r\n\r\n`],
    ["in chunks with a length", `${chunked}Content-Length: 10\r\n\r\n5\r\n01234\r\n`],
    ["with two lengths", `${ok(10)}`.replace("\r\n\r", "\r\nContent-Length: 11\r\n\r")],
    ["without a length", "HTTP/1.1 206 P\r\n\r\n0123456789"],
    ["encoded and long", long.replace("403 No", "206 P\r\nContent-Encoding: x")],
    ["a long refusal", `${long}${"x".repeat(20_000)}`],
    ["an interim one", "HTTP/1.1 103 E\r\nContent-Length: 0\r\n\r\n"],
    ["without a body", "HTTP/1.1 204 N\r\nContent-Length: 0\r\n\r\n"],
    ["no answer", "no answer\r\n\r\n"],
    ["no header", `${ok(10)}`.replace("\r\n", "\r\nnothing\r\n")],
    ["a head without an end", `HTTP/1.1 206 P\r\nX: ${"x".repeat(20_000)}`],
    ["none, the connection is closed", ""],
  ])("%s", async (_what, text) => {
    const { ask, requests } = await startLine((socket, number) => {
      if (number === 1) socket.end(text);
      else socket.write(answer(10));
    });
    const { response, placement, isRight } = await ask(10);
    await placement.body;
    expect([response.status, placement.received, requests.length]).toEqual([206, 10, 3]);
    expect(isRight()).toBe(true);
  });
});

it("closes if more bytes come behind the body, which are not of the next answer", async () => {
  let more = () => {};
  const { ask, connections } = await startLine((socket) => {
    socket.write(answer(100));
    more = () => void socket.write("HTTP/1.1 206 P\r\nContent-Length: 100\r\n\r\n");
  });
  for (let i = 0; i < 2; i++) {
    const { placement, isRight } = await ask(100);
    await placement.body;
    expect(isRight()).toBe(true);
    more();
    await sleep(50);
  }
  expect(connections()).toBe(3);
});

it("is not used again where the server says that it closes", async () => {
  const close = "Connection: close\r\n";
  const { ask, connections } = await startLine((socket) => socket.write(answer(100, close)));
  for (let i = 0; i < 2; i++) await (await ask(100)).placement.body;
  expect(connections()).toBe(3);
});

it("the body fails where the connection is closed within it", async () => {
  const { ask, requests } = await startLine((socket) => socket.end(answer(100).subarray(0, -1)));
  const { placement } = await ask(100);
  await expect(placement.body).rejects.toThrow("closed");
  expect([placement.received, requests.length]).toEqual([99, 2]);
});

it("ends with the signal, before the head and within the body", async () => {
  let answers = false;
  const { ask, requests } = await startLine((socket) => {
    if (answers) socket.write(answer(10).subarray(0, -5));
  });
  for (answers of [true, false]) {
    const abort = new AbortController();
    const asked = ask(10, { signal: abort.signal });
    if (answers) await asked;
    else await sleep(20);
    abort.abort(new Error("enough"));
    await expect(asked.then(({ placement }) => placement.body)).rejects.toThrow(
      answers ? "aborted" : "enough",
    );
  }
  expect(requests.length).toBe(3); // nobody asks again
});

it("writes nothing after it was cancelled, and a late cancel stops no other request", async () => {
  let rest = () => {};
  const { ask } = await startLine((socket, number) => {
    socket.write(answer(10).subarray(0, number === 1 ? undefined : -5));
    rest = () => void socket.write(body.subarray(5, 10));
  });
  const first = await ask(10);
  await first.placement.body;
  const second = await ask(10);
  first.placement.cancel();
  rest();
  await second.placement.body;
  const third = await ask(10);
  third.placement.cancel();
  rest();
  await expect(third.placement.body).rejects.toThrow("aborted");
  await sleep(20);
  expect([second.isRight(), third.bytes[9]]).toEqual([true, 0]);
});
