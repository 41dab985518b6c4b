import { inspect } from "node:util";
import { describe, expect, it, onTestFinished } from "vitest";
import {
  connectForTest,
  json,
  playServer,
  type Seen,
  testToken,
  thrown,
} from "../../test/support/scripted-server.ts";
import { readText } from "../checkpoint/repository.ts";
import { connectHub } from "./client.ts";

async function start(
  answer: (request: Seen) => { status?: number; headers?: Record<string, string>; body: unknown },
) {
  const server = await playServer((request, response) => {
    const { status, headers, body } = answer(request);
    json(response, body, status, headers);
  });
  onTestFinished(server.close);
  return { server, ...connectForTest(server.url) };
}

describe("identify", () => {
  const auth = (role: string) => ({
    type: "access_token",
    accessToken: { displayName: "x", role },
  });
  it.each([
    ["write", true],
    ["admin", true],
    ["read", false],
    ["fineGrained", null],
  ])("a %s token: canWrite %j", async (role, canWrite) => {
    const { hub, server } = await start(() => ({
      body: {
        type: "user",
        name: "ann",
        orgs: [{ name: "acme", roleInOrg: "contributor" }, { name: "lab" }],
        auth: auth(role),
      },
    }));
    const organizations = [
      { name: "acme", role: "contributor" },
      { name: "lab", role: null },
    ];
    expect(await hub.identify()).toEqual({ name: "ann", organizations, canWrite, writable: null });
    expect(server.seen[0]!.headers.authorization).toBe(`Bearer ${testToken}`);
  });

  it.each([
    [
      {
        canReadGatedRepos: true,
        scoped: [
          { entity: { _id: "1", type: "user", name: "ann" }, permissions: ["repo.write"] },
          { entity: { _id: "2", type: "org", name: "acme" }, permissions: ["repo.content.read"] },
          { entity: { _id: "3", type: "model", name: "lab/x" }, permissions: ["x", "repo.write"] },
        ],
      },
      ["ann", "lab/x"],
    ],
    [{ scoped: [] }, []],
    [{ scoped: "as we do not know it" }, null],
    [null, null],
  ])("a fine-grained token of %j may write to %j", async (fineGrained, writable) => {
    const accessToken = { displayName: "x", role: "fineGrained", fineGrained };
    const body = { type: "user", name: "ann", orgs: [], auth: { accessToken } };
    const { hub } = await start(() => ({ body }));
    expect(await hub.identify()).toMatchObject({ canWrite: null, writable });
  });

  it("throws UNAUTHORIZED without a token or with an unknown one", async () => {
    const { hub, server } = await start(() => ({
      status: 401,
      body: { error: "Invalid credentials" },
    }));
    expect(await thrown(hub.identify())).toMatchObject({
      code: "UNAUTHORIZED",
      hint: expect.stringContaining("/settings/tokens"),
    });
    const anonymous = connectForTest(server.url, { token: null });
    expect(await thrown(anonymous.hub.identify())).toMatchObject({ code: "UNAUTHORIZED" });
    expect(server.seen).toHaveLength(1);
  });

  it.each([
    [{}, /the answer is not the Hub.s: field "name" is missing/],
    [{ auth: {} }, /field "name" is missing/],
    [{ name: 7, auth: {} }, /field "name" is 7; expected text/],
    [{ name: "x", orgs: [{}], auth: {} }, /field "orgs\[0\]\.name" is missing/],
    [{ name: "x", auth: { accessToken: { role: [] } } }, /field "auth\.accessToken\.role" is \[\]/],
  ])("refuses %j as an account", async (body, words) => {
    const { hub } = await start(() => ({ body }));
    expect(await thrown(hub.identify())).toMatchObject({
      name: "OqeError",
      code: "NETWORK",
      message: expect.stringMatching(words),
    });
  });
});

describe("validateCard", () => {
  it.each([200, 400])(
    "gives the Hub's errors as sentences (%i) and reports its warnings",
    async (status) => {
      const { hub, server, report } = await start(() => ({
        status,
        body: {
          errors: [{ message: '"license" must be\none of' }],
          warnings: [{ message: "no pipeline_tag" }],
        },
      }));
      expect(await hub.validateCard("---\nlicense: x\n---\n")).toEqual([
        '"license" must be one of',
      ]);
      expect(report.lines).toEqual([expect.stringContaining("no pipeline_tag")]);
      expect(JSON.parse(server.seen[0]!.body)).toEqual({
        content: "---\nlicense: x\n---\n",
        repoType: "model",
      });
    },
  );

  it("returns nothing for a good card, and throws if the Hub cannot check", async () => {
    expect(
      await (await start(() => ({ body: { errors: [], warnings: [] } }))).hub.validateCard("x"),
    ).toEqual([]);
    expect(
      await thrown((await start(() => ({ status: 404, body: {} }))).hub.validateCard("x")),
    ).toMatchObject({
      code: "NOT_FOUND",
    });
    expect(
      await thrown((await start(() => ({ body: "fine" }))).hub.validateCard("x")),
    ).toMatchObject({
      code: "NETWORK",
    });
  });
});

