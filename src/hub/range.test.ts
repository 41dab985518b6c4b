import type { ServerResponse } from "node:http";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  connectForTest,
  json,
  playServer,
  type Seen,
  thrown,
} from "../../test/support/scripted-server.ts";
import { retryLimits } from "./patience.ts";

const commit = "c".repeat(40);
const blob = "b".repeat(40);
const size = 4 << 20;
const content = Buffer.alloc(size, "0123456789abcdef");

type Answer = (request: Seen, response: ServerResponse) => void;

/** A Hub of one model with one file `w`, whose resolve route and listing a test may replace. */
async function startModel(resolve: Answer, routes: { info?: Answer; tree?: Answer } = {}) {
  const server = await playServer((request, response) => {
    if (request.path.includes("/resolve/")) resolve(request, response);
    else if (request.path.includes("/tree/")) {
      if (routes.tree) routes.tree(request, response);
      else json(response, [{ type: "file", path: "w", size, oid: blob }]);
    } else if (routes.info) routes.info(request, response);
    else json(response, { _id: "1", id: "acme/m", sha: commit });
  });
  onTestFinished(server.close);
  const client = connectForTest(server.url);
  return { server, ...client, open: async () => (await client.hub.open("acme/m")).open("w") };
}

function partial(
  response: ServerResponse,
  offset: number,
  length: number,
  change: { total?: number; from?: number; body?: number; headers?: Record<string, string> } = {},
) {
  const from = change.from ?? offset;
  response.writeHead(206, {
    "Content-Range": `bytes ${from}-${from + length - 1}/${change.total ?? size}`,
    ...change.headers,
  });
  response.end(content.subarray(offset, offset + (change.body ?? length)));
}

const tries = (server: { seen: Seen[] }) =>
  server.seen.filter((request) => request.path.includes("/resolve/")).length;

it("reads again over a connection of its own, past caches", async () => {
  const { server, open, report } = await startModel((request, response) => {
    partial(response, Number(/\d+/.exec(request.headers.range!)![0]), 10);
  });
  const source = await open();
  await source.read(0, 10);
  expect(Buffer.compare(await source.readAgain!(20, 10), content.subarray(20, 30))).toBe(0);
  await source.read(0, 10);
  const [before, again, after] = server.seen.slice(-3);
  expect(again!.headers).toMatchObject({ connection: "close", "cache-control": "no-cache" });
  expect(server.seen.filter(({ port }) => port === again!.port)).toEqual([again]);
  expect([before!.headers.connection, after!.headers.connection]).not.toContain("close");
  expect(report.lines.at(-1)).toMatch(/^bytes of acme\/m@.*\/w came wrong/);
});

it("asks for the exact range, without encoding, at the commit", async () => {
  const { server, open } = await startModel((_request, response) => partial(response, 100, 50));
  expect(Buffer.compare(await (await open()).read(100, 50), content.subarray(100, 150))).toBe(0);
  const request = server.seen.at(-1)!;
  expect(request.path).toBe(`/acme/m/resolve/${commit}/w`);
  expect(request.headers).toMatchObject({ range: "bytes=100-149" });
  expect(request.headers["accept-encoding"]).not.toContain("gzip");
});

