import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { addFile, call, commit, createRepo, startHub } from "../../test/support/local-hub.ts";

interface Told {
  readonly secret: string | undefined;
  readonly body: {
    event: { action: string; scope: string };
    repo: { name: string; headSha: string };
    updatedRefs: { ref: string; oldSha: string | null; newSha: string | null }[];
  };
}

/** A receiver of webhooks; `next` waits for a message. */
async function receive(status = 200) {
  const told: Told[] = [];
  const waiting: (() => void)[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const secret = request.headers["x-webhook-secret"] as string | undefined;
    told.push({ secret, body: JSON.parse(Buffer.concat(chunks).toString()) });
    response.writeHead(status).end();
    waiting.shift()?.();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const next = async () => {
    if (told.length === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    return told.shift()!;
  };
  return { url, told, next };
}

test("a webhook is told of each ref that moves in what it watches, with its secret", async () => {
  const { url, told, next } = await receive();
  const hub = await startHub({ webhooks: [{ url, secret: "s3cret", watched: ["base/tiny"] }] });
  await createRepo(hub, "acme/m");
  await createRepo(hub, "base/tiny");
  const first = hub.head("base/tiny");
  const made = (await next()).body;
  expect(made.updatedRefs).toEqual([{ ref: "refs/heads/main", oldSha: null, newSha: first }]);
  await commit(hub, "base/tiny", [addFile("a.txt", "1")]);
  const { secret, body } = await next();
  const head = hub.head("base/tiny");
  expect(secret).toBe("s3cret");
  expect(body.event).toEqual({ action: "update", scope: "repo.content" });
  expect(body.repo).toMatchObject({ name: "base/tiny", headSha: head });
  expect(body.updatedRefs).toEqual([{ ref: "refs/heads/main", oldSha: first, newSha: head }]);
  await call(hub, "POST /api/models/base/tiny/tag/main", { json: { tag: "v1" } });
  expect((await next()).body.updatedRefs[0]!.ref).toBe("refs/tags/v1");
  await hub.close();
  expect(told).toEqual([]);
});

test("a receiver that fails or is gone does not disturb the Hub", async () => {
  const { url, next } = await receive(500);
  const gone = { url: "http://127.0.0.1:9/hook", watched: ["acme"] };
  const hub = await startHub({ webhooks: [gone, { url, watched: ["acme"] }] });
  expect((await createRepo(hub, "acme/m")).status).toBe(200);
  expect((await next()).secret).toBeUndefined();
  expect((await commit(hub, "acme/m", [addFile("a.txt", "1")])).status).toBe(200);
});
