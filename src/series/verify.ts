import type { Base } from "../base/base.ts";
import { openCalibration, openEvaluation } from "../calibration/reference.ts";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { evaluateTiers } from "../evaluation/evaluate.ts";
import { type Evaluation, gateNames } from "../evaluation/evaluation-types.ts";
import { describeFailures, type GateInputs, type Limits, limitsOf } from "../evaluation/gates.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Hub } from "../hub/hub-types.ts";
import { type ModelReference, parseText } from "../inputs/input-values.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { loaderOf, openFinished } from "../mlx/mlx-weights.ts";
import { type Receipt, receiptPath } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { proveReads, withWaitingBytes } from "./proven-reads.ts";
import { openBase, openRepository } from "./recipes.ts";
import {
  type DrawnRows,
  drawWikitext,
  evaluationShape,
  refuseOverlap,
  rowDrawer,
  type WikitextChunks,
} from "./rows.ts";
import { estimateEvaluation } from "./run-needs.ts";
import { withStates } from "./state-store.ts";
import {
  checkBase,
  checkCarried,
  checkFiles,
  checkShapes,
  checkWidths,
  compareEvaluations,
} from "./verify-checks.ts";

export interface VerifyDependencies {
  readonly report: Report;
  readonly connect: () => Hub;
  readonly openKernel: () => Promise<Kernel>;
}

export interface Verified {
  readonly evaluation: Evaluation;
  readonly target: { readonly name: string; readonly revision: string };
  /** null: the target has no receipt. */
  readonly receipt: Receipt | null;
  /** Whether the target is as its receipt says, in one line. */
  readonly conclusion: string;
  /** Failed gates, and figures that differ from the receipt's; null: there are none. */
  readonly failure: OqeError | null;
}

/** The inputs that `oqe verify` reads. */
export type VerifyInputs = Pick<
  Inputs,
  | ("calibration" | "evaluation" | "evaluationSamples" | "evaluationLength")
  | ("wikitext" | "wikitextChunks")
  | ("gates" | "workDir" | "memoryLimit")
> & {
  /** null: the base of the target's receipt. */
  readonly baseModel: ModelReference | null;
};

/**
 * Evaluates a finished repository, ours or of `mlx_lm.convert -q`, against its base. The rows are
 * those of its receipt, unless the inputs name others. Nothing is downloaded whole.
 * Throws BAD_INPUT if the target differs from its receipt, if the base is another one, or if the
 * evaluation rows overlap the calibration rows.
 */
export async function verify(
  model: ModelReference,
  inputs: VerifyInputs,
  { report, connect, openKernel }: VerifyDependencies,
): Promise<Verified> {
  const target = await report.stage("Open the target", () => openRepository(model, connect));
  const receipt = await readOwnReceipt(target);
  const reference = inputs.baseModel ?? baseOf(target, receipt);
  // A repository of another tool, or of an earlier version, need not have what the base has.
  const carry = receipt?.options.carry ?? [];
  const loader = await loaderOf(target);
  const open = () => openBase(reference, connect, { allowHeaderOnly: false, carry, loader });
  const base = await report.stage("Open the base model", open);
  try {
    if (receipt !== null) {
      const check = () => checkFiles(receipt, target);
      await report.stage("Check the files against the receipt", check);
      report.info(`${Object.keys(receipt.files).length} files as in the receipt`);
      const note = await checkBase(receipt, base);
      if (note !== null) report.warn(note);
    }
    const kernel = await openKernel();
    try {
      return await evaluateTarget({ target, receipt, base, inputs, kernel, report, connect });
    } finally {
      await kernel.close();
    }
  } finally {
    await Promise.all([base.checkpoint.close(), target.close?.()]);
  }
}

/** The base as the receipt has it. Throws BAD_INPUT if it names none that can be opened. */
function baseOf(target: Repository, receipt: Receipt | null): ModelReference {
  const { id = null, revision = "" } = receipt?.base ?? {};
  if (id !== null) return { kind: "hub", id, revision };
  const why =
    receipt === null
      ? `it has no ${receiptPath}`
      : `it was made from the folder ${receipt.base.name}, which is not on the Hub`;
  throw new OqeError(
    "BAD_INPUT",
    `${nameOf(target)} does not say where its base is: ${why}`,
    "Name the model that it was made from: --base <folder>, or --base org/name[@revision].",
  );
}

