import { comparedAtOnce } from "../evaluation/compare-hidden.ts";
import { byteSize } from "../ground/digits.ts";
import { OqeError } from "../ground/errors.ts";
import { mostShare } from "../ground/memory.ts";
import { sum, total } from "../ground/sum.ts";
import { keepsTable } from "../models/kept-weights.ts";
import { tiersOnDisk } from "./disk.ts";
import { heldBytes, memoryOf } from "./memory.ts";
import { stackBytes } from "./model-shape.ts";
import { type Stage, stagesOf } from "./operations.ts";
import { comparedRuns, type RunWork, type StageMemory } from "./work.ts";

/** What a run will need, as it is known before any work. All sizes in bytes. */
export interface RunEstimate {
  /** Passes over the base or its proxy, by stage. */
  readonly reads: readonly { readonly name: string; readonly bytes: number }[];
  /** The tiers. */
  readonly writes: number;
  /** What is on the disk of each at once. */
  readonly onDisk: readonly number[];
  /** The stage with the most memory, if all hidden states between two blocks are in files. */
  readonly least: StageMemory;
  /** The most of the stages in which hidden states are kept. */
  readonly holding: number;
  /** The same where all riders on the base go through experts side by side. */
  readonly sideBySide: number;
  /** Bytes of the largest stack of experts, which is in files while riders go one after another. */
  readonly stack: number;
  /** Hidden states between two blocks. */
  readonly held: number;
  readonly stages: readonly Stage[];
}

export function estimateRun(work: RunWork): RunEstimate {
  const memory = memoryOf(work, true);
  const holding = (stages: readonly StageMemory[]) =>
    Math.max(0, ...stages.flatMap(({ holds, bytes }) => (holds ? bytes : [])));
  return {
    reads: readsOf(work),
    writes: work.makes ? sum(work.plans, ({ bytes }) => bytes) : 0,
    onDisk: tiersOnDisk(work),
    least: memory.reduce((most, stage) => (stage.bytes > most.bytes ? stage : most)),
    holding: holding(memory),
    sideBySide: holding(memoryOf(work, false)),
    stack: work.tuning === null ? 0 : stackBytes(work.shape),
    held: heldBytes(work),
    stages: stagesOf(work),
  };
}

function readsOf(work: RunWork): RunEstimate["reads"] {
  const { shape, plans, measuring, tuning, evaluation, makes, carried = 0 } = work;
  const { bytes, headBytes, hidden } = shape;
  const reads: { name: string; bytes: number }[] = [];
  if (measuring !== null) reads.push({ name: "measuring", bytes: measuring.bytes });
  const follows = tuning?.sequential === true && (tuning.repaired > 0 || evaluation !== null);
  const walks = tuning === null ? 1 : (tuning.sequential ? plans.length : 1) + (follows ? 1 : 0);
  // A large tied table is read to look tokens up, and as the head.
  const isApart = shape.isTied && !keepsTable(shape);
  if (makes) {
    const looked = tuning !== null && isApart ? headBytes : 0;
    reads.push({
      name: tuning === null ? "rounding" : "tuning",
      bytes: walks * bytes + looked + carried,
    });
  }
  if (evaluation !== null && tuning === null) {
    // It is read as a head by the base and the rounding.
    const { count, rounded } = comparedRuns(work);
    const times = Math.ceil(evaluation.tokens / comparedAtOnce(hidden, count));
    const again = isApart ? times * (rounded.length > 0 ? 2 : 1) * headBytes : 0;
    const finished = makes ? 0 : sum(plans, (plan) => plan.bytes);
    reads.push({ name: "evaluation", bytes: bytes + again + finished });
  }
  return reads;
}

/** How a run fits a machine. */
export interface Fit {
  /** Bytes that the run may use. */
  readonly limit: number;
  /** Whether riders on the base go through experts one after the other. */
  readonly inTurn: boolean;
  /** Bytes of hidden states that stay in memory between two blocks. */
  readonly inMemory: number;
  /** The rest of them, in files. */
  readonly inFiles: number;
  /** Bytes of tiers, of hidden states if any are in files, and of the experts' files. */
  readonly disk: number;
}

/** What a machine has. */
export interface Machine {
  /** The input memory-limit; null: not given. */
  readonly given: number | null;
  /** The limit without that input. */
  readonly usual: number;
  readonly memory: number;
  /** Where tiers and files go. */
  readonly folder: string;
  /** Bytes there that are free, or of work that the run goes on with; null: unknown. */
  readonly free: number | null;
}

/**
 * Divides the memory of a machine. A limit that is not given gives way to what the run needs, up to
 * `mostShare` of the machine's memory. Throws MEMORY for a limit that no walk can keep, DISK for a
 * disk that is too small; both name what would fit.
 */
