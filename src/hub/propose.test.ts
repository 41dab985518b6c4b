import { expect, test } from "vitest";
import { call } from "../../test/support/local-hub.ts";
import { hashes, id, series, startPush, writeFolder } from "../../test/support/push.ts";
import { connectForTest, thrown } from "../../test/support/scripted-server.ts";
import type { Hub } from "./hub-types.ts";

const writes = /^(POST|PUT|PATCH|DELETE)/;
const pull = "refs/pr/1";

/** A Hub with a published tier, and a push that proposes. */
async function start() {
  const started = await startPush();
  const { local, ask } = started;
  await started.push(await writeFolder("a", series));
  const main = local.head(id)!;
  const propose = async (text: string, hub?: Hub) => {
    const folder = await writeFolder("b", { ...series, "sub/notes.txt": text });
    const request = { ...(await ask(folder, hub)), proposes: true };
    return { folder, result: await (hub ?? started.hub).push(request) };
  };
  const filesOf = (branch: string) =>
    Object.fromEntries(
      [...local.files(id, branch)]
        .filter(([path]) => path !== ".gitattributes")
        .map(([path, file]) => [path, file.sha256]),
    );
  const status = (num: number, status: string) =>
    call(local, `POST /api/models/${id}/discussions/${num}/status`, { json: { status } });
  const listed = async () => {
    const answer = await call(local, `GET /api/models/${id}/discussions`);
    return ((await answer.json()) as { count: number }).count;
  };
  return { ...started, main, propose, filesOf, status, listed };
}

test("a pull request takes the place of the commit, and is updated, not opened twice", async () => {
  const { hub, local, main, propose, filesOf, count, listed } = await start();
  const first = await propose("better");
  const url = `${local.url}/${id}/discussions/1`;
  expect(first.result).toEqual({ outcome: "proposed", commit: local.head(id, pull), url });
  expect(filesOf(pull)).toEqual(await hashes(first.folder));
  const before = count(writes);
  expect((await propose("better")).result).toEqual(first.result);
  expect(count(writes)).toBe(before);
  const second = await propose("best");
  expect(second.result).toEqual({ outcome: "proposed", commit: local.head(id, pull), url });
  expect(filesOf(pull)).toEqual(await hashes(second.folder));
  expect(local.head(id)).toBe(main);
  expect(await listed()).toBe(1);
  expect(await hub.inspectProposal(id, "Publish oQ8e")).toMatchObject({
    ...{ url, isOpen: true },
    state: { head: local.head(id, pull), exists: true, receipt: series["oqe-receipt.json"] },
  });
  expect(await hub.inspectProposal(id, "Something else")).toBeNull();
  expect(await hub.inspectProposal("acme/none", "Publish oQ8e")).toBeNull();
});

test("what main has is not proposed; a merged one makes room for the next", async () => {
  const { local, propose, listed, count } = await start();
  const before = count(writes);
  expect((await propose("fine")).result.outcome).toBe("unchanged");
  expect(count(writes)).toBe(before);
  await propose("better");
  await call(local, `POST /api/models/${id}/discussions/1/merge`);
  expect((await propose("better")).result.outcome).toBe("unchanged");
  expect((await propose("best")).result.url).toMatch(/discussions\/2$/);
  expect(await listed()).toBe(2);
});

test("one that somebody closed is not opened again for the same files", async () => {
  const { propose, status, count, listed, report } = await start();
  const { result } = await propose("better");
  await status(1, "closed");
  const before = count(writes);
  expect((await propose("better")).result).toEqual(result);
  expect(count(writes)).toBe(before);
  expect(report.lines.join("\n")).toContain("it is not opened again");
  expect((await propose("best")).result.url).toMatch(/discussions\/2$/);
  expect(await listed()).toBe(2);
});