interface EvaluationRequest {
  readonly target: Repository;
  readonly receipt: Receipt | null;
  readonly base: Base;
  readonly inputs: VerifyInputs;
  readonly kernel: Kernel;
  readonly report: Report;
  readonly connect: () => Hub;
}

async function evaluateTarget(request: EvaluationRequest): Promise<Verified> {
  const { target, receipt, base, inputs, kernel, report } = request;
  const finished = await openFinished(target, kernel);
  try {
    checkShapes(base, target, finished);
    if (receipt !== null) checkWidths(receipt, target, finished);
    const compare = () => checkCarried(base, target, finished, kernel);
    if (base.carried.length > 0) await report.stage("Compare carried tensors", compare);
    const rows = await report.stage("Draw the rows", () => drawRows(request));
    const tier = {
      model: finished,
      predicted: receipt?.plan.predicted ?? null,
      limits: limits(receipt, inputs.gates),
      rounded: true,
    };
    const planned = {
      tier: nameOf(target),
      modules: {},
      bytes: [...target.files.values()].reduce((sum, size) => sum + size, 0),
    };
    const asked = { base, tier: planned, rows };
    const { workDir: folder, memoryLimit } = inputs;
    const plan = await estimateEvaluation(asked, { folder, memoryLimit }, { kernel, report });
    const states = { folder, memory: plan.memoryForStates, report };
    const both = [base.checkpoint, finished];
    const [evaluation] = await report.stage("Evaluate", () =>
      withStates(states, (keep, keepBytes) =>
        withWaitingBytes(both, { keep: keepBytes, most: plan.mostWaiting }, async () => {
          const found = await evaluateTiers({ base, rows, tiers: [tier], kernel, report, keep });
          for (const checkpoint of both) await proveReads(checkpoint, report);
          return found;
        }),
      ),
    );
    return {
      evaluation: evaluation!,
      target: { name: nameOf(target), revision: target.revision },
      receipt,
      conclusion: conclude(receipt, evaluation!),
      failure: judge(target, receipt, evaluation!),
    };
  } finally {
    await finished.close();
  }
}

async function readOwnReceipt(target: Repository): Promise<Receipt | null> {
  if (!target.files.has(receiptPath)) return null;
  return parseReceipt(await readText(target, receiptPath), `${nameOf(target)}/${receiptPath}`);
}

/** The evaluation rows. Throws BAD_INPUT if they overlap the receipt's calibration rows. */
async function drawRows(request: EvaluationRequest): Promise<DrawnRows> {
  const { base, receipt, inputs, report, connect } = request;
  const draw = await rowDrawer(base);
  const claimed = receipt?.evaluationRows;
  const { samples, length } = evaluationShape(base, {
    samples: inputs.evaluationSamples ?? claimed?.samples,
    length: inputs.evaluationLength ?? claimed?.length,
  });
  const isOfHub =
    inputs.evaluation.kind === "bundled" && claimed?.source.startsWith("datasets/") === true;
  const text = isOfHub ? parseText("evaluation", claimed.source) : inputs.evaluation;
  const own = draw(await openEvaluation(text, connect), samples, length);
  const chunks = receipt?.wikitextRows?.samples ?? inputs.wikitextChunks;
  const wikitext = await drawWikitext(base, inputs.wikitext, chunks);
  const evaluation = wikitext === null ? own : { ...own, wikitext };
  const published = receipt?.evaluation?.rows;
  if (published !== undefined && evaluation.rows.sha256 !== published.sha256) {
    report.warn(`these are not the receipt's rows (${published.source}): the figures will differ`);
  }
  for (const line of wikitextWarnings(receipt, wikitext)) report.warn(line);
  if (receipt?.calibration == null) return evaluation;
  const calibration = await redraw(receipt, draw, request);
  if (calibration !== null) {
    refuseOverlap(calibration, evaluation);
    if (wikitext !== null) refuseOverlap(calibration, wikitext, "wikitext");
  } else
    report.warn(
      "the calibration rows cannot be drawn again: " +
        "whether the evaluation rows overlap them is unknown",
    );
  return evaluation;
}

