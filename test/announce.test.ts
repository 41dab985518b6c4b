import { expect, onTestFinished, test } from "vitest";
import { openDependencies } from "../src/entry/dependencies.ts";
import type { Keyless } from "../src/hub/keyless.ts";
import { parseInputs } from "../src/inputs/inputs.ts";
import {
  type LocalHub,
  type LocalHubOptions,
  type SeenRequest,
  startLocalHub,
} from "../src/local-hub/local-hub.ts";
import { publishModel } from "../src/pipeline.ts";
import type { Announcing } from "../src/series/announce-types.ts";
import { call, createRepo } from "./support/local-hub.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { recordingReport } from "./support/scripted-server.ts";

/** What a finished series gets besides its files, and publishing without a token. */
const tiers = ["acme/tiny-oQ8e", "acme/tiny-oQ4e"];
const announcing: Announcing = { tag: "v1", collection: "tiny", isWhole: true };

async function start(options: Partial<LocalHubOptions> = {}) {
  const folder = await scratchFolder();
  const seen: SeenRequest[] = [];
  const onRequest = (one: SeenRequest) => seen.push(one);
  const hub = await startLocalHub({ folder: `${folder}/hub`, onRequest, ...options });
  onTestFinished(async () => {
    await hub.close();
    await removeFolder(folder);
  });
  await hub.seed("base/tiny", smallest.llama!);
  const report = recordingReport();
  const publish = (
    more: Partial<Record<string, string>> = {},
    announcing?: Announcing,
    token: string | Keyless | null = "hf_good",
  ) => {
    const given: Partial<Record<string, string>> = {
      ...{ "base-model": "base/tiny", namespace: "acme", tiers: "oQ8e,oQ4e", method: "rounded" },
      ...{ verify: "false", "work-dir": `${folder}/work` },
      ...more,
    };
    const inputs = parseInputs((name) => given[name] ?? "", { HF_ENDPOINT: hub.url });
    const dependencies = openDependencies({ ...inputs, hubToken: token }, report, "");
    return publishModel(inputs, { ...dependencies, ...(announcing && { announcing }) });
  };
  return { hub, seen, report, publish };
}

const writesIn = (seen: readonly SeenRequest[]) =>
  seen
    .filter(({ method }) => !["GET", "HEAD"].includes(method))
    .map(({ method, url }) => `${method} ${url}`)
    .filter((line) => !/validate-yaml|paths-info|oauth/.test(line));

async function itemsOf(hub: LocalHub) {
  const answer = await call(hub, "GET /api/collections?owner=acme");
  const found = (await answer.json()) as { title: string; items: { id: string }[] }[];
  return found.map(({ title, items }) => [title, items.map(({ id }) => id)]);
}

test("a tag push tags every repository and lists them in a collection, once", async () => {
  const { hub, seen, publish } = await start();
  expect((await publish()).announced).toBeNull();
  const heads = tiers.map((id) => hub.head(id));
  // All is published already; the tag is new.
  const first = await publish({}, announcing);
  expect(first.tiers.map(({ outcome }) => outcome)).toEqual(["unchanged", "unchanged"]);
  expect(first.announced).toEqual({
    tag: "v1",
    tags: Object.fromEntries(tiers.map((id) => [id, "tagged"])),
    collection: { outcome: "created", url: expect.stringContaining(`${hub.url}/collections/acme`) },
  });
  expect(tiers.map((id) => hub.head(id, "v1"))).toEqual(heads);
  expect(await itemsOf(hub)).toEqual([["tiny oQe", tiers]]);
  seen.length = 0;
  const second = await publish({}, announcing);
  expect(second.failure).toBeNull();
  expect(Object.values(second.announced!.tags)).toEqual(["unchanged", "unchanged"]);
  expect(second.announced!.collection!.outcome).toBe("unchanged");
  expect(writesIn(seen)).toEqual([]);
});

test("a tag that the Hub has for other files is refused before anything is made", async () => {
  const { hub, seen, publish } = await start();
  await publish({ tiers: "oQ4e" }, announcing);
  const tagged = hub.head(tiers[1]!, "v1");
  seen.length = 0;
  await expect(publish({ rounding: "mlx" }, announcing)).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining(`has the tag v1 on ${tagged}`),
    hint: expect.stringContaining("push a new one"),
  });
  expect(writesIn(seen)).toEqual([]);
  expect(hub.head(tiers[0]!)).toBeNull();
  await expect(publish({}, { ...announcing, tag: "über" })).rejects.toMatchObject({
    code: "BAD_INPUT",
  });
});

