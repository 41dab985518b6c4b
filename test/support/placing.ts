import { type AddressInfo, createServer, type Socket } from "node:net";
import { onTestFinished } from "vitest";
import { Placement } from "../../src/hub/placement.ts";
import { createPlacingFetch, type PlacedInit } from "../../src/hub/placing-fetch.ts";

/** Bytes that answers are made of. */
export const body = Buffer.from(Array.from({ length: 200_000 }, (_, i) => (i * 7) & 0xff));
/** The head of an answer that can be placed. */
export const ok = (length: number, more = "") =>
  Buffer.from(`HTTP/1.1 206 Partial Content\r\nContent-Length: ${length}\r\n${more}\r\n`);

/** What a server does with a request: the socket, the request, its number, that of its socket. */
type Play = (socket: Socket, request: string, number: number, connection: number) => unknown;

/** A server that answers byte by byte as told, and a fetch that can place bodies. */
export async function startPlacing(play: Play) {
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
