import { describe, expect, it, onTestFinished } from "vitest";
import {
  playServer,
  type ScriptedServer,
  testToken,
  thrown,
} from "../../test/support/scripted-server.ts";
import { OqeError } from "../ground/errors.ts";
import { checkEndpoint, checkToken, createSender, tokenPlaceholder } from "./origin.ts";
import { Transient } from "./patience.ts";
import { oneToken } from "./token-source.ts";

type Answer = Parameters<typeof playServer>[0];

async function start(answer: Answer): Promise<ScriptedServer> {
  const server = await playServer(answer);
  onTestFinished(server.close);
  return server;
}

const echo: Answer = (_request, response) => response.end("here");
const redirectTo =
  (location: (path: string) => string, status = 302): Answer =>
  (request, response) => {
    response.writeHead(status, { Location: location(request.path) }).end();
  };

const asUs = { headers: { Authorization: `Bearer ${tokenPlaceholder}` } };

describe("the token", () => {
  it("replaces the placeholder in requests to the Hub's origin", async () => {
    const hub = await start(echo);
    await createSender(hub.url, oneToken(testToken), fetch).send(`${hub.url}/x`, asUs);
    expect(hub.seen[0]!.headers.authorization).toBe(`Bearer ${testToken}`);
  });

  it("is not sent without the placeholder, nor by an anonymous client", async () => {
    const hub = await start(echo);
    await createSender(hub.url, oneToken(testToken), fetch).send(`${hub.url}/x`);
    await createSender(hub.url, oneToken(null), fetch).send(`${hub.url}/x`, asUs);
    expect(hub.seen.map((request) => request.headers.authorization)).toEqual([
      undefined,
      undefined,
    ]);
  });

  it.each([tokenPlaceholder, testToken])(
    "does not go to another origin with a direct request (%s)",
    async (bearer) => {
      const [hub, storage] = [await start(echo), await start(echo)];
      await createSender(hub.url, oneToken(testToken), fetch).send(`${storage.url}/x`, {
        headers: { Authorization: `Bearer ${bearer}` },
      });
      expect(storage.seen[0]!.headers.authorization).toBeUndefined();
    },
  );

  it.each([301, 302, 303, 307, 308])(
    "does not follow a redirect (%i) to another origin",
    async (status) => {
      const storage = await start(echo);
      const hub = await start(redirectTo((path) => `${storage.url}${path}`, status));
      const { response, url } = await createSender(hub.url, oneToken(testToken), fetch).send(
        `${hub.url}/x`,
        asUs,
      );
      expect(await response.text()).toBe("here");
      expect(url).toBe(`${storage.url}/x`);
      expect(hub.seen[0]!.headers.authorization).toBe(`Bearer ${testToken}`);
      expect(storage.seen[0]!.headers.authorization).toBeUndefined();
      expect(JSON.stringify(storage.seen)).not.toContain(testToken);
    },
  );

  it("is sent again after a redirect inside the Hub", async () => {
    const hub = await start((request, response) =>
      request.path === "/old"
        ? response.writeHead(307, { Location: "/new" }).end()
        : response.end("here"),
    );
    await createSender(hub.url, oneToken(testToken), fetch).send(`${hub.url}/old`, asUs);
    expect(hub.seen.map((request) => [request.path, request.headers.authorization])).toEqual([
      ["/old", `Bearer ${testToken}`],
      ["/new", `Bearer ${testToken}`],
    ]);
  });

  it("leaves other credentials unchanged, such as those of a content store", async () => {
    const [hub, store] = [await start(echo), await start(echo)];
    await createSender(hub.url, oneToken(testToken), fetch).send(`${store.url}/xorbs`, {
      headers: { Authorization: "Bearer xet-token" },
    });
    expect(store.seen[0]!.headers.authorization).toBe("Bearer xet-token");
  });

  it.each(["", "  ", null])("%j means anonymous", (token) => {
    expect(checkToken(token)).toBeNull();
  });

  it("is trimmed", () => {
    expect(checkToken(`${testToken}\n`)).toBe(testToken);
    expect(checkToken("hf_jwt_eyJ.a-b_c.d=")).toBe("hf_jwt_eyJ.a-b_c.d=");
  });

  it.each(["ghp_secret", "hf_", "hf_a b", "hf_a\r\nX: y", 'hf_"'])(
    "%j is refused without being shown",
    (token) => {
      const failure = (() => {
        try {
          checkToken(token);
        } catch (error) {
          return error as OqeError;
        }
        throw new Error("accepted");
      })();
      expect(failure.code).toBe("BAD_INPUT");
      if (token.length > 3) expect(`${failure.message} ${failure.hint}`).not.toContain(token);
    },
  );
});

