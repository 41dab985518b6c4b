import { expect, test } from "vitest";
import { call, createRepo } from "../../test/support/local-hub.ts";
import { startPush } from "../../test/support/push.ts";
import { thrown } from "../../test/support/scripted-server.ts";
import type { CollectionRequest } from "./hub-types.ts";

const writes = /^(POST|PUT|PATCH|DELETE)/;
const tiers = ["oQ8e", "oQ6e", "oQ4e", "oQ3e"];
const repositoryOf = (tier: string) => `acme/Tiny-${tier}`;
const itemsOf = (...names: string[]) =>
  names.map((tier) => ({ tier, repository: repositoryOf(tier) }));
const request: CollectionRequest = {
  namespace: "acme",
  series: "tiny",
  title: "Tiny oQe",
  description: "The oQe series of base/Tiny for MLX.",
  private: false,
  items: itemsOf("oQ8e", "oQ4e"),
  isWhole: true,
};

interface Shown {
  slug: string;
  title: string;
  description?: string;
  items: { _id: string; id: string; note?: { text: string } }[];
}

async function start() {
  const started = await startPush();
  const { local } = started;
  for (const id of [...tiers.map(repositoryOf), "acme/theirs"]) await createRepo(local, id);
  const all = async () => (await (await call(local, "GET /api/collections")).json()) as Shown[];
  const show = async () => {
    const [{ slug } = { slug: "" }] = await all();
    return (await (await call(local, `GET /api/collections/${slug}`)).json()) as Shown;
  };
  const tiersShown = async () => (await show()).items.map(({ id }) => id);
  return { ...started, all, show, tiersShown };
}

test("a series gets one collection with its tiers in order; then nothing is sent", async () => {
  const { hub, local, show, all, count, tiersShown } = await start();
  const made = await hub.refreshCollection(request);
  const { slug, title, description, items } = await show();
  expect(made).toEqual({ outcome: "created", url: `${local.url}/collections/${slug}` });
  expect(title).toBe("Tiny oQe");
  expect(description).toMatch(/^The oQe series of base\/Tiny for MLX\. \[oqe:[0-9a-f]{10}\]$/);
  expect(items.map(({ id, note }) => [id, note?.text])).toEqual([
    ["acme/Tiny-oQ8e", "oQ8e, by oqe-publisher"],
    ["acme/Tiny-oQ4e", "oQ4e, by oqe-publisher"],
  ]);
  const before = count(writes);
  expect(await hub.refreshCollection(request)).toEqual({ ...made, outcome: "unchanged" });
  expect(count(writes)).toBe(before);
  const more = { ...request, items: itemsOf("oQ8e", "oQ6e", "oQ4e", "oQ3e") };
  expect((await hub.refreshCollection(more)).outcome).toBe("updated");
  expect(await tiersShown()).toEqual(tiers.map(repositoryOf));
  expect((await all()).length).toBe(1);
});

test("what people changed stays: title, text, notes, items, their order", async () => {
  const { hub, local, show, count } = await start();
  await hub.refreshCollection(request);
  const { slug, items, description } = await show();
  const at = `/api/collections/${slug}`;
  const mark = description!.slice(-16);
  await call(local, `PATCH ${at}`, { json: { title: "Ours", description: `New ${mark}` } });
  await call(local, `PATCH ${at}/items/${items[1]!._id}`, { json: { note: "fits 16 GB" } });
  const item = { type: "model", id: "acme/theirs" };
  await call(local, `POST ${at}/items`, { json: { item, note: "a friend" } });
  const [, , theirs] = (await show()).items;
  await call(local, `PATCH ${at}/items/${theirs!._id}`, { json: { position: 0 } });
  const edited = await show();
  const before = count(writes);
  expect((await hub.refreshCollection(request)).outcome).toBe("unchanged");
  expect(count(writes)).toBe(before);
  // A run of one tier says nothing about the others.
  const part = { ...request, items: itemsOf("oQ4e"), isWhole: false };
  expect((await hub.refreshCollection(part)).outcome).toBe("unchanged");
  // A tier that the series dropped goes; one with a note of people, and what is theirs, stays.
  const dropped = { ...request, items: itemsOf("oQ3e") };
  expect((await hub.refreshCollection(dropped)).outcome).toBe("updated");
  const now = await show();
  expect([now.title, now.description]).toEqual(["Ours", `New ${mark}`]);
  expect(now.items.map(({ id }) => id)).toEqual([
    "acme/theirs",
    "acme/Tiny-oQ4e",
    "acme/Tiny-oQ3e",
  ]);
  expect(edited.items.length).toBe(3);
});

test("a collection of the same title is used, even if its mark is gone", async () => {
  const { hub, local, all, tiersShown } = await start();
  const json = { title: "Tiny oQe", namespace: "acme", description: "mine" };
  await call(local, "POST /api/collections", { json });
  expect((await hub.refreshCollection(request)).outcome).toBe("updated");
  expect(await tiersShown()).toEqual(["acme/Tiny-oQ8e", "acme/Tiny-oQ4e"]);
  expect((await all()).map(({ description }) => description)).toEqual(["mine"]);
});

test("two series of a namespace have two collections; long texts are cut", async () => {
  const { hub, all } = await start();
  await hub.refreshCollection(request);
  const long = { title: "T".repeat(80), description: "d".repeat(300) };
  await hub.refreshCollection({ ...request, series: "other", ...long });
  await hub.refreshCollection({ ...request, series: "other", ...long });
  expect((await all()).length).toBe(2);
});

test.each([
  ["the new collection", /POST .*\/collections$/],
  ["a new item", /POST .*\/items$/],
])("a lost answer about %s does no harm", async (_, match) => {
  const { hub, local, all, tiersShown } = await start();
  local.faults.push({ match, times: 1, action: "drop-answer" });
  await hub.refreshCollection(request);
  expect(await tiersShown()).toEqual(["acme/Tiny-oQ8e", "acme/Tiny-oQ4e"]);
  expect((await all()).length).toBe(1);
});

test("a token that may not write to the namespace is refused in words", async () => {
  const users = { hf_aVerySecretTokenOfTheTests: { name: "eve", role: "write" as const } };
  const { hub } = await startPush({ users });
  expect(await thrown(hub.refreshCollection({ ...request, items: [] }))).toMatchObject({
    code: "FORBIDDEN",
    message: expect.stringContaining("collections of acme"),
  });
});