test("a run that ends early, or is dry, announces nothing", async () => {
  const { hub, publish } = await start();
  expect((await publish({ "dry-run": "true" }, announcing)).announced).toBeNull();
  hub.faults.push({ match: /POST .*oQ4e\/commit\//, times: 9, action: { status: 403 } });
  const failed = await publish({}, announcing);
  expect(failed.failure).toMatchObject({ code: "FORBIDDEN" });
  expect(failed.announced).toBeNull();
  expect(hub.head(tiers[0]!, "v1")).toBeNull();
  expect(await itemsOf(hub)).toEqual([]);
});

test("a tag that fails is the failure of a run whose tiers are published", async () => {
  const { hub, publish } = await start();
  hub.faults.push({ match: /POST .*\/tag\//, times: 1, action: { status: 403 } });
  const { tiers: published, failure } = await publish({}, announcing);
  expect(published.map(({ outcome }) => outcome)).toEqual(["published", "published"]);
  expect(failure).toMatchObject({ code: "FORBIDDEN" });
  expect((await publish({}, announcing)).failure).toBeNull();
  expect(tiers.map((id) => hub.head(id, "v1"))).toEqual(tiers.map((id) => hub.head(id)));
});

test("a keyless run publishes and tags each repository, and warns about the collection", async () => {
  const run = { repository: "ada/models", ref: "refs/tags/v1", workflow: "publish.yml" };
  const trusted = [{ repository: "ada/models", workflow: "publish.yml" }];
  const publishers = Object.fromEntries(tiers.map((id) => [id, trusted]));
  const { hub, seen, report, publish } = await start({ publishers });
  const secrets: string[] = [];
  const keyless: Keyless = {
    ...run,
    mask: (secret) => secrets.push(secret),
    identityToken: async (audience) => {
      const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } =
        hub.identityOf(run);
      const headers = { Authorization: `Bearer ${bearer}` };
      const answer = await fetch(`${url}&audience=${audience}`, { headers });
      return ((await answer.json()) as { value: string }).value;
    },
  };
  await expect(publish({}, announcing, keyless)).rejects.toMatchObject({ code: "UNAUTHORIZED" });
  expect(writesIn(seen)).toEqual([]);
  for (const id of tiers) await createRepo(hub, id);
  const { tiers: published, failure, made, announced } = await publish({}, announcing, keyless);
  expect([failure, published.map(({ outcome }) => outcome)]).toEqual([
    null,
    ["published", "published"],
  ]);
  expect(tiers.map((id) => hub.head(id, "v1"))).toEqual(tiers.map((id) => hub.head(id)));
  expect(announced!.collection).toBeNull();
  const log = report.lines.join("\n");
  expect(log).toContain("collections of acme cannot be written");
  expect(secrets.length).toBeGreaterThan(3);
  for (const secret of secrets) expect(log + JSON.stringify(made)).not.toContain(secret);
  expect(hub.leakedTokens).toBe(0);
});

test("a job that only measures needs no token", async () => {
  const { seen, publish } = await start();
  const { tiers: left, failure } = await publish({ command: "measure" }, announcing, null);
  expect(failure).toBeNull();
  expect(left.map(({ outcome }) => outcome)).toEqual(["unfinished", "unfinished"]);
  expect(writesIn(seen)).toEqual([]);
});

test("with hub-pull-request a series is proposed once, and tagged after it is merged", async () => {
  const { hub, seen, publish } = await start();
  const given = { "hub-pull-request": "true" };
  const first = await publish(given, announcing);
  expect(first.failure).toBeNull();
  expect(first.tiers).toMatchObject(
    tiers.map((id) => ({ outcome: "proposed", url: `${hub.url}/${id}/discussions/1` })),
  );
  expect(first.announced).toBeNull();
  expect(tiers.map((id) => [...hub.files(id).keys()])).toEqual([
    [".gitattributes"],
    [".gitattributes"],
  ]);
  seen.length = 0;
  const second = await publish(given, announcing);
  expect(second.made).toEqual([]);
  expect(second.tiers).toEqual(first.tiers.map((tier) => ({ ...tier, folder: null })));
  expect(writesIn(seen)).toEqual([]);
  for (const id of tiers) await call(hub, `POST /api/models/${id}/discussions/1/merge`);
  const third = await publish(given, announcing);
  expect(third.tiers.map(({ outcome }) => outcome)).toEqual(["unchanged", "unchanged"]);
  expect(tiers.map((id) => hub.head(id, "v1"))).toEqual(tiers.map((id) => hub.head(id)));
});
