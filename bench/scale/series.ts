import { nearShare, shapeOf } from "../../src/estimate/model-shape.ts";
import { probesOf } from "../../src/estimate/operations.ts";
import { total } from "../../src/ground/sum.ts";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { shapedBase } from "../../test/support/shaped-base.ts";
import { classOf, fixedSecondsOf, type JobKind, secondsOf } from "./job-kind.ts";
import type { StageResult } from "./stage.ts";

/** The rows of a run, in tokens. */
export interface RunRows {
  readonly calibration: number;
  readonly evaluation: number;
  readonly tiers: number;
}

/**
 * The defaults: 128 rows of 256 tokens to tune on; above 4 B parameters 64 rows of 128 to evaluate.
 */
const wanted = {
  calibration: 32_768,
  /** Its 2,688 columns are too many for the rows of a repair (tuning-settings.ts). */
  repair: 0,
  evaluation: 8_192,
  /** With forced routes, and of plain rounding. */
  sparse: 4_096,
};
/** Tokens of the sensitivity walk: at most 48 calibration rows, and 9 probe rows of 64 tokens. */
const [measuredRows, probeRows] = [12_288, 576];

const letters = { mamba: "M", moe: "E", attention: "*" } as const;
const pattern = [...(nemotron30b.hybrid_override_pattern as string)];
/** The blocks of a bench, one of each kind. */
export const benchPattern = "ME*";

/** Tokens that go through each block of a kind in a whole tuning walk, all riders together. */
function rowsOfTuning({ tiers }: RunRows): number {
  const { calibration, repair } = wanted;
  return calibration + repair * tiers + rowsToCompare(tiers);
}

/** Tokens of the evaluation's runs: base and free ones; forced ones, and the smallest rounded. */
function rowsToCompare(tiers: number): number {
  return (wanted.evaluation + wanted.sparse) * (1 + tiers);
}

/** Tokens that go through the blocks of a kind in a whole sensitivity walk, summed over them. */
function rowsOfMeasuring(letter: string): number {
  const copies = probesIn(pattern);
  return pattern.reduce((sum, own, layer) => {
    return own === letter ? sum + measuredRows + probeRows * copies[layer]!.copies : sum;
  }, 0);
}

/** The probes that pass each block of a model of these blocks. */
function probesIn(blocks: readonly string[]): ReturnType<typeof probesOf> {
  const config = {
    ...nemotron30b,
    hybrid_override_pattern: blocks.join(""),
    num_hidden_layers: blocks.length,
  };
  return probesOf(shapeOf(shapedBase(config)));
}

/** Probes whose logits are compared. Those that are changed alone have fewer rows. */
function comparedIn(blocks: readonly string[]): number {
  return probesIn(blocks).at(-1)!.copies;
}

interface Line {
  readonly what: string;
  readonly seconds: number;
  /** Of `seconds`, what an expert's jobs take whatever their rows: once a block in the series. */
  readonly fixed: { readonly seconds: number; readonly factor: number };
  /** Of the rest. */
  readonly factor: number;
  readonly arithmetic: string;
}

const secondsIn = ({ seconds, fixed, factor }: Line) =>
  (seconds - fixed.seconds) * factor + fixed.seconds * fixed.factor;

/** Prints the sum for all 52 blocks, line by line. */
export function describeSeries(
  { sensitivity, quantize }: Readonly<Record<string, StageResult | undefined>>,
  run: RunRows,
): string {
  const lines = [
    ...(sensitivity === undefined ? [] : linesOf("measure", sensitivity, run)),
    ...(quantize === undefined ? [] : linesOf("tune", quantize, run)),
  ];
  const total = lines.reduce((sum, line) => sum + secondsIn(line), 0);
  return [
    "\n| stage, blocks, jobs | CPU s in this run | factor | CPU h of the series |",
    "|---|---:|---:|---:|",
    ...lines.map((line) => {
      const { what, seconds, fixed, factor, arithmetic } = line;
      const hours = (secondsIn(line) / 3600).toFixed(2);
      const once =
        fixed.seconds === 0 ? "" : `, ${fixed.seconds.toFixed(1)} s of it × ${fixed.factor}`;
      return `| ${what} | ${seconds.toFixed(1)} | ${arithmetic} = ${factor.toFixed(1)}${once} | ${hours} |`;
    }),
    `| sum | | | ${(total / 3600).toFixed(1)} |`,
  ].join("\n");
}