test("a pull request of somebody else is left alone, whatever its title", async () => {
  const users = {
    hf_aVerySecretTokenOfTheTests: { name: "ada", organizations: ["acme"], role: "write" as const },
    hf_eve: { name: "eve", role: "write" as const },
  };
  const { local, push, ask, hub } = await startPush({ users });
  await push(await writeFolder("a", series));
  const line = { key: "file", value: { path: "evil.txt", content: "AAAA", encoding: "base64" } };
  const header = { key: "header", value: { summary: "Publish oQ8e", description: "" } };
  await call(local, `POST /api/models/${id}/commit/main?create_pr=1`, {
    ...{ token: "hf_eve", headers: { "Content-Type": "application/x-ndjson" } },
    body: [header, line].map((one) => JSON.stringify(one)).join("\n"),
  });
  const theirs = local.head(id, pull);
  const folder = await writeFolder("b", { ...series, "sub/notes.txt": "better" });
  const { url } = await hub.push({ ...(await ask(folder)), proposes: true });
  expect(url).toMatch(/discussions\/2$/);
  expect(local.head(id, pull)).toBe(theirs);
  expect(local.files(id, "refs/pr/2").has("evil.txt")).toBe(false);
});

test("a new repository gets its files by a pull request to an empty main", async () => {
  const { local, ask, hub } = await startPush();
  const folder = await writeFolder("a", series);
  const result = await hub.push({ ...(await ask(folder)), proposes: true });
  expect(result.outcome).toBe("proposed");
  expect([...local.files(id).keys()]).toEqual([".gitattributes"]);
});

test.each([
  ["to open it", /create_pr/, ""],
  ["to a commit", /POST .*\/commit\/refs/, "better"],
])("a lost answer %s gives no second pull request", async (_, match, before) => {
  const { local, propose, listed } = await start();
  if (before) await propose(before);
  local.faults.push({ match, times: 1, action: "drop-answer" });
  const { result } = await propose("best");
  expect(result).toMatchObject({ outcome: "proposed", commit: local.head(id, pull) });
  expect(await listed()).toBe(1);
});

test("an opening that the Hub did not see is tried again, thrice", async () => {
  const { local, propose, listed } = await start();
  local.faults.push({ match: /create_pr/, times: 2, action: "reset" });
  expect((await propose("better")).result.outcome).toBe("proposed");
  local.faults.push({ match: /create_pr/, times: 3, action: "reset" });
  const { hub: other } = connectForTest(local.url, { token: "hf_other" });
  await call(local, `POST /api/models/${id}/discussions/1/merge`);
  expect(await thrown(propose("best", other))).toMatchObject({ code: "NETWORK" });
  expect(await listed()).toBe(1);
});

test("some files are proposed beside the others of main, once", async () => {
  const { hub, local, main, filesOf, count, listed, status } = await start();
  const text = (content: string) => new TextEncoder().encode(content);
  const amend = (content: string) =>
    hub.amend({
      ...{ repository: id, title: "Update the card", parent: main, proposes: true },
      files: [{ path: "sub/notes.txt", content: text(content) }],
      deleted: ["empty.txt", "not-there.txt"],
    });
  const before = filesOf("main");
  const first = await amend("better");
  expect(first).toEqual({
    commit: local.head(id, pull),
    pull: `${local.url}/${id}/discussions/1`,
  });
  const { "empty.txt": _gone, "sub/notes.txt": _old, ...kept } = before;
  expect(filesOf(pull)).toEqual({ ...kept, "sub/notes.txt": expect.any(String) });
  const writesBefore = count(writes);
  expect(await amend("better")).toEqual(first);
  expect(count(writes)).toBe(writesBefore);
  expect((await amend("best")).pull).toBe(first.pull);
  expect(filesOf("main")).toEqual(before);
  await status(1, "closed");
  expect((await amend("best")).pull).toBe(first.pull);
  local.faults.push({ match: /create_pr/, times: 1, action: "drop-answer" });
  expect((await amend("other")).pull).toMatch(/discussions\/2$/);
  expect(await listed()).toBe(2);
});
