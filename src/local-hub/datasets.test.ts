import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { addFile, call, commit, scratchFolder, startHub } from "../../test/support/local-hub.ts";
import type { LocalHub } from "./local-hub.ts";

/** A folder of the shape of a Hub's, with a dataset and a model of one name in it. */
async function seededFolder(): Promise<string> {
  const folder = await scratchFolder();
  for (const [repo, text] of [
    ["datasets/acme/text", "rows"],
    ["acme/text", "model"],
  ] as const) {
    await mkdir(join(folder, repo, "deep"), { recursive: true });
    await writeFile(join(folder, repo, "deep", "a.txt"), text);
    await writeFile(
      join(folder, repo, ".gitattributes"),
      "*.jsonl filter=lfs diff=lfs merge=lfs -text\n",
    );
    await writeFile(join(folder, repo, "b.jsonl"), `{"text": "${text}"}\n`);
  }
  return folder;
}

async function get<T>(hub: LocalHub, path: string): Promise<T> {
  return (await call(hub, `GET ${path}`)).json() as Promise<T>;
}

test("a folder below datasets/ is a dataset, distinct from a model of that name, also after a restart", async () => {
  const folder = await seededFolder();
  const first = await startHub({ folder });
  const head = first.head("datasets/acme/text");
  await first.close();
  const hub = await startHub({ folder });
  expect(hub.head("datasets/acme/text")).toBe(head);
  const info = await get<object>(hub, "/api/datasets/acme/text/revision/main");
  expect(info).toMatchObject({ id: "acme/text", author: "acme", sha: head });
  expect(info).not.toHaveProperty("modelId");
  expect((await get<{ sha: string }>(hub, "/api/models/acme/text")).sha).toBe(
    hub.head("acme/text"),
  );
  expect((await get<{ id: string }[]>(hub, "/api/models")).map(({ id }) => id)).toEqual([
    "acme/text",
  ]);
  expect(
    (await get<{ orgs: { name: string }[] }>(hub, "/api/whoami-v2")).orgs.map(({ name }) => name),
  ).toEqual(["acme"]);
});

test("its files are listed and sent: small ones by the Hub, large ones by storage", async () => {
  const hub = await startHub({ folder: await seededFolder() });
  const listed = await get<{ path: string }[]>(
    hub,
    "/api/datasets/acme/text/tree/main?recursive=true",
  );
  expect(listed.map(({ path }) => path)).toEqual([
    ".gitattributes",
    "b.jsonl",
    "deep",
    "deep/a.txt",
  ]);
  const asked = await call(hub, "POST /api/datasets/acme/text/paths-info/main", {
    json: { paths: ["deep/a.txt", "no"] },
  });
  expect(await asked.json()).toMatchObject([{ type: "file", path: "deep/a.txt", size: 4 }]);
  expect(await (await call(hub, "GET /datasets/acme/text/resolve/main/deep/a.txt")).text()).toBe(
    "rows",
  );
  const away = await call(hub, "GET /datasets/acme/text/resolve/main/b.jsonl");
  expect(away.status).toBe(302);
  const stored = await call(hub, `GET ${away.headers.get("location")}`, { token: null });
  expect(await stored.text()).toBe('{"text": "rows"}\n');
});

test("it cannot be written by any spelling of its name", async () => {
  const hub = await startHub({ folder: await seededFolder() });
  const head = hub.head("datasets/acme/text");
  const answers = [
    await call(hub, "POST /api/datasets/acme/text/commit/main", { body: "" }),
    await commit(hub, "datasets%2Facme/text", [addFile("a", "x")]),
    await call(hub, "POST /api/repos/create", {
      json: { name: "new", organization: "acme", type: "dataset" },
    }),
    await call(hub, "POST /api/repos/create", {
      json: { name: "acme/new", organization: "datasets", type: "model" },
    }),
    await call(hub, "DELETE /api/repos/delete", {
      json: { name: "acme/text", organization: "datasets" },
    }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([404, 404, 400, 400, 400]);
  expect(hub.head("datasets/acme/text")).toBe(head);
});
