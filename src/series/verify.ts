import type { Base } from "../base/base.ts";
import { openCalibration, openEvaluation } from "../calibration/reference.ts";
import { type Repository, readText } from "../checkpoint/repository.ts";
import { evaluate, observeBase, passesOf } from "../evaluation/evaluate.ts";
import { type Evaluation, gateNames } from "../evaluation/evaluation-types.ts";
import { describeFailures, type Limits, limitsOf } from "../evaluation/gates.ts";
import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { Hub } from "../hub/hub-types.ts";
import { type ModelReference, parseText } from "../inputs/input-values.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import { openFinished } from "../mlx/mlx-weights.ts";
import { type Receipt, receiptPath } from "../receipt/receipt.ts";
import { parseReceipt } from "../receipt/receipt-file.ts";
import { openBase, openRepository } from "./recipes.ts";
import { type DrawnRows, evaluationLength, refuseOverlap, rowDrawer } from "./rows.ts";
import {
  compareEvaluations,
  holdBase,
  holdFiles,
  holdShapes,
  holdWidths,
} from "./verify-checks.ts";

export interface VerifyDependencies {
  readonly report: Report;
  readonly connect: () => Hub;
  readonly openKernel: () => Promise<Kernel>;
}

export interface Verified {
  readonly evaluation: Evaluation;
  readonly target: { readonly name: string; readonly revision: string };
  /** null: the target holds none. */
  readonly receipt: Receipt | null;
  /** Gates that were not passed, and figures that are not those of the receipt; null where all is well. */
  readonly failure: OqeError | null;
}

/**
 * Measures a finished repository, ours or of `mlx_lm.convert -q`, against its base: on the rows of its receipt, or on those that `inputs`
 * name. Nothing is downloaded whole. Throws BAD_INPUT where the target is not what its receipt says, where the base is another one, or
 * where the rows overlap with those it was tuned on.
 */
export async function verify(
  model: ModelReference,
  inputs: Inputs,
  given: { readonly samples: boolean },
  { report, connect, openKernel }: VerifyDependencies,
): Promise<Verified> {
  const target = await report.stage("Open the target", () => openRepository(model, connect));
  const receipt = await readOwnReceipt(target);
  const base = await report.stage("Open the base model", () =>
    openBase(inputs, connect, { allowHeaderOnly: false }),
  );
  try {
    if (receipt !== null) {
      await report.stage("Hold the target against its receipt", () => holdFiles(receipt, target));
      const note = await holdBase(receipt, base);
      if (note !== null) report.warn(note);
    }
    const kernel = await openKernel();
    try {
      return await measure({ target, receipt, base, inputs, given, kernel, report, connect });
    } finally {
      await kernel.close();
    }
  } finally {
    await Promise.all([base.checkpoint.close(), target.close?.()]);
  }
}

interface EvaluationRequest {
  readonly target: Repository;
  readonly receipt: Receipt | null;
  readonly base: Base;
  readonly inputs: Inputs;
  readonly given: { readonly samples: boolean };
  readonly kernel: Kernel;
  readonly report: Report;
  readonly connect: () => Hub;
}

async function measure({
  target,
  receipt,
  base,
  inputs,
  given,
  kernel,
  report,
  connect,
}: EvaluationRequest) {
  const finished = await openFinished(target, kernel);
  try {
    holdShapes(base, target, finished);
    if (receipt !== null) holdWidths(receipt, target, finished);
    const rows = await report.stage("Draw the rows", () =>
      drawRows({ base, receipt, inputs, given, report, connect }),
    );
    const total = (1 + passesOf(base)) * base.architecture.layers(base.config).length;
    let done = 0;
    const progress = () => report.tick(++done, total, "blocks evaluated");
    const evaluation = await report.stage("Measure", async () => {
      const observed = await observeBase(base, rows, kernel, progress);
      return evaluate(observed, finished, {
        predicted: receipt?.plan.predicted ?? null,
        limits: limits(receipt, inputs),
        progress,
      });
    });
    const failures = [
      ...describeFailures(evaluation.gates),
      ...(receipt === null ? [] : compareEvaluations(receipt, evaluation)),
    ];
    const failure = failures.length === 0 ? null : unevaluated(target, failures);
    return {
      evaluation,
      target: { name: target.id ?? target.name, revision: target.revision },
      receipt,
      failure,
    };
  } finally {
    await finished.close();
  }
}

async function readOwnReceipt(target: Repository): Promise<Receipt | null> {
  if (!target.files.has(receiptPath)) return null;
  return parseReceipt(
    await readText(target, receiptPath),
    `${target.id ?? target.name}/${receiptPath}`,
  );
}

/** The rows to measure on; held against the calibration rows of the receipt, which are drawn again. */
async function drawRows(
  of: Pick<EvaluationRequest, "base" | "receipt" | "inputs" | "given" | "report" | "connect">,
) {
  const { base, receipt, inputs, given, report, connect } = of;
  const draw = await rowDrawer(base);
  const claimed = receipt?.evaluationRows;
  const samples = given.samples
    ? inputs.evaluationSamples
    : (claimed?.samples ?? inputs.evaluationSamples);
  const isOfHub =
    inputs.evaluation.kind === "bundled" && claimed?.source.startsWith("datasets/") === true;
  const text = isOfHub ? parseText("evaluation", claimed.source) : inputs.evaluation;
  const evaluation = draw(
    await openEvaluation(text, connect),
    samples,
    claimed?.length ?? evaluationLength,
  );
  if (receipt?.evaluation != null && evaluation.rows.sha256 !== receipt.evaluation.rows.sha256) {
    report.warn(
      `other rows than the receipt's, which are of ${receipt.evaluation.rows.source}: figures will differ`,
    );
  }
  const tuning = receipt?.calibration;
  if (tuning === null || tuning === undefined) return evaluation;
  const calibration = await redraw(receipt!, draw, of);
  if (calibration !== null) refuseOverlap(calibration, evaluation);
  else
    report.warn(
      `the calibration rows cannot be drawn again; whether the evaluation rows overlap them is not known`,
    );
  return evaluation;
}

/** null where the text is not at hand: a file that was not named, or the bundled text of another engine. */
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
    `calibration: the rows of ${rows.record.source} have the SHA-256 ${rows.rows.sha256}, ${receiptPath} says ${sha256} of ${source}`,
    "Name the text that the tier was tuned on with --calibration.",
  );
}

/** Of a tier the limits of a publish; of other repositories those that were asked for. */
function limits(receipt: Receipt | null, { gates }: Inputs): Partial<Limits> {
  if (receipt !== null) return limitsOf(gates, receipt.plan);
  const asked = gateNames.flatMap((gate) =>
    gates[gate].all === undefined ? [] : [[gate, gates[gate].all]],
  );
  return Object.fromEntries(asked);
}

function unevaluated(target: Repository, failures: readonly string[]): OqeError {
  return new OqeError(
    "GATE",
    `${target.id ?? target.name}: ${failures.join("; ")}`,
    "The figures are printed above. A gate takes another limit: --max-kl 0.3.",
  );
}
