import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Base } from "../../src/base/base.ts";
import { silentReport } from "../../src/ground/report.ts";
import { readSealed, writeSealed } from "../../src/ground/sealed-json.ts";
import { modulePath } from "../../src/mlx/format.ts";
import { TuningLedger } from "../../src/quantize/tuning-ledger.ts";
import { fitsWalk, type SavedWalk } from "../../src/sensitivity/saved-walk.ts";
import { lockFolder } from "../../src/series/folder-lock.ts";
import { journalOf } from "../../src/series/part-journal.ts";
import { readRecipe } from "../../src/series/staged-records.ts";
import { findLiveClaim } from "../../src/series/staging-claim.ts";
import { WalkCheckpoint } from "../../src/series/walk-checkpoint.ts";
import { damageBytes, damageValue, type Random } from "./damage.ts";
import { branchOf, stageTier } from "./staged.ts";
import { damageDocument, type Target, textOf, utf8 } from "./target.ts";
import { openWork, type UnfinishedTier } from "./unfinished-tier.ts";
import { savedWalk, walkShape } from "./walk.ts";

/** Runs `use` in a folder of its own. */
async function inScratch<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "oqe-fuzz-"));
  try {
    return await use(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Damages values of sealed lines, and seals them again: records of another program. */
function forgeLines(journal: Uint8Array, random: Random): Uint8Array {
  const lines = textOf(journal).split("\n");
  const full = [...lines.keys()].filter((i) => lines[i] !== "");
  const chosen = full[random(full.length)]!;
  lines[chosen] = writeSealed(damageValue(readSealed(lines[chosen]!), random));
  return utf8(lines.join("\n"));
}

/** The tier's shards with all parts, and a journal: the run ends with the right bytes. */
function goOn(tier: UnfinishedTier, journal: Uint8Array, shards = tier.shards): Promise<boolean> {
  return inScratch(async (scratch) => {
    const folder = join(scratch, "files");
    await mkdir(folder);
    for (const [file, bytes] of Object.entries(shards)) await writeFile(join(folder, file), bytes);
    await writeFile(journalOf(folder), journal);
    const base = await tier.openBase();
    const work = await openWork(tier, folder, base);
    const ledger = new TuningLedger(base);
    for (const { name } of tier.parts) {
      const known = work.log.recall(name);
      if (known === null) continue;
      const layer = /^block/.test(name) ? Number(name.slice(6)) : null;
      const modules = new Set(known.matrices.map(({ module }) => module));
      const tensors = base.tensors.filter((tensor) => modules.has(modulePath(tensor)));
      ledger.recall(tier.plan, layer, known);
      assert.equal(
        ledger.resultsOf(tier.plan, layer, tensors).matrices.length,
        known.matrices.length,
      );
    }
    assert.deepEqual(await tier.finish(work), tier.whole);
    return work.recalled === tier.parts.length;
  });
}

function journalTargets(tier: UnfinishedTier): readonly Target[] {
  const [file, shard] = Object.entries(tier.shards)[0]!;
  return [
    {
      name: "journal",
      seeds: [tier.journal],
      codes: [],
      read: (journal) => goOn(tier, journal),
    },
    {
      name: "journal, forged",
      seeds: [tier.journal],
      damage: forgeLines,
      codes: [],
      read: (journal) => goOn(tier, journal),
    },
    {
      name: "shard of a work folder",
      seeds: [shard],
      damage: damageBytes,
      codes: [],
      read: (bytes) => goOn(tier, tier.journal, { ...tier.shards, [file]: bytes }),
    },
  ];
}

async function walkTargets({ openBase }: UnfinishedTier): Promise<readonly Target[]> {
  const place = async (folder: string) => {
    const notes = (await openBase()).checkpoint;
    return new WalkCheckpoint({ folder, notes, stop: () => {}, report: silentReport });
  };
  const [record, states] = await inScratch(async (folder) => {
    await (await place(folder)).save(savedWalk);
    return Promise.all(["1.json", "1.bin"].map((name) => readFile(join(folder, name))));
  });
  const load = (files: readonly [Uint8Array, Uint8Array]) =>
    inScratch(async (folder) => {
      await writeFile(join(folder, "1.json"), files[0]);
      await writeFile(join(folder, "1.bin"), files[1]);
      return (await place(folder)).load();
    });
  const isOriginal = (found: SavedWalk | null) => {
    if (found !== null) assert.deepEqual(found, savedWalk);
    return found !== null;
  };
  return [
    {
      name: "saved walk",
      seeds: [record!],
      codes: [],
      read: async (text) => isOriginal(await load([text, states!])),
    },
    {
      name: "saved walk, forged",
      seeds: [record!],
      damage: forgeLines,
      codes: [],
      read: async (text) => {
        const found = await load([text, states!]);
        return found !== null && fitsWalk(found, walkShape);
      },
    },
    {
      name: "states of a walk",
      seeds: [states!],
      damage: damageBytes,
      codes: [],
      read: async (bytes) => isOriginal(await load([record!, bytes])),
    },
  ];
}

/** Of a run on another machine, which has not ended. */
const claim = {
  ...{ draft: "0123456789abcdef", machine: "0123456789abcdef", process: "17.4711" },
  ...{ since: "2026-11-30T16:15:26.997Z", last: "2026-11-30T16:15:26.998Z" },
  until: "2999-11-30T17:15:26.998Z",
};

function stagedTargets(tier: UnfinishedTier, base: Base): readonly Target[] {
  const { files, read } = stageTier(tier, base);
  const ofEntry = (path: string): Target => ({
    name: `staged ${path}`,
    seeds: [files[path]!],
    codes: [],
    read: async (bytes) => (await read({ [path]: bytes })).length === 2,
  });
  return [
    ofEntry("oqe-work/00000.json"),
    ofEntry("oqe-work/00001.json"),
    { ...ofEntry("oqe-work/00000.bin"), damage: damageBytes },
    {
      name: "staged oqe-work/recipe.json",
      seeds: [files["oqe-work/recipe.json"]!],
      codes: [],
      read: async (bytes) =>
        (await readRecipe(branchOf({ ...files, "oqe-work/recipe.json": bytes }))) !== null,
    },
    {
      name: "staged oqe-work/claim.json",
      seeds: [utf8(JSON.stringify(claim))],
      codes: [],
      read: async (bytes) =>
        (await findLiveClaim(branchOf({ "oqe-work/claim.json": bytes }), "another")) !== null,
    },
  ];
}

/** A lock of the process that started this one, described by a file. */
const lock: Target = {
  name: "lock of a folder",
  seeds: [utf8('{"host":"machine","since":"2026-11-30T12:00:00.000Z"}')],
  damage: damageDocument,
  codes: ["CONFLICT"],
  read: (text) =>
    inScratch(async (folder) => {
      const other = join(folder, `.tier.lock.elsewhere.${process.ppid}.0.0`);
      await mkdir(other);
      await writeFile(join(other, "holding.json"), text);
      const refused = await lockFolder(join(folder, "tier")).catch((error: Error) => error);
      assert.ok(refused instanceof Error, "the lock was given twice");
      if (refused.message.includes(" since ")) return true;
      throw refused;
    }),
};

/** Readers of what an earlier run left: in the work folder and on the staging branch. */
export async function workTargets(tier: UnfinishedTier): Promise<readonly Target[]> {
  return [
    ...journalTargets(tier),
    ...(await walkTargets(tier)),
    ...stagedTargets(tier, await tier.openBase()),
    lock,
  ];
}