export function fitRun(
  { least, holding, sideBySide, stack, held, onDisk }: RunEstimate,
  tiers: RunWork["plans"],
  machine: Machine,
): Fit {
  const { given, usual, memory, folder, free } = machine;
  const limit = given ?? Math.max(usual, Math.min(least.bytes, mostShare * memory));
  if (least.bytes > limit) throw tooLittleMemory(least, machine);
  const inTurn = sideBySide > limit;
  const inMemory = Math.min(held, limit - (inTurn ? holding : sideBySide));
  const inFiles = held - inMemory;
  // To write and read in the background, more of them may be in files for a time.
  const beside = (inFiles > 0 ? held : 0) + (inTurn ? stack : 0);
  const disk = total(onDisk) + beside;
  if (free !== null && disk > free) {
    const fitting = tiers.filter((_, i) => onDisk[i]! + beside <= free).map(({ tier }) => tier);
    throw tooLittleDisk({ disk, beside, free, folder }, fitting);
  }
  return { limit, inTurn, inMemory, inFiles, disk };
}

function tooLittleMemory({ name, bytes }: StageMemory, { given, memory }: Machine): OqeError {
  const least = limitText(bytes);
  const rest = `Or use ${fewerRows(name)}fewer threads (workers 2), or a runner with more memory.`;
  return given === null
    ? new OqeError(
        "MEMORY",
        `the run needs about ${least} of memory (${name}), and may use ${100 * mostShare} % of the ` +
          `${limitText(memory)} of this machine`,
        `To try it all the same, with swap space, set memory-limit ${least}. ${rest}`,
      )
    : new OqeError(
        "MEMORY",
        `memory-limit: ${limitText(given)} is less than the run needs: about ${least} (${name})`,
        `Set memory-limit ${least} or more. ${rest}`,
      );
}

/** The advice on rows for a stage, by its name in memory.ts. */
function fewerRows(stage: string): string {
  if (stage === "rounding") return "";
  return stage.startsWith("evaluation")
    ? "fewer evaluation rows (evaluation-samples 32), "
    : "fewer calibration rows (calibration-samples 64), ";
}

function tooLittleDisk(
  { disk, beside, free, folder }: { disk: number; beside: number; free: number; folder: string },
  fitting: readonly string[],
): OqeError {
  const advice =
    fitting.length === 0
      ? "None of the tiers fits alone."
      : `One tier per run fits: ${fitting.map((tier) => `tiers ${tier}`).join(", ")}.`;
  const states = beside > 0 ? `, ${beside} of them for what does not fit in memory` : "";
  return new OqeError(
    "DISK",
    `not enough disk space in ${folder}: ${disk} bytes are needed${states}, ${free} are free`,
    `${advice} Or free disk space, or choose another folder or runner.`,
  );
}

/** Bytes as a memory-limit that is not below them. */
function limitText(bytes: number): string {
  return `${Math.ceil(bytes / 1e6) / 1e3}GB`;
}

/** Share of the time that the workers have work. */
const busy = 0.9;

/** Expected seconds of a stage on a machine of `speed` operations a second. */
export function secondsOf({ operations }: Stage, speed: number): number {
  return operations / speed / busy;
}

/** The estimate as lines for the log. `speed`: measureSpeed. */
export function estimateLines(
  { reads, writes, least, holding, sideBySide, held, stages }: RunEstimate,
  fit: Fit,
  { speed, workers, tiers }: { speed: number; workers: number; tiers: number },
): readonly string[] {
  const all = (items: readonly { name: string; text: string }[]) =>
    items.map(({ name, text }) => `${name} ${text}`).join(", ");
  const read = sum(reads, ({ bytes }) => bytes);
  const passes = all(reads.map(({ name, bytes }) => ({ name, text: byteSize(bytes) })));
  const files = fit.inFiles > 0 ? `, ${byteSize(fit.inFiles)} of them in files` : "";
  const seconds = sum(stages, (stage) => secondsOf(stage, speed));
  const times = all(
    stages.map((stage) => ({ name: stage.name, text: duration(secondsOf(stage, speed)) })),
  );
  return [
    `reads ${byteSize(read)} (${passes}), writes ${writes === 0 ? "nothing" : byteSize(writes)}` +
      (writes === 0 ? "" : ` (${tiers} ${tiers === 1 ? "tier" : "tiers"})`),
    `memory: about ${byteSize(Math.max(least.bytes, (fit.inTurn ? holding : sideBySide) + fit.inMemory))} at most (${least.name}), limit ` +
      `${byteSize(fit.limit)}${held === 0 ? "" : `; ${byteSize(held)} of hidden states between blocks${files}`}`,
    `disk: ${byteSize(fit.disk)}`,
    `time: about ${duration(seconds)} of arithmetic on ${workers} threads ` +
      `(${times}), ${(speed / 1e9).toFixed(0)} GF/s`,
  ];
}

/** `20 s`, `12 min`, `5.2 h`. */
function duration(seconds: number): string {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}
