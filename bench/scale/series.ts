import { nearShare, shapeOf } from "../../src/estimate/model-shape.ts";
import { probesOf } from "../../src/estimate/operations.ts";
import { total } from "../../src/ground/sum.ts";
import { contextPositions, fewContexts } from "../../src/quantize/head-groups.ts";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { shapedBase } from "../../test/support/shaped-base.ts";
import { describeAhead } from "./ahead.ts";
import { classOf, type JobKind } from "./job-kind.ts";
import { busyOf, type Factor, type Line, lineMaker, ratio, table } from "./lines.ts";
import type { StageResult } from "./stage.ts";

/** The rows of a run, in tokens. */
export interface RunRows {
  readonly calibration: number;
  readonly evaluation: number;
  /** Names. */
  readonly tiers: readonly string[];
}

/**
 * The defaults: 128 rows of 256 tokens to tune on; above 4 B parameters 64 rows of 128 to evaluate.
 */
const wanted = {
  calibration: 32_768,
  /** Its 2,688 columns are too many for the rows of a repair (tuning-settings.ts). */
  repair: 0,
  evaluation: 8_192,
  /** With forced routes, and of plain rounding: the smallest tier, and the stock quant. */
  sparse: 2_048,
};
/**
 * Tokens of the sensitivity walk: at most 48 calibration rows for Hessians, 9 probe rows of 64
 * tokens, and 18 more such rows that the base and all tensors together pass.
 */
const [hessianRows, probeRows, moreRows, togetherCopies] = [12_288, 576, 1_152, 3];
/** Probed blocks of a kind at most. */
const probedBlocks = 3;

/** Tokens for Hessians in a bench with so many calibration rows (probe-rows.ts). */
function hessianRowsOf({ calibration }: RunRows): number {
  const left = calibration / 256 - 9;
  return Math.min(hessianRows, 256 * (left - 9 * Math.floor(Math.min(18, left / 3) / 9)));
}

const letters = { mamba: "M", moe: "E", attention: "*" } as const;
type Block = keyof typeof letters;
const pattern = [...(nemotron30b.hybrid_override_pattern as string)];

/**
 * The blocks of a bench. To measure, two of each kind: the second is tuned at all widths, as one
 * block of each kind in the series is; the first at the probe's, as all others are. To tune, a
 * router behind all blocks but the last one: tuning for its directions takes longer. One of each
 * kind shows the memory.
 */
export function blocksOf(stages: readonly string[], onlyMemory: boolean): string {
  if (onlyMemory) return "ME*";
  return stages.includes("sensitivity") ? "M*EM*E" : "M*EE";
}

function countIn(blocks: readonly string[], block: Block): number {
  return blocks.filter((own) => own === letters[block]).length;
}

/** Tokens that go through each block of a kind in a whole tuning walk, all riders together. */
function rowsOfTuning({ tiers }: RunRows): number {
  const { calibration, repair } = wanted;
  return calibration + repair * tiers.length + rowsToCompare(tiers.length);
}

/** Tokens of the evaluation's runs: base, free ones; forced ones, two of plain rounding. */
function rowsToCompare(tiers: number): number {
  return wanted.evaluation * (1 + tiers) + wanted.sparse * (2 + tiers);
}

/** Tokens that go through the blocks of a kind in a whole sensitivity walk, summed over them. */
function rowsOfMeasuring(block: Block): number {
  const copies = probesIn(pattern);
  return pattern.reduce((sum, own, layer) => {
    return own === letters[block]
      ? sum + hessianRows + probeRows * copies[layer]!.copies + moreRows * togetherCopies
      : sum;
  }, 0);
}

/** The probes that pass each block of a model of these blocks. */
function probesIn(blocks: readonly string[]): ReturnType<typeof probesOf> {
  const config = {
    ...nemotron30b,
    hybrid_override_pattern: blocks.join(""),
    num_hidden_layers: blocks.length,
  };
  return probesOf(shapeOf(shapedBase(config)), probedBlocks);
}

/**
 * Rows of logits that are compared when measuring: of the probes, the base and the head at every
 * fourth position; of the base and all tensors together at every one, with further rows.
 */
function comparedIn(blocks: readonly string[]): number {
  const probes = probesIn(blocks).at(-1)!.before + 2;
  return (probeRows / 4) * probes + (probeRows + moreRows) * togetherCopies;
}

/** A bench: its blocks, the results of its stages, and the rows that it ran on. */
export interface Bench {
  readonly blocks: string;
  readonly results: Readonly<Record<string, StageResult | undefined>>;
  readonly run: RunRows;
}

/** Prints the sum for all 52 blocks, line by line, and the hours of three cores. */
export function describeSeries({ blocks, results, run }: Bench): string {
  const { sensitivity, quantize } = results;
  const bench = [...blocks];
  return [
    ...(sensitivity
      ? [table("measuring", measuringLines(sensitivity, run, bench), sensitivity)]
      : []),
    ...(quantize ? describeTiers(quantize, tuningLines(quantize, run, bench), run) : []),
  ].join("\n");
}

function describeTiers(result: StageResult, lines: readonly Line[], run: RunRows): string[] {
  const kinds = pattern.map((own) => (Object.keys(letters) as Block[]).find(isOf(own))!);
  const calibration = (kind: string) => {
    const near = kind === "moe" ? nearTokens : 0;
    const all = rowsOfTuning(run) + near * wanted.calibration;
    return { plain: wanted.calibration / all, near: (near * wanted.calibration) / all };
  };
  const rows = { tiers: run.tiers, kinds, calibration };
  return [table("tiers", lines, result), ...describeAhead(lines, rows, busyOf(result).cores)];
}

