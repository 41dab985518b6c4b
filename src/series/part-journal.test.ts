import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import {
  makeUnfinishedTier,
  openWork,
  type UnfinishedTier,
} from "../../test/hostile/unfinished-tier.ts";
import { readSealed, writeSealed } from "../ground/sealed-json.ts";
import { journalOf, type WrittenPart } from "./part-journal.ts";

let tier: UnfinishedTier;
/** The lines of its journal. */
let lines: readonly string[];
beforeAll(async () => {
  tier = await makeUnfinishedTier();
  lines = new TextDecoder().decode(tier.journal).split("\n").filter(Boolean);
});
let scratch: string;
beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "oqe-journal-"));
});
afterEach(() => rm(scratch, { recursive: true, force: true }));

/** Goes on with a journal; the shards have all parts. The bytes are right in any case. */
async function recalledOf(journal: string | Uint8Array): Promise<number> {
  const folder = join(scratch, "files");
  await mkdir(folder);
  for (const [file, bytes] of Object.entries(tier.shards))
    await writeFile(join(folder, file), bytes);
  await writeFile(journalOf(folder), journal);
  const work = await openWork(tier, folder, await tier.openBase());
  expect(await tier.finish(work)).toEqual(tier.whole);
  return work.recalled;
}

/** The journal with another record in place of one. */
function forged(at: number, change: (part: WrittenPart) => unknown): string {
  const record = readSealed(lines[at]!) as WrittenPart;
  return `${lines.with(at, writeSealed(change(record))).join("\n")}\n`;
}

const ofPart = (change: object) => (written: WrittenPart) => {
  return { ...written, part: { ...written.part, ...change } };
};

test("all parts of a sound journal are taken over", async () => {
  expect(lines.length).toBeGreaterThan(3);
  expect(await recalledOf(tier.journal)).toBe(lines.length);
});

test("a changed digit in a figure is noticed: the part and those behind it are made again", async () => {
  const journal = lines.with(2, lines[2]!.replace('"loss":0.5', '"loss":0.6'));
  expect(journal[2]).not.toBe(lines[2]);
  expect(await recalledOf(`${journal.join("\n")}\n`)).toBe(2);
});

test("what is behind a damaged line is removed, so that new lines follow sound ones", async () => {
  await recalledOf(
    `${lines.slice(0, 2).join("\n")}\n{"sha256":"0"\n${lines.slice(2).join("\n")}\n`,
  );
  const kept = await readFile(join(scratch, "parts.jsonl"), "utf8");
  expect(kept.split("\n").filter(Boolean)).toEqual(lines.slice(0, 2));
});

test.each<[string, (written: WrittenPart) => unknown]>([
  ["without tensors, and the hash of nothing", ofPart({ tensors: [] })],
  ["with a tensor that the layout has not", ofPart({ tensors: ["no.such.tensor"] })],
  ["of another part", ofPart({ name: "head" })],
  ["of a part that no tier has", ofPart({ name: "block 99" })],
  ["of a part called __proto__", ofPart({ name: "__proto__" })],
  ["without results", ofPart({ matrices: [] })],
  ["with a text for a number", ofPart({ moved: "0" })],
  ["of a router that is none", ofPart({ router: { layer: 0, repaired: false, ratio: null } })],
  ["with other tokens", ofPart({ tokens: [1, 2, 3, 4, 5] })],
  [
    "with results of a module that is not there",
    (written) => {
      const [first, ...rest] = written.part.matrices;
      return ofPart({ matrices: [{ ...first, module: "constructor" }, ...rest] })(written);
    },
  ],
  ["with another hash", (written) => ({ ...written, sha256: "0".repeat(64) })],
  ["that is a list", () => []],
])("a record %s is not taken over", async (_, change) => {
  expect(await recalledOf(forged(1, change))).toBeLessThan(lines.length);
});

test("digests of another base: all parts are made again", async () => {
  const read = [{ file: "../model.safetensors", first: 0, digests: "A".repeat(44) }];
  expect(await recalledOf(forged(1, (written) => ({ ...written, read })))).toBe(0);
});