describe("a wrong answer to a read", () => {
  it.each<[string, Answer]>([
    ["a short body", (_request, response) => partial(response, 10, 50, { body: 49 })],
    ["a long body", (_request, response) => partial(response, 10, 50, { body: 51 })],
    ["another range", (_request, response) => partial(response, 10, 50, { from: 11 })],
    [
      "no Content-Range",
      (_request, response) => response.writeHead(206).end(content.subarray(10, 60)),
    ],
    [
      "an unknown total",
      (_request, response) =>
        response.writeHead(206, { "Content-Range": "bytes 10-59/*" }).end(content.subarray(10, 60)),
    ],
    [
      "an encoded body",
      (_request, response) => partial(response, 10, 50, { headers: { "Content-Encoding": "br" } }),
    ],
    [
      "a page of another size",
      (_request, response) =>
        response.writeHead(200, { "Content-Length": "60" }).end(content.subarray(0, 60)),
    ],
  ])("is tried again, then NETWORK: %s", async (_name, wrong) => {
    const { server, open } = await startModel(wrong);
    expect(await thrown((await open()).read(10, 50))).toMatchObject({ code: "NETWORK" });
    expect(tries(server)).toBe(retryLimits.attempts);
  });

  it("is repeated, and the right one is used", async () => {
    let first = true;
    const { open } = await startModel((_request, response) => {
      partial(response, 10, 50, first ? { body: 20 } : {});
      first = false;
    });
    expect(Buffer.compare(await (await open()).read(10, 50), content.subarray(10, 60))).toBe(0);
  });

  it.each<[string, Answer]>([
    ["another total", (_request, response) => partial(response, 10, 50, { total: size + 1 })],
    ["416", (_request, response) => response.writeHead(416).end()],
  ])("is BAD_CHECKPOINT where it contradicts the listing: %s", async (_name, wrong) => {
    const { server, open } = await startModel(wrong);
    expect(await thrown((await open()).read(10, 50))).toMatchObject({
      code: "BAD_CHECKPOINT",
      message: expect.stringContaining(`${size} bytes`),
    });
    expect(tries(server)).toBe(1);
  });

  it("is refused if it comes from another commit", async () => {
    const { open } = await startModel((_request, response) =>
      partial(response, 10, 50, { headers: { "X-Repo-Commit": "d".repeat(40) } }),
    );
    expect(await thrown((await open()).read(10, 50))).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("d".repeat(40)),
    });
  });

  it("is not downloaded whole if the server ignores the range", async () => {
    let closed: Promise<void> | undefined;
    const { open, server } = await startModel((_request, response) => {
      // The body never ends: only a client that hangs up gets past it.
      closed = new Promise((resolve) => response.on("close", resolve));
      response.writeHead(200, { "Content-Length": String(size) }).write(content.subarray(0, 1000));
    });
    expect(await thrown((await open()).read(10, 50))).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("ignores the range"),
    });
    await closed;
    expect(tries(server)).toBe(1);
  });
});

it("accepts a whole file if it was asked for, or if it is small", async () => {
  const { open } = await startModel((_request, response) => response.end(content));
  expect(Buffer.compare(await (await open()).read(0, size), content)).toBe(0);
  const small = await startModel((_request, response) => response.end("0123456789"), {
    tree: (_request, response) =>
      json(response, [{ type: "file", path: "w", size: 10, oid: blob }]),
  });
  expect(Buffer.from(await (await small.open()).read(3, 4)).toString()).toBe("3456");
});

it("stops reading an endless body", async () => {
  const { open } = await startModel(
    (_request, response) => {
      const more = () => response.write(content, () => response.destroyed || setImmediate(more));
      response.writeHead(200);
      more();
    },
    {
      tree: (_request, response) =>
        json(response, [{ type: "file", path: "w", size: 10, oid: blob }]),
    },
  );
  expect(await thrown((await open()).read(3, 4))).toMatchObject({
    code: "NETWORK",
    message: expect.stringContaining("more bytes"),
  });
});

