import type { Base } from "../base/base.ts";
import { plural } from "../card/figures.ts";
import { BlockTimes } from "../ground/block-times.ts";
import type { Report } from "../ground/report.ts";
import type { TierWork } from "./tier-work.ts";
import { TimeIsUp, type TimeLimit } from "./time-limit.ts";

interface SaveRequest {
  readonly base: Base;
  readonly report: Report;
  /** Default: none. */
  readonly timeLimit?: TimeLimit;
}

/**
 * Saves what is finished behind each block, says so in a line, and stops the run when its time is
 * up. A run that went on with another's work makes at least one part, so that each run comes
 * further. Then takes over what another job has made of the next block by now.
 */
export function saveBlocks({ base, timeLimit, report }: SaveRequest, works: readonly TierWork[]) {
  const blocks = base.architecture.layers(base.config).length;
  const times = new BlockTimes(blocks);
  let [made, taken] = [0, 0];
  return async (layer: number | null) => {
    let parts = -taken;
    for (const work of works) parts += await work.save(layer);
    made += parts + taken;
    const where = layer === null ? "the head" : `block ${layer + 1} of ${blocks}`;
    const what = layer === null ? where : times.behind(layer, parts > 0);
    const done = [
      ...(taken === 0 ? [] : [`${plural(taken, "part")} taken over from another job`]),
      ...(parts === 0 ? [] : [`${plural(parts, "part")} made`]),
    ];
    report.info(`${what}: ${done.join(", ") || "nothing to make"}`);
    if (timeLimit?.isUp() === true && made > 0) {
      for (const work of works) await work.settle();
      throw new TimeIsUp(`behind ${where}`);
    }
    taken = 0;
    if (layer === null) return;
    const next = layer + 1 < blocks ? `block ${layer + 1}` : "head";
    for (const work of works) if (await work.take(next)) taken++;
  };
}
