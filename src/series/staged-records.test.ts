import { beforeAll, expect, test } from "vitest";
import { memoryRepository } from "../../test/hostile/memory.ts";
import { branchOf, type StagedWorld, stageTier } from "../../test/hostile/staged.ts";
import { utf8 } from "../../test/hostile/target.ts";
import { makeUnfinishedTier } from "../../test/hostile/unfinished-tier.ts";
import { OqeError } from "../ground/errors.ts";
import { readEntries, readRecipe, type StagedChange } from "./staged-records.ts";

let world: StagedWorld;
let shard: string;
beforeAll(async () => {
  const tier = await makeUnfinishedTier();
  world = stageTier(tier, await tier.openBase());
  shard = Object.keys(tier.shards)[0]!;
});

const [first, second] = ["oqe-work/00000.json", "oqe-work/00001.json"];
const json = (value: unknown) => utf8(JSON.stringify(value));

test("both entries of a sound branch are taken over", async () => {
  expect((await world.read({})).map(({ path }) => path)).toEqual([first, second]);
});

const named = (name: string) => (change: StagedChange) => {
  return { ...change, shards: { [name]: Object.values(change.shards)[0] } };
};
test.each<[string, (change: StagedChange) => unknown]>([
  ["with a shard above the folder", named("../model.safetensors")],
  ["with a shard at an absolute path", named("/tmp/model.safetensors")],
  ["with the config as a shard", named("config.json")],
  ["with a shard called __proto__", named("__proto__")],
  ["with a shard that the layout has not", named("model-00001-of-00009.safetensors")],
  ["without shards for its tensors", (change) => ({ ...change, shards: {} })],
  [
    "with another hash of a shard",
    ({ shards, ...change }) => ({
      ...change,
      shards: { ...shards, [shard]: { ...shards[shard], sha256: "0".repeat(64) } },
    }),
  ],
  [
    "with another size of a shard",
    ({ shards, ...change }) => ({ ...change, shards: { [shard]: { ...shards[shard], bytes: 1 } } }),
  ],
  [
    "with a part that no tier has",
    ({ parts, ...change }) => {
      const part = { ...parts[0]!.part, name: "block 77" };
      return { ...change, parts: [{ ...parts[0], part }] };
    },
  ],
  ["that is null", () => null],
])("an entry %s ends the list", async (_, change) => {
  const kept = await world.read({ [second]: json(change(world.changes[1])) });
  expect(kept.map(({ path }) => path)).toEqual([first]);
});

test.each<[string, (change: StagedChange) => unknown]>([
  ["lacks tensors", (change) => ({ ...change, piece: null })],
  [
    "has tensors of no part",
    (change) => ({ ...change, piece: { ...change.piece, tensors: ["no.such.tensor"] } }),
  ],
  [
    "has a tensor twice",
    (change) => {
      const { tensors } = change.piece!;
      return { ...change, piece: { ...change.piece, tensors: [...tensors, tensors[0]] } };
    },
  ],
])("a piece that %s is not taken over, nor what follows", async (_, change) => {
  expect(await world.read({ [first]: json(change(world.changes[0])) })).toEqual([]);
});

test("a piece with too few bytes is not taken over, even if its record agrees", async () => {
  const bytes = world.files["oqe-work/00000.bin"]!.subarray(0, -1);
  expect(await world.read({ "oqe-work/00000.bin": bytes })).toEqual([]);
  const { files } = branchOf({ "oqe-work/00000.bin": bytes });
  const file = { bytes: bytes.length, sha256: files.get("oqe-work/00000.bin")!.sha256 };
  const change = { ...world.changes[0], piece: { ...world.changes[0].piece, file } };
  expect(await world.read({ "oqe-work/00000.bin": bytes, [first]: json(change) })).toEqual([]);
});

test("thousands of empty entries are read", async () => {
  const empty = json({ parts: [], shards: {}, piece: null });
  const all = Array.from({ length: 5000 }, (_, i) => `oqe-work/${String(i).padStart(5, "0")}.json`);
  const branch = branchOf(Object.fromEntries(all.map((path) => [path, empty])));
  expect((await readEntries(branch)).length).toBe(5000);
});

test.each(["", "{", "[]", '{"recipe":7}', '{"recipe":"a\\nb"}', "[".repeat(1e5)])(
  "a recipe that says %j is none",
  async (text) => {
    expect(await readRecipe(branchOf({ "oqe-work/recipe.json": utf8(text) }))).toBeNull();
  },
);

test("a record whose bytes are not those of the commit is an error of the Hub", async () => {
  const sound = branchOf(world.files);
  const content = memoryRepository({ ...world.files, [first]: json(world.changes[1]) });
  const blobs = sound.content.blobs!;
  const branch = { ...sound, content: { ...content, blobs } };
  await expect(readEntries(branch)).rejects.toMatchObject({ code: "NETWORK" });
});

test("a Hub that does not answer is not taken for work of another recipe", async () => {
  const sound = branchOf(world.files);
  const open = () => Promise.reject(new OqeError("NETWORK", "no answer"));
  const branch = { ...sound, content: { ...sound.content, open } };
  await expect(readRecipe(branch)).rejects.toMatchObject({ code: "NETWORK" });
});