/** What cannot be compared with the receipt's figures on WikiText-2. */
function wikitextWarnings(receipt: Receipt | null, drawn: WikitextChunks | null): string[] {
  const claimed = receipt?.wikitextRows;
  if (claimed === undefined) return [];
  if (drawn === null)
    return [`WikiText-2 is not measured again: name its text by --wikitext ${claimed.source}`];
  if (drawn.rows.sha256 === claimed.sha256) return [];
  return ["this is not the receipt's text of WikiText-2: the figures on it will differ"];
}

/**
 * The calibration rows of the receipt. null: their text is missing. The inputs do not name the
 * file, or it is the bundled text of another engine.
 */
async function redraw(
  { calibration, engine: maker }: Receipt,
  draw: Awaited<ReturnType<typeof rowDrawer>>,
  { inputs, connect }: Pick<EvaluationRequest, "inputs" | "connect">,
): Promise<DrawnRows | null> {
  const { source, sha256, samples, length } = calibration!;
  const isFile = source !== "bundled" && !source.startsWith("datasets/");
  const named = inputs.calibration.kind !== "bundled";
  if (isFile && !named) return null;
  const reference = named
    ? inputs.calibration
    : parseText("calibration", source === "bundled" ? "" : source);
  const rows = draw(await openCalibration(reference, connect), samples, length);
  if (rows.rows.sha256 === sha256) return rows;
  if (source === "bundled" && !named && maker.version !== engine.version) return null;
  throw new OqeError(
    "BAD_INPUT",
    `calibration: the rows of ${rows.record.source} have the SHA-256 ${rows.rows.sha256}, ` +
      `${receiptPath} says ${sha256} of ${source}`,
    "Name the text that the tier was tuned on with --calibration.",
  );
}

/** The limits that a publish would use. For a target without receipt: the limits of the inputs. */
function limits(receipt: Receipt | null, gates: GateInputs): Partial<Limits> {
  if (receipt !== null) return limitsOf(gates, receipt.plan);
  const given = gateNames.flatMap((gate) =>
    gates[gate].all === undefined ? [] : [[gate, gates[gate].all]],
  );
  return Object.fromEntries(given);
}

/** Failed gates and differences from the receipt as one error; null: there are none. */
function judge(
  target: Repository,
  receipt: Receipt | null,
  evaluation: Evaluation,
): OqeError | null {
  const failures = [
    ...describeFailures(evaluation.gates),
    ...(receipt === null ? [] : compareEvaluations(receipt, evaluation)),
  ];
  if (failures.length === 0) return null;
  return new OqeError(
    "GATE",
    `${nameOf(target)}: ${failures.join("; ")}`,
    "The figures are printed above. To set another limit: --max-kl 0.3.",
  );
}

/** The last line: what matches the receipt, and what does not. The files were checked before. */
function conclude(receipt: Receipt | null, evaluation: Evaluation): string {
  if (receipt === null)
    return `There is no ${receiptPath}: nothing says what the figures should be.`;
  const published = receipt.evaluation;
  if (published === null) return "Every file matches the receipt. It has no figures.";
  if (published.rows.sha256 !== evaluation.rows.sha256)
    return "Every file matches the receipt. Its figures are of other rows.";
  const differences = compareEvaluations(receipt, evaluation);
  const missing = published.wikitext?.rows.sha256 !== evaluation.wikitext?.rows.sha256;
  if (differences.length === 0 && published.wikitext && missing)
    return "Every file and every figure matches the receipt, but WikiText-2 was not measured again.";
  return differences.length === 0
    ? "Every file and every figure matches the receipt."
    : `Every file matches the receipt, but not every figure: ${differences.join("; ")}.`;
}

function nameOf({ id, name }: Repository): string {
  return id ?? name;
}
