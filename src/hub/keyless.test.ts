import { expect, onTestFinished, test } from "vitest";
import { call, createRepo, scratchFolder } from "../../test/support/local-hub.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { id, series, writeFolder } from "../../test/support/push.ts";
import { connectForTest, json, playServer, thrown } from "../../test/support/scripted-server.ts";
import type { OqeError } from "../ground/errors.ts";
import { type LocalHubOptions, type SeenRequest, startLocalHub } from "../local-hub/local-hub.ts";
import { readFolder } from "./folder.ts";
import type { Hub } from "./hub-types.ts";
import type { Keyless } from "./keyless.ts";

const other = "acme/Tiny-oQ4e";
const run = { repository: "ada/models", ref: "refs/heads/main", workflow: "publish.yml" };
const trusted = [{ ...run, branch: "main" }];

/** A Hub that trusts a workflow for two repositories, and a client of that workflow. */
async function start(options: Partial<LocalHubOptions> = {}, given: Partial<Keyless> = {}) {
  const clock = manualClock();
  const requests: SeenRequest[] = [];
  const local = await startLocalHub({
    folder: await scratchFolder(),
    publishers: { [id]: trusted, [other]: trusted },
    now: clock.now,
    onRequest: (one) => requests.push(one),
    ...options,
  });
  onTestFinished(() => local.close());
  for (const repository of [id, other, "acme/base"]) await createRepo(local, repository);
  const secrets: string[] = [];
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } =
    local.identityOf(run);
  const keyless: Keyless = {
    ...run,
    mask: (secret) => secrets.push(secret),
    identityToken: async (audience) => {
      const headers = { Authorization: `Bearer ${bearer}` };
      const answer = await fetch(`${url}&audience=${encodeURIComponent(audience)}`, { headers });
      return ((await answer.json()) as { value: string }).value;
    },
    ...given,
  };
  const patience = { ...clock, sleep: async () => {}, random: () => 0.5 };
  const { hub, report } = connectForTest(local.url, { token: keyless, patience });
  requests.length = 0;
  const exchanges = () => requests.filter(({ url: path }) => path === "/oauth/token").length;
  return { local, hub, report, secrets, requests, exchanges, clock };
}

async function push(hub: Hub, repository: string, folder: string) {
  const files = await readFolder(folder, () => {});
  const expected = new Map(files.map(({ path, sha256 }) => [path, sha256]));
  const state = await hub.inspect(repository);
  const more = { private: false, keep: [], title: "Publish", description: "" };
  return hub.push({ repository, folder, expected, state, ...more });
}

test("each repository gets its own token, masked; the base is read without one", async () => {
  const { local, hub, report, secrets, requests, exchanges } = await start();
  const folder = await writeFolder("a", series);
  for (const repository of [id, other]) {
    await hub.checkWrite(repository);
    expect((await push(hub, repository, folder)).outcome).toBe("published");
  }
  await hub.stage({
    ...{ repository: id, branch: "oqe-staging", private: false, parent: null, title: "Stage" },
    ...{ files: [{ path: "a.bin", content: new Uint8Array(3) }], deleted: [] },
  });
  await hub.removeBranch(id, "oqe-staging");
  await (await hub.open("acme/base")).open(".gitattributes");
  expect(exchanges()).toBe(2);
  const tokens = secrets.filter((secret) => secret.startsWith("hf_jwt_"));
  expect(new Set(tokens).size).toBe(2);
  expect(secrets.filter((secret) => secret.startsWith("ey")).length).toBe(2);
  const sentTo = (token: string) =>
    requests.filter(({ headers }) => headers.authorization === `Bearer ${token}`);
  const [first, second] = tokens;
  expect(sentTo(first!).every(({ url }) => url.includes(id))).toBe(true);
  expect(sentTo(second!).every(({ url }) => url.includes(other))).toBe(true);
  const bare = requests.filter(
    ({ headers, origin }) => origin === "hub" && headers.authorization === undefined,
  );
  expect(bare.some(({ url }) => url.includes("acme/base"))).toBe(true);
  expect(bare.some(({ url }) => url.includes("/acme/Tiny"))).toBe(false);
  expect(local.leakedTokens).toBe(0);
  for (const secret of secrets) expect(report.lines.join("\n")).not.toContain(secret);
  // A second run of the same bytes writes nothing.
  const writes = () =>
    requests.filter(({ method, url }) => method !== "GET" && url !== "/oauth/token").length;
  const before = writes();
  expect((await push(hub, id, folder)).outcome).toBe("unchanged");
  expect(writes()).toBe(before);
});