describe("a refusal", () => {
  it.each([
    [400, {}, "NETWORK"],
    [401, {}, "UNAUTHORIZED"],
    [401, { "X-Error-Code": "RepoNotFound" }, "UNAUTHORIZED"],
    [401, { "X-Error-Code": "GatedRepo" }, "GATED"],
    [403, {}, "FORBIDDEN"],
    [403, { "X-Error-Code": "GatedRepo" }, "GATED"],
    [404, {}, "NOT_FOUND"],
    [404, { "X-Error-Code": "RepoNotFound" }, "NOT_FOUND"],
    [404, { "X-Error-Code": "RevisionNotFound" }, "NOT_FOUND"],
    [409, {}, "CONFLICT"],
    [412, {}, "CONFLICT"],
    [451, { "X-Error-Message": "Unavailable for legal reasons" }, "NOT_FOUND"],
  ])("%i %j -> %s, on one line, with a hint and the Hub's words", async (status, headers, code) => {
    const { hub } = await start(() => ({ status, headers, body: { error: "the\nreason" } }));
    const failure = await thrown(hub.open("acme/model", "v1"));
    const words = (headers as Record<string, string>)["X-Error-Message"] ?? "the reason";
    expect(failure).toMatchObject({
      name: "OqeError",
      code,
      message: expect.stringContaining(`${status}: ${words}`),
      hint: expect.stringMatching(/\w/),
    });
    expect((failure as Error).message).toMatch(
      /^[^\n]*acme\/model[^\n]*$|does not accept the token/,
    );
  });

  it("throws for every status of an inspected repository but 404", async () => {
    let status = 404;
    const { hub } = await start(() => ({ status, body: {} }));
    expect(await hub.inspect("acme/model")).toMatchObject({ exists: false, head: null });
    for (status of [401, 403, 400])
      expect(await thrown(hub.inspect("acme/model"))).toMatchObject({ name: "OqeError" });
  });
});

it("refuses to write to a renamed repository by its old name", async () => {
  const { hub } = await start(() => ({ body: { id: "acme/renamed", sha: "c".repeat(40) } }));
  expect(await thrown(hub.inspect("acme/model"))).toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("acme/renamed"),
  });
});

describe("the token is never shown", () => {
  const commit = "c".repeat(40);
  /** Everything a person or a log could see of a failure. */
  const shown = (failure: unknown) =>
    `${inspect(failure, { depth: 20, showHidden: true })} ${(failure as Error).stack} ${JSON.stringify(failure)}`;

  /** A server that echoes the request's headers in every place it can. */
  function echoing(request: Seen, status: number) {
    const said = `you sent ${request.headers.authorization}`;
    return {
      status,
      headers: {
        "X-Error-Message": said,
        "X-Repo-Commit": said,
        "Content-Range": said,
        "X-Request-Id": said,
      },
      body: { error: said, message: said, sha: said, commitOid: said },
    };
  }

  it.each([200, 206, 400, 401, 403, 404, 409, 412, 416, 418, 429, 500, 503])(
    "when the Hub echoes it with %i",
    async (status) => {
      const { hub, report, server } = await start((request) => echoing(request, status));
      const calls = [
        () => hub.open("acme/model"),
        () => hub.identify(),
        () => hub.inspect("acme/model"),
        () => hub.validateCard("x"),
      ];
      for (const call of calls) {
        const outcome = await call().catch((failure: unknown) => failure);
        expect(shown(outcome)).not.toContain(testToken);
      }
      expect(
        server.seen.some((request) => request.headers.authorization?.includes(testToken)),
      ).toBe(true);
      expect(report.lines.join("\n")).not.toContain(testToken);
    },
  );

  it.each([200, 206, 403, 404, 416, 503])(
    "when reads of a file echo it with %i",
    async (status) => {
      const { hub, report } = await start((request) => {
        if (request.path.includes("/resolve/")) return echoing(request, status);
        if (request.path.includes("/tree/"))
          return { body: [{ type: "file", path: "w", size: 5_000_000, oid: commit }] };
        return { body: { id: "acme/model", sha: commit } };
      });
      const failure = await thrown(readText(await hub.open("acme/model"), "w"));
      expect(failure).toMatchObject({ name: "OqeError" });
      expect(shown(failure)).not.toContain(testToken);
      expect(report.lines.join("\n")).not.toContain(testToken);
    },
  );

  it("when a redirect or a file name echoes it", async () => {
    const { hub } = await start((request) => ({
      status: 302,
      headers: { Location: `/${request.headers.authorization}` },
      body: {},
    }));
    expect(shown(await thrown(hub.open("acme/model")))).not.toContain(testToken);
    const listing = await start((request) =>
      request.path.includes("/tree/")
        ? { body: [{ type: "file", path: `../${request.headers.authorization}`, size: 1 }] }
        : { body: { id: "acme/model", sha: commit } },
    );
    expect(shown(await thrown(listing.hub.open("acme/model")))).not.toContain(testToken);
  });

  it("when fetch fails with it in the message", async () => {
    const broken = connectForTest("https://huggingface.co", {
      fetch: async (_input, init) => {
        throw new TypeError("fetch failed", {
          cause: new Error(`bad header ${new Headers(init?.headers).get("authorization")}`),
        });
      },
    });
    const failure = await thrown(broken.hub.identify());
    expect(failure).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("bad header Bearer ***"),
    });
    expect(shown(failure)).not.toContain(testToken);
    expect(broken.report.lines).not.toHaveLength(0);
    expect(broken.report.lines.join("\n")).not.toContain(testToken);
  });

  it("when the client itself is printed", () => {
    expect(shown(connectForTest("https://huggingface.co").hub)).not.toContain(testToken);
  });
});

it("refuses an illegal token or endpoint", async () => {
  const { report } = connectForTest("https://huggingface.co");
  expect(() => connectHub({ token: "ghp_x", report })).toThrow(/hf_/);
  expect(() => connectHub({ token: null, report, endpoint: "http://huggingface.co" })).toThrow(
    /https/,
  );
  expect(connectHub({ token: null, report }).endpoint).toBe("https://huggingface.co");
});
