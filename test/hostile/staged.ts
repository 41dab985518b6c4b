import assert from "node:assert/strict";
import type { Base } from "../../src/base/base.ts";
import { readSealed } from "../../src/ground/sealed-json.ts";
import type { Branch } from "../../src/hub/hub-types.ts";
import { partFits } from "../../src/quantize/part-fit.ts";
import type { WrittenPart } from "../../src/series/part-journal.ts";
import { entryFits } from "../../src/series/staged-fit.ts";
import {
  readEntries,
  type StagedChange,
  type StagedEntry,
} from "../../src/series/staged-records.ts";
import { blobId, memoryRepository, sha256Of } from "./memory.ts";
import { textOf, utf8 } from "./target.ts";
import type { UnfinishedTier } from "./unfinished-tier.ts";

type Files = Readonly<Record<string, Uint8Array>>;

/** A branch with these files, listed as the Hub does. */
export function branchOf(files: Files): Branch {
  const content = memoryRepository(files);
  const listed = Object.entries(files).map(([path, bytes]) => {
    const sha256 = /\.(bin|safetensors)$/.test(path) ? sha256Of(bytes) : null;
    return [path, { size: bytes.length, oid: blobId(bytes), sha256 }] as const;
  });
  return { commit: content.revision, files: new Map(listed), content };
}

/** The staging branch of a tier: its files, and the entries that are taken over of it. */
export interface StagedWorld {
  readonly files: Files;
  /** The first entry has one part, in a piece; the second has the others, in complete shards. */
  readonly changes: readonly [StagedChange, StagedChange];
  /** The entries of the branch with some files changed that a run goes on with. */
  read(changed: Files): Promise<readonly StagedEntry[]>;
}

export function stageTier(tier: UnfinishedTier, base: Base): StagedWorld {
  const lines = textOf(tier.journal).split("\n").filter(Boolean);
  const written = lines.map((line) => readSealed(line) as WrittenPart);
  const file = (bytes: Uint8Array) => ({ bytes: bytes.length, sha256: sha256Of(bytes) });
  const shards = Object.fromEntries(
    Object.entries(tier.shards).map(([name, bytes]) => [name, file(bytes)]),
  );
  const tensors = tier.parts[0]!.tensors;
  const places = tier.layouts.flatMap((one) => one.tensors);
  const size = places.reduce((sum, one) => sum + (tensors.includes(one.name) ? one.bytes : 0), 0);
  const piece = new Uint8Array(size).fill(7);
  const changes: StagedWorld["changes"] = [
    { parts: written.slice(0, 1), shards: {}, piece: { tensors, file: file(piece) } },
    { parts: written.slice(1), shards, piece: null },
  ];
  const files: Files = {
    ...tier.shards,
    "oqe-work/recipe.json": utf8('{"recipe":"0123456789abcdef"}'),
    "oqe-work/00000.json": utf8(JSON.stringify(changes[0])),
    "oqe-work/00000.bin": piece,
    "oqe-work/00001.json": utf8(JSON.stringify(changes[1])),
  };
  const fits = partFits(base, tier.plan);
  const read = async (changed: Files) => {
    const entries = await readEntries(branchOf({ ...files, ...changed }));
    const isOfTier = entryFits({ layouts: tier.layouts, fits });
    const wrong = entries.findIndex((entry) => !isOfTier(entry));
    const kept = wrong === -1 ? entries : entries.slice(0, wrong);
    for (const name of kept.flatMap((entry) => Object.keys(entry.shards)))
      assert.ok(Object.hasOwn(shards, name));
    return kept;
  };
  return { files, changes, read };
}
