import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { root } from "./action/checkout.ts";
import { GitHubServer, tokens } from "./support/github-server.ts";
import { addFile, call, commit, createRepo, startHub } from "./support/local-hub.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";

interface Relay {
  readonly fetch: (request: Request, env: Record<string, string>) => Promise<Response>;
}

let github: GitHubServer;
let folder: string;
let relay: Relay;
beforeAll(async () => {
  github = await GitHubServer.start();
  folder = await scratchFolder();
  // The very lines that docs/github.md tells people to use.
  const page = await readFile(`${root}docs/github.md`, "utf8");
  const [, code] = /^```js relay\n([\s\S]+?)^```$/m.exec(page)!;
  const file = join(folder, "relay.mjs");
  await writeFile(file, code!);
  relay = ((await import(pathToFileURL(file).href)) as { default: Relay }).default;
});
afterAll(async () => {
  await github.close();
  await removeFolder(folder);
});

/** Serves the relay; `next` waits for its next answer. */
async function serve() {
  const statuses: number[] = [];
  const waiting: (() => void)[] = [];
  const env = { WEBHOOK_SECRET: "s3cret", REPOSITORY: github.repository };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { status } = await relay.fetch(
      new Request("http://relay/", {
        method: request.method!,
        headers: { "x-webhook-secret": String(request.headers["x-webhook-secret"]) },
        body: Buffer.concat(chunks),
      }),
      { ...env, GITHUB_TOKEN: tokens.job, GITHUB_API_URL: github.url },
    );
    response.writeHead(status).end();
    statuses.push(status);
    waiting.shift()?.();
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  onTestFinished(() => void server.close());
  const next = async () => {
    if (statuses.length === 0) await new Promise<void>((done) => waiting.push(done));
    return statuses.shift()!;
  };
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`, next };
}

test("the relay of docs/github.md starts a run when main of a base moves, and only then", async () => {
  const { url, next } = await serve();
  const hub = await startHub({ webhooks: [{ url, secret: "s3cret", watched: ["base/tiny"] }] });
  const dispatches = "POST /repos/acme/series/dispatches";
  github.refuse(new RegExp(`^${dispatches}$`), { status: 204, body: null }, 2);
  await createRepo(hub, "base/tiny");
  expect(await next()).toBe(204);
  await commit(hub, "base/tiny", [addFile("a.txt", "1")]);
  expect(await next()).toBe(204);
  expect(github.writes).toEqual([dispatches, dispatches]);
  expect(github.bodies.at(-1)).toEqual({ event_type: "oqe" });
  await call(hub, "POST /api/models/base/tiny/tag/main", { json: { tag: "v1" } });
  expect(await next()).toBe(204);
  expect(github.writes).toHaveLength(2);
  await hub.close();
});

test("the relay tells nobody without the secret, and tells of a refusal", async () => {
  const env = {
    ...{ WEBHOOK_SECRET: "s3cret", REPOSITORY: github.repository },
    ...{ GITHUB_TOKEN: tokens.job, GITHUB_API_URL: github.url },
  };
  const body = JSON.stringify({ updatedRefs: [{ ref: "refs/heads/main" }] });
  const ask = (headers: Record<string, string>) =>
    relay.fetch(new Request("http://relay/", { method: "POST", headers, body }), env);
  github.writes = [];
  for (const headers of [{}, { "x-webhook-secret": "" }, { "x-webhook-secret": "s3cre" }])
    expect((await ask(headers as Record<string, string>)).status).toBe(403);
  expect(github.writes).toEqual([]);
  github.refuse(/dispatches$/, { status: 401, body: {} });
  expect((await ask({ "x-webhook-secret": "s3cret" })).status).toBe(502);
});
