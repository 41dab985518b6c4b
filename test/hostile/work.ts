import assert from "node:assert/strict";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { silentReport } from "../../src/ground/report.ts";
import { readSealed, writeSealed } from "../../src/ground/sealed-json.ts";
import type { Branch } from "../../src/hub/hub-types.ts";
import { newMatrix } from "../../src/kernel/matrix.ts";
import { modulePath } from "../../src/mlx/format.ts";
import { partFits } from "../../src/quantize/part-fit.ts";
import { TuningLedger } from "../../src/quantize/tuning-ledger.ts";
import { fitsWalk, type SavedWalk } from "../../src/sensitivity/saved-walk.ts";
import { lockFolder } from "../../src/series/folder-lock.ts";
import { journalOf } from "../../src/series/part-journal.ts";
import { entryFits } from "../../src/series/staged-fit.ts";
import { readEntries, readRecipe } from "../../src/series/staged-records.ts";
import { WalkCheckpoint } from "../../src/series/walk-checkpoint.ts";
import { damageBytes, damageValue, type Random } from "./damage.ts";
import { blobId, memoryRepository, sha256Of } from "./memory.ts";
import { damageDocument, type Target, textOf, utf8 } from "./target.ts";
import { openWork, type UnfinishedTier } from "./unfinished-tier.ts";

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

const [hidden, tokens] = [4, { hessians: 3, probes: 4, alone: 2, more: 2 }];
const sums = {
  ...{ energy: 2, forecast: [1, 2, 3, 4, 5], tunedAtProbe: 1, roundedAtProbe: 1.5 },
  ...{ sampledForecast: [0, 0, 0, 0, 0], sampledTuned: [0, 0, 0, 0, 0] },
  ...{ sampled: 0, sampledEnergy: 0, exact: 0 },
};
const walk: SavedWalk = {
  layer: 1,
  values: {
    losses: [
      [
        "a.b",
        [
          [0, sums],
          [1, sums],
        ],
      ],
      ["c", [[-1, sums]]],
    ],
    probes: {
      probes: [{ name: "part 0", flipPower: 0.25 }],
      alone: [{ name: "a.b", flipPower: 0 }],
      joint: [{ name: "forced", flipPower: 0 }],
      hasMore: true,
      blockErrors: [["a.b", 0.125]],
      errors: [{ part: "part 0", errors: [0.5, 0.25] }],
      partErrors: [{ part: "part 0", layer: 0, kind: "mamba none 0", error: 1e-3 }],
      experts: [{ layer: 1, share: [[0.5, 0.5]], gate: [[0.5, 0.5]], damage: [[1, 2]] }],
    },
  },
  states: [3, 4, 4, 2, 6, 2].map((rows) => {
    const x = newMatrix(rows, hidden);
    x.data.set(Array.from(x.data, (_, i) => rows + i));
    return x;
  }),
};
const shape = { layers: 5, parts: new Set(["part 0"]), hidden, tokens };

async function walkTargets({ openBase }: UnfinishedTier): Promise<readonly Target[]> {
  const place = async (folder: string) => {
    const notes = (await openBase()).checkpoint;
    return new WalkCheckpoint({ folder, notes, stop: () => {}, report: silentReport });
  };
  const [record, states] = await inScratch(async (folder) => {
    await (await place(folder)).save(walk);
    return Promise.all(["1.json", "1.bin"].map((name) => readFile(join(folder, name))));
  });
  const load = (files: readonly [Uint8Array, Uint8Array]) =>
    inScratch(async (folder) => {
      await writeFile(join(folder, "1.json"), files[0]);
      await writeFile(join(folder, "1.bin"), files[1]);
      return (await place(folder)).load();
    });
  const isOriginal = (found: SavedWalk | null) => {
    if (found !== null) assert.deepEqual(found, walk);
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
        return found !== null && fitsWalk(found, shape);
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

/** A branch with two entries; `files` may replace some. */
function branchOf(files: Readonly<Record<string, Uint8Array>>): Branch {
  const content = memoryRepository(files);
  const listed = Object.entries(files).map(([path, bytes]) => {
    const sha256 = /\.(bin|safetensors)$/.test(path) ? sha256Of(bytes) : null;
    return [path, { size: bytes.length, oid: blobId(bytes), sha256 }] as const;
  });
  return { commit: content.revision, files: new Map(listed), content };
}

function stagedTargets(tier: UnfinishedTier, base: Parameters<typeof partFits>[0]): Target[] {
  const written = textOf(tier.journal)
    .split("\n")
    .flatMap((line) => readSealed(line) ?? []);
  const file = (bytes: Uint8Array) => ({ bytes: bytes.length, sha256: sha256Of(bytes) });
  const shards = Object.fromEntries(
    Object.entries(tier.shards).map(([name, bytes]) => [name, file(bytes)]),
  );
  const tensors = tier.parts[0]!.tensors;
  const places = tier.layouts.flatMap((one) => one.tensors);
  const size = places.reduce((sum, one) => sum + (tensors.includes(one.name) ? one.bytes : 0), 0);
  const piece = new Uint8Array(size).fill(7);
  const first = { parts: written.slice(0, 1), shards: {}, piece: { tensors, file: file(piece) } };
  const second = { parts: written.slice(1), shards, piece: null };
  const files = {
    ...tier.shards,
    "oqe-work/recipe.json": utf8('{"recipe":"0123456789abcdef"}'),
    "oqe-work/00000.json": utf8(JSON.stringify(first)),
    "oqe-work/00000.bin": piece,
    "oqe-work/00001.json": utf8(JSON.stringify(second)),
  };
  const fits = partFits(base, tier.plan);
  const read = async (changed: Readonly<Record<string, Uint8Array>>) => {
    const entries = await readEntries(branchOf({ ...files, ...changed }));
    const isOfTier = entryFits({ layouts: tier.layouts, fits });
    const wrong = entries.findIndex((entry) => !isOfTier(entry));
    const kept = wrong === -1 ? entries : entries.slice(0, wrong);
    const complete = new Set(kept.flatMap((entry) => Object.keys(entry.shards)));
    for (const name of complete) assert.ok(Object.hasOwn(shards, name));
    return kept.length === 2;
  };
  const ofEntry = (path: keyof typeof files): Target => ({
    name: `staged ${path}`,
    seeds: [files[path]],
    codes: [],
    read: (bytes) => read({ [path]: bytes }),
  });
  return [
    ofEntry("oqe-work/00000.json"),
    ofEntry("oqe-work/00001.json"),
    { ...ofEntry("oqe-work/00000.bin"), damage: damageBytes },
    {
      name: "staged oqe-work/recipe.json",
      seeds: [files["oqe-work/recipe.json"]],
      codes: [],
      read: async (bytes) =>
        (await readRecipe(branchOf({ ...files, "oqe-work/recipe.json": bytes }))) !== null,
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
