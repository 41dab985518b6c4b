import type { ServerResponse } from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  connectForTest,
  json,
  playServer,
  type Seen,
  thrown,
} from "../../test/support/scripted-server.ts";
import { pieceBytes } from "./range.ts";

describe("a long read", () => {
  const large = pieceBytes * 5 + 3;
  /** A file of that size on a Hub whose resolve route is `resolve`. */
  const openLarge = async (resolve: (request: Seen, response: ServerResponse) => void) => {
    const server = await playServer((request, response) => {
      if (request.path.includes("/resolve/")) resolve(request, response);
      else if (request.path.includes("/tree/"))
        json(response, [{ type: "file", path: "w", size: large, oid: "b".repeat(40) }]);
      else json(response, { _id: "1", id: "acme/m", sha: "c".repeat(40) });
    });
    onTestFinished(server.close);
    const { hub } = connectForTest(server.url);
    return { server, file: await (await hub.open("acme/m")).open("w") };
  };
  const rangeOf = ({ headers }: Seen) =>
    /bytes=(\d+)-(\d+)/.exec(headers.range!)!.slice(1).map(Number) as [number, number];
  /** Sends a piece whose bytes are its number, counted from 1. */
  const send = (request: Seen, response: ServerResponse, missing = 0) => {
    const [first, last] = rangeOf(request);
    response.writeHead(206, { "Content-Range": `bytes ${first}-${last}/${large}` });
    response.end(Buffer.alloc(last - first + 1 - missing, 1 + first / pieceBytes));
  };
  it("is cut into pieces, four at once in any order, and repeats only one that broke", async () => {
    // Answers four pieces when all four are asked for, the last first. One is cut short.
    const waiting: ((missing: number) => void)[] = [];
    const { server, file } = await openLarge((request, response) => {
      const piece = rangeOf(request)[0] / pieceBytes;
      if (piece === 0 || waiting.length === 4) return send(request, response);
      waiting.push((missing) => send(request, response, missing));
      if (waiting.length === 4)
        for (const [i, answer] of waiting.toReversed().entries()) answer(i === 1 ? 1 : 0);
    });
    const bytes = await file.read(0, large);
    for (let n = 0; n < 6; n++) {
      const [start, end] = [n * pieceBytes, Math.min(large, (n + 1) * pieceBytes)];
      expect([bytes[start], bytes[end - 1]]).toEqual([n + 1, n + 1]);
    }
    const asked = server.seen.slice(2).map((request) => rangeOf(request)[0] / pieceBytes);
    expect(asked.sort()).toEqual([0, 1, 2, 3, 3, 4, 5]);
  });

  it("ends with the failure of a piece", async () => {
    const { file } = await openLarge((request, response) => {
      if (rangeOf(request)[0] !== pieceBytes) send(request, response);
      else response.writeHead(404, { "X-Error-Code": "EntryNotFound" }).end();
    });
    expect(await thrown(file.read(0, large))).toMatchObject({ name: "OqeError" });
  });
});