describe("redirects", () => {
  it("end after ten", async () => {
    const hub = await start(redirectTo((path) => `${path}x`));
    const failure = await thrown(createSender(hub.url, oneToken(null), fetch).send(`${hub.url}/`));
    expect(failure).toMatchObject({
      code: "NETWORK",
      message: expect.stringContaining("more than 10"),
    });
    expect(hub.seen).toHaveLength(11);
  });

  it.each([
    "data:text/plain,x",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "http://example.com/",
    "//[bad",
  ])("are not followed to %s", async (target) => {
    const hub = await start(redirectTo(() => target));
    expect(
      await thrown(createSender(hub.url, oneToken(null), fetch).send(`${hub.url}/`)),
    ).toMatchObject({
      code: "NETWORK",
    });
    expect(hub.seen).toHaveLength(1);
  });

  it("keep method and body with status 307, and are refused if they lose them", async () => {
    const storage = await start(echo);
    let status = 307;
    const hub = await start((request, response) =>
      redirectTo((path) => `${storage.url}${path}`, status)(request, response),
    );
    const sender = createSender(hub.url, oneToken(testToken), fetch);
    await sender.send(`${hub.url}/x`, { method: "POST", body: "payload" });
    expect(storage.seen[0]).toMatchObject({ method: "POST", body: "payload" });
    await sender.send(`${hub.url}/x`, { method: "PUT", body: new Blob(["a blob"]) });
    expect(storage.seen[1]).toMatchObject({ method: "PUT", body: "a blob" });
    status = 302;
    expect(
      await thrown(sender.send(`${hub.url}/x`, { method: "POST", body: "payload" })),
    ).toBeInstanceOf(OqeError);
    status = 307;
    const stream = {
      method: "POST",
      body: new Blob(["x"]).stream(),
      duplex: "half",
    } as RequestInit;
    expect(await thrown(sender.send(`${hub.url}/x`, stream))).toBeInstanceOf(OqeError);
    expect(storage.seen).toHaveLength(2);
  });
});

it("an aborted request fails with the reason of the abort", async () => {
  const hub = await start(() => {});
  const sender = createSender(hub.url, oneToken(null), fetch);
  const reason = new Transient("too slow");
  expect(await thrown(sender.send(hub.url, { signal: AbortSignal.abort(reason) }))).toBe(reason);
  expect(await thrown(sender.send(hub.url, { signal: AbortSignal.abort() }))).toMatchObject({
    name: "AbortError",
  });
});

describe("endpoints", () => {
  it.each([
    ["https://huggingface.co", "https://huggingface.co"],
    ["https://huggingface.co/", "https://huggingface.co"],
    ["http://127.0.0.1:8080/", "http://127.0.0.1:8080"],
    ["http://localhost:1", "http://localhost:1"],
    ["https://mirror.example/hf/", "https://mirror.example/hf"],
  ])("%s -> %s", (given, clean) => {
    expect(checkEndpoint(given)).toBe(clean);
  });

  it.each([
    "huggingface.co",
    "http://huggingface.co",
    "ftp://127.0.0.1",
    "https://user:secret@huggingface.co",
    "https://huggingface.co?x=1",
    "https://huggingface.co/#x",
    "",
  ])("%j is refused", (endpoint) => {
    expect(() => checkEndpoint(endpoint)).toThrow(OqeError);
    expect(() => checkEndpoint(endpoint)).not.toThrow(/secret/);
  });
});