test("a token with little time left is exchanged again, before the Hub refuses it", async () => {
  const { hub, exchanges, clock } = await start();
  await hub.inspect(id);
  clock.advance(49 * 60_000);
  await hub.inspect(id);
  expect(exchanges()).toBe(1);
  clock.advance(2 * 60_000);
  await Promise.all([hub.inspect(id), hub.checkWrite(id)]);
  expect(exchanges()).toBe(2);
  clock.advance(24 * 3600_000);
  await hub.checkWrite(id);
  expect(exchanges()).toBe(3);
});

test("a repository without a trusted publisher, or that is missing, says what to click", async () => {
  const { local, hub } = await start({ publishers: { [id]: [{ ...run, branch: "stable" }] } });
  for (const repository of [id, other, "acme/none"]) {
    const failure = (await thrown(hub.inspect(repository))) as OqeError;
    expect(failure.code).toBe("UNAUTHORIZED");
    expect(failure.message).toContain(`no token for ${repository}`);
    expect(failure.message).toContain("invalid_grant");
    for (const words of [
      `${local.url}/${repository}/settings`,
      "Trusted Publishers",
      "repository ada/models, workflow publish.yml and branch main",
      `${local.url}/new`,
      "hub-token",
    ])
      expect(failure.hint).toContain(words);
  }
  // What a run does not publish to is read in public.
  expect((await hub.open("acme/base")).revision).toBe(local.head("acme/base"));
});

test("a run of a tag is told to name no branch", async () => {
  const { hub } = await start({ publishers: {} }, { ref: "refs/tags/v1" });
  expect((await thrown(hub.inspect(id))) as OqeError).toMatchObject({
    hint: expect.stringContaining("workflow publish.yml and no branch."),
  });
});

test("a repository is not made without a token", async () => {
  const { local, hub, requests } = await start();
  const state = await hub.inspect(id);
  await call(local, "DELETE /api/repos/delete", {
    json: { name: "Tiny-oQ8e", organization: "acme", type: "model" },
  });
  const folder = await writeFolder("a", series);
  const files = await readFolder(folder, () => {});
  const expected = new Map(files.map(({ path, sha256 }) => [path, sha256]));
  const gone = { ...state, exists: false, head: null };
  const more = { private: false, keep: [], title: "Publish", description: "" };
  const asked = { repository: id, folder, expected, state: gone, ...more };
  expect(await thrown(hub.push(asked))).toMatchObject({
    code: "FORBIDDEN",
    message: expect.stringContaining("a keyless run cannot make it"),
    hint: expect.stringContaining(`${local.url}/new`),
  });
  expect(requests.some(({ url }) => url === "/api/repos/create")).toBe(false);
});

test("a keyless run proposes nothing: anybody's pull request may have the title", async () => {
  const { hub, requests } = await start();
  expect(await thrown(hub.inspectProposal(id, "Publish oQ8e"))).toMatchObject({
    code: "FORBIDDEN",
    hint: expect.stringContaining("hub-token"),
  });
  expect(requests).toEqual([]);
});

test("a job that gets no identity token is told which line to add", async () => {
  const refuse = () => Promise.reject(new Error("Unable to get ACTIONS_ID_TOKEN_REQUEST_TOKEN"));
  const { hub } = await start({}, { identityToken: refuse });
  expect(await thrown(hub.inspect(id))).toMatchObject({
    code: "UNAUTHORIZED",
    message: expect.stringContaining("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    hint: expect.stringContaining("`id-token: write`"),
  });
});

test("a Hub that echoes the identity or the token shows neither; a login page is no token", async () => {
  const identity = "eyJhbGciOiJIUzI1NiJ9.eyJhdWQiOiJ4In0.c2lnbmF0dXJl";
  const token = "hf_jwt_aVerySecretTokenOfTheExchange";
  const faults = { exchange: true };
  const server = await playServer(({ path, headers, body }, response) => {
    if (path !== "/oauth/token")
      return json(response, { error: `you sent ${headers.authorization}` }, 403);
    if (faults.exchange) return json(response, { error: `bad ${body}` }, 400);
    return json(response, { access_token: token, expires_in: 3600, token_type: "bearer" });
  });
  onTestFinished(server.close);
  const keyless = { ...run, mask: () => {}, identityToken: async () => identity };
  const { hub, report } = connectForTest(server.url, { token: keyless });
  const shown = async () => {
    const failure = (await thrown(hub.inspect(id))) as OqeError;
    return [failure.message, failure.hint, failure.stack, ...report.lines].join("\n");
  };
  const untrusted = await shown();
  expect(untrusted).toContain("***");
  expect(untrusted).not.toContain(identity);
  faults.exchange = false;
  const forbidden = await shown();
  expect(forbidden).toContain("Bearer ***");
  expect(forbidden).not.toContain(token);

  const page = await playServer((_, response) => response.end("<html>Log in</html>"));
  onTestFinished(page.close);
  const { hub: captive } = connectForTest(page.url, { token: keyless });
  expect(await thrown(captive.inspect(id))).toMatchObject({ code: "NETWORK" });
});
