import * as hf from "@huggingface/hub";
import { expect, test } from "vitest";
import {
  call,
  createRepo,
  refusal,
  scratchFolder,
  startHub,
} from "../../test/support/local-hub.ts";

interface Shown {
  items: { _id: string; id: string; note?: { text: string } }[];
}

const users = {
  hf_test: { name: "ada", organizations: ["acme"], role: "write" as const },
  hf_eve: { name: "eve", role: "write" as const },
};

async function start(folder?: string) {
  const hub = await startHub({ users, ...(folder && { folder }) });
  const to = { hubUrl: hub.url, accessToken: "hf_test" };
  return { hub, to };
}

async function list(hub: { url: string }, owner: string) {
  const found = [];
  const search = { owner: [owner] };
  for await (const one of hf.listCollections({ search, hubUrl: hub.url, accessToken: "hf_test" }))
    found.push(one);
  return found;
}

test("a collection is made, found by its owner, filled in order, changed and deleted", async () => {
  const folder = await scratchFolder();
  const { hub, to } = await start(folder);
  for (const name of ["a", "b", "c"]) await createRepo(hub, `acme/${name}`);
  const collection = { title: "Tiny oQe", namespace: "acme", description: "Tiers" };
  const { slug } = await hf.createCollection({ collection, ...to });
  expect(slug).toMatch(/^acme\/tiny-oqe-[0-9a-f]{24}$/);
  const items = `/api/collections/${slug}/items`;
  const add = (id: string, note?: string) =>
    call(hub, `POST ${items}`, { json: { item: { type: "model", id }, note } });
  for (const name of ["a", "b"]) expect((await add(`acme/${name}`)).status).toBe(200);
  expect((await add("acme/a")).status).toBe(409);
  const filled = (await (await add("acme/c", "small")).json()) as Shown;
  expect(filled.items.map(({ id, note }) => [id, note?.text])).toEqual([
    ["acme/a", undefined],
    ["acme/b", undefined],
    ["acme/c", "small"],
  ]);
  const [a, , c] = filled.items.map(({ _id }) => _id);
  await call(hub, `PATCH ${items}/${c}`, { json: { position: 0 } });
  await call(hub, `DELETE ${items}/${a}`);
  await call(hub, `PATCH /api/collections/${slug}`, { json: { title: "Tiny" } });
  await hub.close();

  const { hub: next, to: there } = await start(folder);
  const found = await list(next, "acme");
  expect(found.map((one) => [one.slug, one.title, one.items.map(({ id }) => id)])).toEqual([
    [slug, "Tiny", ["acme/c", "acme/b"]],
  ]);
  expect(await list(next, "eve")).toEqual([]);
  await hf.deleteCollection({ slug, ...there });
  expect((await call(next, `GET /api/collections/${slug}`)).status).toBe(404);
});

test("collections are refused to others, twice by one title, and with what the Hub has not", async () => {
  const { hub } = await start();
  const json = { title: "Tiny", namespace: "acme" };
  const made = (await (await call(hub, "POST /api/collections", { json })).json()) as {
    slug: string;
  };
  const twice = await call(hub, "POST /api/collections", { json });
  expect(twice.status).toBe(409);
  expect(await twice.json()).toMatchObject({ slug: made.slug });
  const other = { token: "hf_eve", json };
  expect((await call(hub, "POST /api/collections", other)).status).toBe(403);
  const item = { item: { type: "model", id: "acme/none" } };
  const items = `POST /api/collections/${made.slug}/items`;
  expect((await refusal(await call(hub, items, { json: item }))).status).toBe(404);
  expect((await call(hub, items, { token: "hf_eve", json: item })).status).toBe(403);
  expect((await call(hub, items, { token: null, json: item })).status).toBe(401);
  const long = { ...json, title: "Other", description: "x".repeat(151) };
  expect((await call(hub, "POST /api/collections", { json: long })).status).toBe(400);
});
