import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { openDependencies } from "../src/entry/dependencies.ts";
import { silentReport } from "../src/ground/report.ts";
import { connectHub } from "../src/hub/client.ts";
import type { Hub } from "../src/hub/hub-types.ts";
import { parseInputs } from "../src/inputs/inputs.ts";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { type Published, publishModel } from "../src/pipeline.ts";
import type { Announcing } from "../src/series/announce-types.ts";
import { call } from "./support/local-hub.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

/**
 * Two runs of `seal` for one model at the same time, on two machines: in the midst of the first,
 * before a call to the Hub, the second does all of its work.
 */
const tiers = ["acme/tiny-oQ8e", "acme/tiny-oQ4e"];
const tagged: Announcing = { tag: "v1", collection: "tiny", isWhole: true };
const scheduled: Announcing = { tag: null, collection: "tiny", isWhole: true };
let hub: LocalHub;
let folder: string;

beforeEach(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({ folder: `${folder}/hub` });
  await hub.seed("base/tiny", smallest.llama!);
  return async () => {
    await hub.close();
    await removeFolder(folder);
  };
});

/** `before`: what happens before the first call of this name to the Hub. */
function publish(
  machine: string,
  announcing: Announcing,
  before?: { readonly name: keyof Hub; readonly run: () => Promise<unknown> },
): Promise<Published> {
  const given: Partial<Record<string, string>> = {
    ...{ "base-model": "base/tiny", namespace: "acme", tiers: "oQ8e,oQ4e", method: "rounded" },
    ...{ verify: "false", "work-dir": `${folder}/${machine}` },
  };
  const inputs = parseInputs((name) => given[name] ?? "", { HF_ENDPOINT: hub.url });
  const dependencies = openDependencies({ ...inputs, hubToken: "hf_good" }, silentReport, "");
  const connected = dependencies.connect();
  let left = before;
  const call =
    (name: keyof Hub) =>
    async (...args: unknown[]) => {
      const run = left?.name === name ? left.run : null;
      if (run !== null) left = undefined;
      await run?.();
      return (connected[name] as (...given: unknown[]) => Promise<unknown>)(...args);
    };
  const watched =
    before === undefined ? connected : { ...connected, [before.name]: call(before.name) };
  onTestFinished(() => expect(left, `${before?.name} is never called`).toBeUndefined());
  return publishModel(inputs, { ...dependencies, connect: () => watched, announcing });
}

async function state() {
  const answer = await call(hub, "GET /api/collections?owner=acme");
  const found = (await answer.json()) as { items: { id: string }[] }[];
  const commits = tiers.map((tier) => hub.history(tier).length);
  const tags = [];
  for (const tier of tiers) {
    const refs = await (await call(hub, `GET /api/models/${tier}/refs`)).json();
    tags.push((refs as { tags: { name: string }[] }).tags.map(({ name }) => name));
  }
  return { commits, tags, collections: found.map(({ items }) => items.map(({ id }) => id)) };
}

const moments: readonly (keyof Hub)[] = ["push", "tag", "refreshCollection"];

describe("a tag and a schedule at once", () => {
  test.each(moments)(
    "before %s of the tag: one commit a tier, one tag, one collection",
    async (name) => {
      const alone = await aloneState();
      const first = await publish("one", tagged, { name, run: () => publish("two", scheduled) });
      expect(first.failure).toBeNull();
      expect(await state()).toEqual(alone);
      expect(first.tiers.map(({ repository }) => repository)).toEqual(tiers);
    },
  );

  test.each(["push", "refreshCollection"] as const)(
    "before %s of the schedule: the same, and the schedule moves no tag",
    async (name) => {
      const alone = await aloneState();
      let second: Published | null = null;
      const run = async () => {
        second = await publish("two", tagged);
      };
      const first = await publish("one", scheduled, { name, run });
      expect([first.failure, second!.failure]).toEqual([null, null]);
      expect(await state()).toEqual(alone);
    },
  );
});

test("two tags of one version at once: the second is told that all is as it was", async () => {
  const alone = await aloneState();
  const first = await publish("one", tagged, { name: "tag", run: () => publish("two", tagged) });
  expect(first).toMatchObject({
    failure: null,
    announced: { tags: { [tiers[0]!]: "unchanged", [tiers[1]!]: "unchanged" } },
  });
  expect(await state()).toEqual(alone);
});

test.each([
  ["it is made", /^POST .*\/api\/collections$/],
  ["a tier is added", /^POST .*\/items$/],
])("two collections at once, before %s: one, with each tier once", async (_, before) => {
  await publish("one", { ...scheduled, collection: null });
  const refresh = (fetch?: typeof globalThis.fetch) => {
    const options = { endpoint: hub.url, token: "hf_good", report: silentReport };
    return connectHub({ ...options, ...(fetch && { fetch }) }).refreshCollection({
      ...{ namespace: "acme", series: "tiny", title: "tiny", description: "", private: false },
      items: tiers.map((repository) => ({ repository, tier: repository.split("-")[1]! })),
      isWhole: true,
    });
  };
  let second: Awaited<ReturnType<typeof refresh>> | null = null;
  let left = true;
  const first = await refresh(async (input, init) => {
    if (left && before.test(`${init?.method ?? "GET"} ${input}`)) {
      left = false;
      second = await refresh();
    }
    return fetch(input, init);
  });
  expect(first.url).toBe(second!.url);
  expect((await state()).collections).toEqual([tiers]);
  expect((await refresh()).outcome).toBe("unchanged");
});

/** What one run leaves. It is made on a Hub of its own. */
async function aloneState() {
  const shared = hub;
  hub = await startLocalHub({ folder: `${folder}/alone` });
  await hub.seed("base/tiny", smallest.llama!);
  expect((await publish("alone", tagged)).failure).toBeNull();
  const found = await state();
  await hub.close();
  hub = shared;
  return found;
}
