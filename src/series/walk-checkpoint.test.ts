import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { savedWalk, walkShape } from "../../test/hostile/walk.ts";
import { readSealed, writeSealed } from "../ground/sealed-json.ts";
import { fitsWalk, type SavedWalk } from "../sensitivity/saved-walk.ts";
import { WalkCheckpoint } from "./walk-checkpoint.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "oqe-walk-"));
  await open().save(savedWalk);
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** `isSame`: whether the base is the one that the walk was made of. */
function open(isSame = true): WalkCheckpoint {
  const notes = { takeDigests: () => [], recall: () => isSame };
  const report = { info: () => {}, warn: () => {} };
  return new WalkCheckpoint({ folder, notes, stop: () => {}, report });
}

const path = () => join(folder, "1.json");

/** Writes another record. `change` gets the one that is there. */
async function forge(change: (saved: Record<string, unknown>) => unknown): Promise<void> {
  const saved = readSealed(await readFile(path(), "utf8")) as Record<string, unknown>;
  await writeFile(path(), writeSealed(change(saved)));
}

test("a walk reads back as it was saved", async () => {
  expect(await open().load()).toEqual(savedWalk);
  expect(await open(false).load()).toBeNull();
});

test("a changed digit in the record is noticed", async () => {
  const text = await readFile(path(), "utf8");
  await writeFile(path(), text.replace('"tunedAtProbe":1,', '"tunedAtProbe":2,'));
  expect(await readFile(path(), "utf8")).not.toBe(text);
  expect(await open().load()).toBeNull();
});

test.each([0, 17, 83])("states of %d bytes are not taken over", async (bytes) => {
  await truncate(join(folder, "1.bin"), bytes);
  expect(await open().load()).toBeNull();
});

test("an earlier record serves where the last one is damaged", async () => {
  const names = await readdir(folder);
  const files = await Promise.all(names.map((name) => readFile(join(folder, name))));
  await open().save({ ...savedWalk, layer: 2 });
  for (const [i, name] of names.entries()) await writeFile(join(folder, name), files[i]!);
  await writeFile(join(folder, "2.json"), "{");
  await writeFile(join(folder, "99999999999999999999.json"), "{}");
  expect(await open().load()).toEqual(savedWalk);
});

const inProbes = (more: object) => (saved: Record<string, unknown>) => {
  const values = saved.values as { probes: object };
  return { ...saved, values: { ...values, probes: { ...values.probes, ...more } } };
};

test.each<[string, (saved: Record<string, unknown>) => unknown]>([
  ["of another block", (saved) => ({ ...saved, layer: 2 })],
  ["of more states than memory holds", (saved) => ({ ...saved, shapes: [[2 ** 40, 2 ** 12]] })],
  ["of 16 GB, in a small file", (saved) => ({ ...saved, shapes: [[2 ** 20, 2 ** 12]] })],
  ["of a million states", (saved) => ({ ...saved, shapes: new Array(1e6).fill([1, 1]) })],
  ["of negative shapes", (saved) => ({ ...saved, shapes: [[-2, -42]] })],
  ["without values", ({ values: _, ...saved }) => saved],
  ["with a text for a number", inProbes({ blockErrors: [["a.b", "0.125"]] })],
  ["with null, as JSON writes NaN", inProbes({ blockErrors: [["a.b", null]] })],
  ["with a field called __proto__", () => JSON.parse('{"__proto__": {"layer": 1}}')],
  ["that is a list", () => [1]],
])("a record %s is not taken over", async (_, change) => {
  await forge(change);
  expect(await open().load()).toBeNull();
});

test.each<[string, Partial<SavedWalk["values"]["probes"]>]>([
  ["a part that no block has", { errors: [{ part: "constructor", errors: [1] }] }],
  ["more probes than states", { probes: new Array(3).fill({ name: "part 0", flipPower: 0 }) }],
  ["no further rows", { hasMore: false }],
])("a walk with %s is not one of this model", (_, more) => {
  const { values } = savedWalk;
  expect(fitsWalk(savedWalk, walkShape)).toBe(true);
  const other = { ...savedWalk, values: { ...values, probes: { ...values.probes, ...more } } };
  expect(fitsWalk(other, walkShape)).toBe(false);
});