function linesOf(stage: "measure" | "tune", result: StageResult, run: RunRows): Line[] {
  const { kinds, passed, cpu } = result;
  const computed = kinds.reduce((sum, kind) => sum + kind.cpu / 1e3, 0);
  const counted = kinds.reduce((sum, kind) => sum + secondsOf(kind), 0);
  // The main thread, collecting garbage and the network, in proportion to the kernel's work.
  const others = 1 + (cpu - computed) / counted;
  const line = (block: string, jobs: string, factor: number, arithmetic: string): Line => {
    const some = kinds.filter((kind) => kind.block === block && jobsOf(kind) === jobs);
    const seconds = some.reduce((sum, kind) => sum + secondsOf(kind), 0) * others;
    const once = stage === "tune" ? some.filter(isOnceAnExpert) : [];
    const fixed = {
      seconds: once.reduce((sum, kind) => sum + fixedSecondsOf(kind), 0) * others,
      factor: pattern.filter((own) => own === "E").length,
    };
    return { what: `${stage}, ${block}, ${jobs}`, seconds, fixed, factor, arithmetic };
  };
  const calibration = stage === "tune" ? wanted.calibration : measuredRows;
  const more = calibration / run.calibration;
  const blocks = Object.entries(letters).flatMap(([block, letter]) => {
    const count = pattern.filter((own) => own === letter).length;
    const own = stage === "tune" ? count * rowsOfTuning(run) : rowsOfMeasuring(letter);
    // Near tokens pass the first matrices of experts too, as many of them as calibration rows do.
    const near = stage === "tune" && block === "moe" ? nearTokens : 0;
    const rows = Math.round(own + count * near * calibration);
    const passedRows = Math.round((passed[block] ?? 1) + near * run.calibration);
    return [
      line(block, "a matrix", count, `${count} blocks`),
      line(
        block,
        "calibration",
        count * more,
        `${count} blocks × ${calibration} / ${run.calibration} rows`,
      ),
      line(block, "a row", rows / passedRows, `${rows} / ${passedRows} rows`),
    ];
  });
  const judged = stage === "tune" ? comparedRows(run) : comparedProbes();
  return [
    ...blocks,
    line("outer", "a matrix", 1, "once"),
    line("outer", "calibration", more, `${calibration} / ${run.calibration} rows`),
    line("outer", "a row", judged.factor, judged.arithmetic),
  ];
}

/** What the near tokens of a calibration token take, as a share of what a token takes. */
const nearTokens = (() => {
  const { blocks } = shapeOf(shapedBase(nemotron30b));
  const { matrices, operations } = blocks.find(({ kind }) => kind.mlp === "moe")!;
  const first = matrices.filter(({ tensor: { role } }) => role.routed && !role.residual);
  const products = first.map(({ rows, columns, perToken }) => 2 * rows * columns * perToken);
  return (nearShare * total(products)) / operations;
})();

/** What a kind's jobs grow with. The head's logits are of calibration rows, or comparisons. */
function jobsOf({ block, routine }: JobKind): ReturnType<typeof classOf> {
  const own = classOf(routine);
  return block === "outer" && own === "a row" && routine !== "compare" ? "calibration" : own;
}

/**
 * Whether each rider has one such job for each expert, however many rows it has: copying, widening
 * and packing the expert's weight counts once.
 */
function isOnceAnExpert({ block, routine, asked }: JobKind): boolean {
  const experts = nemotron30b.n_routed_experts as number;
  return block === "moe" && routine === "linear" && asked >= experts;
}

/** Rows of logits in the series' comparisons by those of the bench, where all runs are rounded. */
function comparedRows({ evaluation, tiers }: RunRows): Pick<Line, "factor" | "arithmetic"> {
  const [all, own] = [rowsToCompare(tiers), evaluation * (1 + 3 * tiers)];
  return { factor: all / own, arithmetic: `${all} / ${own} rows of logits` };
}

/** The head's passes of the whole model by those of the bench. */
function comparedProbes(): Pick<Line, "factor" | "arithmetic"> {
  const [all, own] = [comparedIn(pattern), comparedIn([...benchPattern])];
  return { factor: all / own, arithmetic: `${all.toFixed(1)} / ${own.toFixed(1)} probes` };
}