const isOf = (letter: string) => (block: Block) => letters[block] === letter;

const ofJobs = (jobs: ReturnType<typeof jobsOf>) => (kind: JobKind) => jobsOf(kind) === jobs;

const ofMatrices = (single: boolean) => (kind: JobKind) =>
  jobsOf(kind) === "a matrix" && kind.place.single === single;

function measuringLines(result: StageResult, run: RunRows, bench: readonly string[]): Line[] {
  const line = lineMaker(result);
  const rows = hessianRowsOf(run);
  const blocks = (Object.keys(letters) as Block[]).flatMap((block) => {
    const [count, own] = [countIn(pattern, block), countIn(bench, block)];
    const more = ratio(count * hessianRows, own * rows, "rows");
    const passed = ratio(rowsOfMeasuring(block), result.passed[block] ?? 1, "rows");
    return [
      line([block, "tuning and forecasts, all widths"], ofMatrices(true), [1, "1 block"]),
      line(
        [block, "tuning and forecasts, one width"],
        ofMatrices(false),
        ratio(count - 1, own - 1, "blocks"),
      ),
      line([block, "rows for Hessians"], ofJobs("calibration"), more),
      line([block, "all rows"], ofJobs("a row"), passed),
    ];
  });
  const outer = "embeddings and head";
  const heads = ratio(comparedIn(pattern), comparedIn(bench), "rows of logits");
  const perRow = ratio(hessianRows, rows, "rows");
  const outside = [
    line(["outer", "tuning and forecasts"], ofJobs("a matrix"), [1, "once"]),
    line(
      ["outer", "logits of rows and contexts"],
      ofJobs("logits"),
      logitsFactor(fewContexts, hessianRows, rows),
    ),
    line(["outer", "other work on rows"], ofJobs("calibration"), perRow),
    line(["outer", "comparisons"], ofJobs("a row"), heads),
  ];
  return [...blocks, ...outside.map((one) => ({ ...one, block: outer }))];
}

function tuningLines(result: StageResult, run: RunRows, bench: readonly string[]): Line[] {
  const line = lineMaker(result);
  const { calibration } = wanted;
  const blocks = (Object.keys(letters) as Block[]).flatMap((block) => {
    const [count, own] = [countIn(pattern, block), countIn(bench, block)];
    // Near tokens pass the first matrices of experts too, as many of them as calibration rows do.
    const near = block === "moe" ? nearTokens : 0;
    const rows = Math.round(count * (rowsOfTuning(run) + near * calibration));
    const passed = Math.round((result.passed[block] ?? 1) + own * near * run.calibration);
    const more = ratio(count * calibration, own * run.calibration, "rows");
    const once = { kinds: isOnceAnExpert, factor: count / own };
    return [
      ...(block === "moe"
        ? [
            line([block, "tuning, for later routers"], ofMatrices(false), [
              count - 1,
              `${count - 1} blocks`,
            ]),
            line([block, "tuning, the last block"], ofMatrices(true), [1, "1 block"]),
          ]
        : [line([block, "tuning"], ofJobs("a matrix"), ratio(count, own, "blocks"))]),
      line([block, "calibration rows"], ofJobs("calibration"), more),
      line([block, "all rows"], ofJobs("a row"), ratio(rows, passed, "rows"), once),
    ];
  });
  const outer = "embeddings and head";
  const more = ratio(calibration, run.calibration, "rows");
  const judged = wanted.evaluation / run.evaluation;
  const outside = [
    line(["outer", "tuning"], ofJobs("a matrix"), [1, "once"]),
    line(
      ["outer", "logits of rows and contexts"],
      ofJobs("logits"),
      logitsFactor(contextPositions, calibration, run.calibration),
    ),
    line(["outer", "other work on rows"], ofJobs("calibration"), more),
    line(["outer", "comparisons"], ofJobs("a row"), [
      judged,
      `${wanted.evaluation} / ${run.evaluation} rows`,
    ]),
  ];
  return [...blocks, ...outside.map((one) => ({ ...one, block: outer }))];
}

/** A head's logits: of all rows for Fisher weights, of up to `contexts` to find its groups. */
function logitsFactor(contexts: number, all: number, own: number): Factor {
  const logits = (rows: number) => rows + Math.min(rows, contexts);
  return ratio(logits(all), logits(own), "rows of logits");
}

/** What the near tokens of a calibration token take, as a share of what a token takes. */
const nearTokens = (() => {
  const { blocks } = shapeOf(shapedBase(nemotron30b));
  const { matrices, operations } = blocks.find(({ kind }) => kind.mlp === "moe")!;
  const first = matrices.filter(({ tensor: { role } }) => role.routed && !role.residual);
  const products = first.map(({ rows, columns, perToken }) => 2 * rows * columns * perToken);
  return (nearShare * total(products)) / operations;
})();

/** What a kind's jobs grow with. The head makes logits of rows, and of what is compared. */
function jobsOf({ place, routine }: JobKind): ReturnType<typeof classOf> | "logits" {
  const own = classOf(routine);
  if (place.block !== "outer" || own !== "a row" || routine === "compare") return own;
  return routine === "linear" || routine === "contexts" ? "logits" : "calibration";
}

/**
 * Whether each rider has one such job for each expert, however many rows it has: copying, widening
 * and packing the expert's weight counts once.
 */
function isOnceAnExpert({ place, routine, asked }: JobKind): boolean {
  const experts = nemotron30b.n_routed_experts as number;
  return place.block === "moe" && routine === "linear" && asked >= experts;
}
