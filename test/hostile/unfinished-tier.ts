import { mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Base, readBase } from "../../src/base/base.ts";
import { silentReport } from "../../src/ground/report.ts";
import { modulePath, storedTensors } from "../../src/mlx/format.ts";
import type { ShardLayout } from "../../src/mlx/layout.ts";
import type { PlannedTensor } from "../../src/models/architecture.ts";
import { planTier } from "../../src/plan/plan.ts";
import type { TierPlan } from "../../src/plan/plan-types.ts";
import { widthOf } from "../../src/plan/plan-widths.ts";
import { tiers } from "../../src/plan/tiers.ts";
import { partFits } from "../../src/quantize/part-fit.ts";
import { noResults, type PartRecord } from "../../src/quantize/part-record.ts";
import { journalOf } from "../../src/series/part-journal.ts";
import { openTierWork, type TierWork } from "../../src/series/tier-work.ts";
import { layoutTier } from "../../src/series/write-tiers.ts";
import { smallest } from "../support/models.ts";
import { randomInts } from "./damage.ts";
import { memoryRepository } from "./memory.ts";

/** A tier of a small hybrid, whose weights are noise, and its finished parts. */
export interface UnfinishedTier {
  readonly plan: TierPlan;
  readonly layouts: readonly ShardLayout[];
  readonly parts: readonly PartRecord[];
  /** The journal with all parts, as it is on the disk. */
  readonly journal: Uint8Array;
  /** File -> its bytes, with all parts in it. */
  readonly shards: Readonly<Record<string, Uint8Array>>;
  /** The base, opened anew: a run knows nothing of what another one read. */
  openBase(): Promise<Base>;
  /** SHA-256 of every shard once all tensors are written. */
  readonly whole: Readonly<Record<string, string>>;
  /** Writes all tensors, as a run does: what was taken over stays as it is. */
  finish(work: TierWork): Promise<Readonly<Record<string, string>>>;
}

export async function makeUnfinishedTier(): Promise<UnfinishedTier> {
  const folder = smallest["nemotron_h.latent"]!; // with a sidecar
  const names = ["config.json", "model.safetensors"];
  const contents = await Promise.all(names.map((name) => readFile(join(folder, name))));
  const files = Object.fromEntries(names.map((name, i) => [name, contents[i]!]));
  const openBase = () => readBase(memoryRepository(files), { allowHeaderOnly: false });
  const base = await openBase();
  const plan = planTier(tiers.find(({ name }) => name === "oQ4e")!, base);
  const layouts = layoutTier(base, plan);
  const parts = partsOf(base, plan);
  const finish = async (work: TierWork) => {
    await writeTensors(work, layouts, () => true);
    const written = Object.entries(await work.finish());
    return Object.fromEntries(written.map(([file, { sha256 }]) => [file, sha256]));
  };
  const scratch = await mkdtemp(join(tmpdir(), "oqe-tier-"));
  try {
    const place = join(scratch, "files");
    await mkdir(place);
    const work = await openWork({ layouts, plan }, place, base);
    await base.checkpoint.read(base.checkpoint.tensors.keys().next().value!, 0, 8);
    const made = new Set(parts.flatMap(({ tensors }) => tensors));
    await writeTensors(work, layouts, (name) => made.has(name));
    for (const part of parts) work.log.record(part);
    await work.save(0);
    const shards: Record<string, Uint8Array> = {};
    for (const { file } of layouts) shards[file] = await readFile(join(place, file));
    const journal = await readFile(journalOf(place));
    await work.abort();
    const whole = await finish(await openWork({ layouts, plan }, place, await openBase()));
    return { plan, layouts, parts, journal, shards, openBase, whole, finish };
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Opens the work on the tier in a folder. */
export function openWork(
  { layouts, plan }: Pick<UnfinishedTier, "layouts" | "plan">,
  folder: string,
  base: Base,
): Promise<TierWork> {
  const fits = partFits(base, plan);
  const own = { folder, layouts, fits, isDurable: true, staged: null };
  return openTierWork({ ...own, notes: base.checkpoint, report: silentReport });
}

/** Noise that follows from the tensor's name. */
async function writeTensors(
  { sink }: TierWork,
  layouts: readonly ShardLayout[],
  wants: (name: string) => boolean,
): Promise<void> {
  for (const { name, bytes } of layouts.flatMap(({ tensors }) => tensors)) {
    if (!wants(name)) continue;
    const random = randomInts(Buffer.from(name).reduce((hash, byte) => hash * 31 + byte, 7) | 0);
    await sink.write(
      name,
      0,
      Uint8Array.from({ length: bytes }, () => random(256)),
    );
  }
}

/** A record of every part of the tier: the table, each block, the head, and no router. */
function partsOf(base: Base, plan: TierPlan): readonly PartRecord[] {
  const quantized = base.tensors.filter((tensor) => widthOf(plan, tensor) !== undefined);
  const blocks = new Set(quantized.flatMap(({ layer }) => (layer === null ? [] : [layer])));
  const outer = (name: string) =>
    quantized.filter(({ layer, role }) => layer === null && role.role === name);
  const parts: readonly (readonly [string, readonly PlannedTensor[]])[] = [
    ["embeddings", outer("embeddings")],
    ...[...blocks].map((block) => {
      return [`block ${block}`, quantized.filter(({ layer }) => layer === block)] as const;
    }),
    ["head", outer("head")],
  ];
  return parts.map(([name, tensors]) => {
    const routed = tensors.find(({ role }) => role.routed === true);
    return {
      ...noResults,
      name,
      tensors: tensors
        .flatMap((tensor) => storedTensors(tensor, widthOf(plan, tensor), base.storage))
        .map((tensor) => tensor.name),
      matrices: tensors.flatMap((tensor) =>
        tensor.sources.map((_, expert) => matrixRecord(modulePath(tensor), expert)),
      ),
      tokens: (routed?.sources ?? []).map((_, expert) => 3 + expert),
    };
  });
}

function matrixRecord(module: string, expert: number): PartRecord["matrices"][number] {
  const losses = { loss: 0.5 + expert, roundedLoss: 1.25 + expert, squaredError: 1e-3 };
  const sums = { ...losses, roundedRows: 1, rows: 64, weightEnergy: 7, nonFinite: 0 };
  return { module, expert, sums, fallback: null };
}