describe("a listing", () => {
  const file = { type: "file", path: "w", size: 1, oid: blob };
  const field = (path: string, says: string) =>
    `answer about acme/m@${commit}${path}: field ${says}`;
  it.each<[string, unknown, string, string]>([
    ["a path upwards", [{ ...file, path: "../w" }], "BAD_CHECKPOINT", 'lists the path "../w"'],
    ["an absolute path", [{ ...file, path: "/etc/x" }], "BAD_CHECKPOINT", 'the path "/etc/x"'],
    ["a path that is no text", [{ ...file, path: 7 }], "NETWORK", 'field "[0].path" is 7; '],
    ["a negative size", [{ ...file, size: -1 }], "NETWORK", field("/w", '"size" is -1; ')],
    ["a broken size", [{ ...file, size: 1.5 }], "NETWORK", field("/w", '"size" is 1.5; ')],
    ["a size as text", [{ ...file, size: "1" }], "NETWORK", field("/w", '"size" is "1"; ')],
    ["no size", [{ ...file, size: undefined }], "NETWORK", field("/w", '"size" is missing; ')],
    ["no hash", [{ ...file, oid: "1" }], "NETWORK", field("/w", '"oid" is "1"; ')],
    [
      "a false hash",
      [{ ...file, lfs: { oid: "x" } }],
      "NETWORK",
      field("/w", '"lfs.oid" is "x"; '),
    ],
    ["a file twice", [file, file], "NETWORK", "lists a file twice"],
    ["no list", { error: null }, "NETWORK", ': it is {"error":null}; expected a list'],
    ["no content", null, "NETWORK", ": it is null; expected a list"],
  ])("with %s is refused", async (_name, listing, code, words) => {
    const { open } = await startModel(() => {}, {
      tree: (_request, response) => json(response, listing),
    });
    expect(await thrown(open())).toMatchObject({
      name: "OqeError",
      code,
      message: expect.stringContaining(words),
    });
  });

  it("ignores folders", async () => {
    const entries = [{ type: "directory", path: "sub", size: 0, oid: blob }, file];
    const { hub } = await startModel(() => {}, {
      tree: (_request, response) => json(response, entries),
    });
    expect([...(await hub.open("acme/m")).files.keys()]).toEqual(["w"]);
  });

  it("without an end is refused", async () => {
    const { server, open } = await startModel(() => {}, {
      tree: (request, response) =>
        json(response, [], 200, {
          Link: `<http://${request.headers.host}${request.path}>; rel="next"`,
        }),
    });
    expect(await thrown(open())).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("or never ends"),
    });
    expect(server.seen.length).toBeLessThan(1100);
  });

  it("with its next page on another host does not get the token", async () => {
    const other = await playServer((_request, response) => json(response, [file]));
    onTestFinished(other.close);
    const { hub } = await startModel(() => {}, {
      tree: (_request, response) =>
        json(response, [], 200, { Link: `<${other.url}/tree?cursor=1>; rel="next"` }),
    });
    await hub.open("acme/m");
    expect(other.seen[0]!.headers.authorization).toBeUndefined();
  });
});

describe("the answer about a revision", () => {
  it.each([null, "main", "C".repeat(40), "c".repeat(41), 7])(
    "must be a commit, not %j",
    async (sha) => {
      const { open } = await startModel(() => {}, {
        info: (_request, response) => json(response, { _id: "1", id: "acme/m", sha }),
      });
      expect(await thrown(open())).toMatchObject({
        code: "NETWORK",
        message: expect.stringContaining("expected a commit of 40 hexadecimal digits"),
      });
    },
  );

  it("must come as JSON", async () => {
    const { open } = await startModel(() => {}, {
      info: (_request, response) => response.end("<html>Sign in</html>"),
    });
    expect(await thrown(open())).toMatchObject({ name: "OqeError", code: "NETWORK" });
  });

  it("may name a renamed repository", async () => {
    const { hub, report } = await startModel((_request, response) => partial(response, 0, 10), {
      info: (_request, response) => json(response, { _id: "1", id: "acme/renamed", sha: commit }),
    });
    const repository = await hub.open("acme/m");
    expect([repository.id, repository.name]).toEqual(["acme/renamed", "renamed"]);
    expect(report.lines).toEqual([expect.stringContaining("acme/renamed")]);
  });

  it("must not name an illegal repository", async () => {
    const { hub } = await startModel(() => {}, {
      info: (_request, response) => json(response, { id: "../etc/x", sha: commit }),
    });
    expect(await thrown(hub.open("acme/m"))).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("../etc/x"),
    });
  });
});
