import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { type BaseOptions, readBase } from "../../src/base/base.ts";
import { openFolder } from "../../src/checkpoint/folder.ts";
import { silentReport } from "../../src/ground/report.ts";
import type { Kernel } from "../../src/kernel/kernel-types.ts";
import { sharedIntegers } from "../../src/kernel/matrix.ts";
import type { Architecture } from "../../src/models/architecture.ts";
import { planTier } from "../../src/plan/plan.ts";
import type { TierChoice } from "../../src/plan/targets.ts";
import { tiers } from "../../src/plan/tiers.ts";
import type { Propagation, Repair } from "../../src/quantize/tuning-record.ts";
import { tuningSettings } from "../../src/quantize/tuning-settings.ts";
import { type TierFiles, writeTiers } from "../../src/series/write-tiers.ts";
import { someIds } from "./forward-run.ts";

export interface Method {
  readonly propagation: Propagation;
  readonly repair: readonly Repair[];
}

/** Every way to the bytes of a tier. Null: rounding. */
export const methods: Readonly<Record<string, Method | null>> = {
  rounded: null,
  tuned: { propagation: "reference", repair: [] },
  "tuned with every repair": {
    propagation: "sequential",
    repair: ["router", "rounding", "residual"],
  },
};

/** Where a tier is written, which one, and what of the base it holds for which loader. */
export interface TierScene extends Pick<BaseOptions, "loader" | "carry"> {
  readonly kernel: Kernel;
  readonly scratch: string;
  /** Default: oQ4e. */
  readonly choice?: TierChoice;
}

const ownTier = tiers.find(({ name }) => name === "oQ4e")!;

/** Size and hash of every file of the tier that `writeTier` writes. */
export async function tierFiles(...request: Parameters<typeof writeTier>): Promise<TierFiles> {
  return (await writeTier(...request)).files;
}

/**
 * Writes a tier of a base, of an architecture that need not be registered, into a new folder within
 * `scratch`. Tunes on a few made-up rows. Gives the folder, and size and hash of every file.
 */
export async function writeTier(
  base: string,
  architecture: Architecture,
  method: Method | null,
  { kernel, scratch, choice = ownTier, ...chosen }: TierScene,
): Promise<{ readonly folder: string; readonly files: TierFiles }> {
  const options = { allowHeaderOnly: false, architectures: [architecture], ...chosen };
  const opened = await readBase(await openFolder(base), options);
  const { config } = opened;
  const ids = sharedIntegers(4 * 32);
  ids.set(someIds(ids.length, config.vocab_size as number));
  const calibration = { ids, samples: 4, length: 32 };
  const folder = join(await mkdtemp(join(scratch, "tier-")), choice.name);
  const writing = writeTiers({
    base: opened,
    plans: [planTier(choice, opened)],
    folders: [folder],
    licences: [],
    rounding: "stored",
    tuning: method && { calibration, ...method, settings: tuningSettings },
    kernel,
    report: silentReport,
  });
  const [written] = await writing.finally(() => opened.checkpoint.close());
  return { folder, files: written!.files };
}
