import { expect, test } from "vitest";
import { call } from "../../test/support/local-hub.ts";
import { id, series, startPush, writeFolder } from "../../test/support/push.ts";
import { thrown } from "../../test/support/scripted-server.ts";

const writes = /^(POST|PUT|PATCH|DELETE)/;

async function start() {
  const started = await startPush();
  await started.push(await writeFolder("a", series));
  const commit = started.local.head(id)!;
  return { ...started, commit, request: { repository: id, tag: "v1.2.0", commit } };
}

test("a commit is tagged once; the second time nothing is sent", async () => {
  const { hub, local, request, count, commit } = await start();
  expect(await hub.readTag(id, "v1.2.0")).toBeNull();
  expect(await hub.tag(request)).toBe("tagged");
  expect(local.head(id, "v1.2.0")).toBe(commit);
  const before = count(writes);
  expect(await hub.tag(request)).toBe("unchanged");
  expect(await hub.readTag(id, "v1.2.0")).toBe(commit);
  expect(count(writes)).toBe(before);
});

test("a tag on another commit is never moved, and the message says what to do", async () => {
  const { hub, local, request, count, push, commit } = await start();
  await hub.tag(request);
  await push(await writeFolder("b", { ...series, "sub/notes.txt": "better" }));
  const next = local.head(id)!;
  const before = count(writes);
  const failure = await thrown(hub.tag({ ...request, commit: next }));
  expect(failure).toMatchObject({
    code: "CONFLICT",
    message: `${id} has the tag v1.2.0 on ${commit}; this run would put it on ${next}`,
    hint: expect.stringContaining("push a new one"),
  });
  expect(count(writes)).toBe(before);
  expect(local.head(id, "v1.2.0")).toBe(commit);
});

test("a lost answer, or another run that was faster, is no failure", async () => {
  const { hub, local, request, commit } = await start();
  local.faults.push({ match: /POST .*\/tag\//, times: 1, action: "drop-answer" });
  expect(await hub.tag(request)).toBe("tagged");
  expect(local.head(id, "v1.2.0")).toBe(commit);
});

test("a tag that is put elsewhere meanwhile is refused", async () => {
  const { hub, local, request, commit } = await start();
  const [, first] = local.history(id);
  // The look at the tags is old when the tag is made.
  const stale = { action: { replace: emptyRefs }, match: /GET .*\/refs/, times: 1 } as const;
  local.faults.push(stale);
  await call(local, `POST /api/models/${id}/tag/${first}`, { json: { tag: "v1.2.0" } });
  expect(await thrown(hub.tag(request))).toMatchObject({ code: "CONFLICT" });
  expect(commit).not.toBe(first);
  expect(local.head(id, "v1.2.0")).toBe(first);
});

const emptyRefs = () => ({
  status: 200,
  body: { json: { branches: [], tags: [], converts: [], pullRequests: [] } },
});

test.each(["main", "HEAD", "refs/pr/1", "a".repeat(40), "-x", "a b", "v1..2", "", "über"])(
  "the name %j is no tag, and nothing is asked",
  async (tag) => {
    const { hub, requests, request } = await start();
    requests.length = 0;
    expect(await thrown(hub.tag({ ...request, tag }))).toMatchObject({ code: "BAD_INPUT" });
    expect(requests).toEqual([]);
  },
);
