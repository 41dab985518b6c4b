import { createHash } from "node:crypto";
import type { Base } from "../base/base.ts";
import { readCarried } from "../base/carry.ts";
import { fingerprint } from "../checkpoint/fingerprint.ts";
import type { Repository } from "../checkpoint/repository.ts";
import type { Evaluation } from "../evaluation/evaluation-types.ts";
import { grouped } from "../ground/digits.ts";
import { OqeError } from "../ground/errors.ts";
import type { Kernel } from "../kernel/kernel-types.ts";
import type { Width } from "../kernel/width.ts";
import { elements, modulePath, sameWidth } from "../mlx/format.ts";
import type { FinishedModel } from "../mlx/mlx-weights.ts";
import { type Receipt, receiptPath } from "../receipt/receipt.ts";

/** Checks that `oqe verify` makes before it evaluates. Each throws BAD_INPUT. */

const chunk = 1 << 24;

/**
 * Every file of the receipt is there with its size and its SHA-256. There are no other shards. The
 * Hub tells the hash of a large file; shards are compared with it when they are read.
 */
export async function checkFiles({ files }: Receipt, target: Repository): Promise<void> {
  for (const [path, { bytes, sha256 }] of Object.entries(files)) {
    const size = target.files.get(path);
    if (size === undefined) throw other(target, `${path} is missing, ${receiptPath} lists it`);
    if (size !== bytes)
      throw other(
        target,
        `${path} has ${grouped(size)} bytes, ${receiptPath} says ${grouped(bytes)}`,
      );
    const isRead = target.id === null || !path.endsWith(".safetensors");
    const told = target.id === null ? undefined : target.sha256?.get(path);
    const found = told ?? (isRead ? await hashOf(target, path) : sha256);
    if (found !== sha256) {
      throw other(target, `${path} has the SHA-256 ${found}, ${receiptPath} says ${sha256}`);
    }
  }
  for (const path of target.files.keys()) {
    if (path.endsWith(".safetensors") && !Object.hasOwn(files, path)) {
      throw other(target, `${path} is a shard that ${receiptPath} does not list`);
    }
  }
}

async function hashOf(target: Repository, path: string): Promise<string> {
  const source = await target.open(path);
  const hash = createHash("sha256");
  for (let at = 0; at < source.size; at += chunk)
    hash.update(await source.read(at, Math.min(chunk, source.size - at)));
  return hash.digest("hex");
}

/** The config has the widths of the receipt's plan. (The shards were compared with the config.) */
export function checkWidths(
  { plan }: Receipt,
  target: Repository,
  { tensors }: FinishedModel,
): void {
  const show = (width: Width | undefined) =>
    width === undefined
      ? "unquantized"
      : `${width.mode ?? `${width.bits}-bit`} in groups of ${width.groupSize}`;
  const found = new Map(tensors.map((tensor) => [modulePath(tensor), tensor.width]));
  for (const module of new Set([...found.keys(), ...Object.keys(plan.modules)])) {
    const [has, planned] = [found.get(module), plan.modules[module]];
    const isSame = has && planned ? sameWidth(has, planned) : has === planned;
    if (!isSame) {
      throw other(
        target,
        `config.json has "${module}" ${show(has)}, ${receiptPath} says ${show(planned)}`,
      );
    }
  }
}

/** Carried tensors have the base's values, decoded and moved as declared. Reads them in both. */
export async function checkCarried(
  { carried, checkpoint }: Pick<Base, "carried" | "checkpoint">,
  target: Repository,
  finished: Pick<FinishedModel, "checkpoint">,
  kernel: Kernel,
): Promise<void> {
  const theirs = finished.checkpoint;
  for (const { name, dtype, shape } of carried) {
    const found = theirs.tensors.get(name);
    const isSame = found?.dtype === dtype && found.shape.join() === shape.join();
    if (!isSame) {
      const has = found === undefined ? "is missing" : `is ${found.dtype} [${found.shape}]`;
      throw other(target, `tensor "${name}" ${has}, of the base ${dtype} [${shape}]`);
    }
  }
  for await (const { range, bytes } of readCarried(carried, checkpoint, kernel)) {
    const { name } = range.tensor;
    const stored = await theirs.read(name, range.start, bytes.length);
    if (Buffer.compare(stored, bytes) !== 0)
      throw other(target, `tensor "${name}" does not have the base's values`);
  }
}

function nameOf({ id, name }: Repository): string {
  return id ?? name;
}

function other(target: Repository, what: string): OqeError {
  return new OqeError(
    "GATE",
    `${nameOf(target)}: ${what}`,
    "Receipt, config and shards come from different runs. Download it again, or quantize again.",
  );
}

/** Checks that the base is the receipt's. Returns a line for the log if this cannot be known. */
export async function checkBase(
  { base: claimed }: Receipt,
  { checkpoint }: Base,
): Promise<string | null> {
  const { repository } = checkpoint;
  const ofFolder = claimed.revision.startsWith("sha256:");
  const revision = ofFolder ? await fingerprint(repository) : repository.revision;
  if (revision === claimed.revision) return null;
  const name = repository.id ?? repository.name;
  if (!ofFolder && revision.startsWith("sha256:")) {
    return (
      `the receipt names ${claimed.id ?? claimed.name} at ${claimed.revision}; ` +
      `whether the folder ${name} is the same is unknown`
    );
  }
  throw new OqeError(
    "BAD_INPUT",
    `the base ${name} is at ${revision}, ` +
      `${receiptPath} says ${claimed.revision} of ${claimed.id ?? claimed.name}`,
    claimed.id === null
      ? "Name the folder that the tier was made from."
      : `Name the base as it was: --base ${claimed.id}@${claimed.revision}.`,
  );
}

/** Base and target have the same architecture and shapes. */
export function checkShapes(base: Base, target: Repository, finished: FinishedModel): void {
  const wrong = (what: string) =>
    new OqeError(
      "BAD_INPUT",
      `${nameOf(target)} is not a quant of ${nameOf(base.checkpoint.repository)}: ${what}`,
      "Name the model that it was made from with --base.",
    );
  const [ours, theirs] = [finished.architecture.modelType, base.architecture.modelType];
  if (ours !== theirs) throw wrong(`it is a ${ours} model, the base a ${theirs} one`);
  const shapes = new Map(base.tensors.map(({ name, shape }) => [name, shape]));
  const missing = base.tensors.find(
    ({ name }) => !finished.tensors.some((tensor) => tensor.name === name),
  );
  if (missing !== undefined) throw wrong(`it has no tensor "${missing.name}"`);
  for (const { name, shape } of finished.tensors) {
    const expected = shapes.get(name);
    if (expected === undefined) throw wrong(`the base has no tensor "${name}"`);
    if (elements(expected) !== elements(shape) || expected.at(-1) !== shape.at(-1)) {
      throw wrong(
        `tensor "${name}" is [${shape.join(", ")}], of the base [${expected.join(", ")}]`,
      );
    }
  }
}

/** Figures that must agree with the receipt's. */
const compared = [
  "meanKl",
  "forcedMeanKl",
  "sameTop",
  "perplexity",
  "routerAgreement",
] as const satisfies (keyof Evaluation)[];
/**
 * Allowed difference as a share of the larger figure. Two kernels may differ in the last bit of a
 * sum, and then choose different experts of almost equal score.
 */
const tolerance = 0.02;

/** On WikiText-2. */
const comparedOnWikitext = ["meanKl", "sameTop", "perplexity", "basePerplexity"] as const;

/** Of the stock quant. */
const comparedOfStock = ["bytes", "meanKl", "sameTop", "perplexity"] as const;

/** One sentence for every figure that differs from the receipt's, if the rows are the same. */
export function compareEvaluations(
  { evaluation: claimed }: Receipt,
  measured: Evaluation,
): string[] {
  if (claimed === null || claimed.rows.sha256 !== measured.rows.sha256) return [];
  const [stock, claimedStock] = [measured.stock, claimed.stock];
  return [
    ...compared.flatMap((figure) => difference(figure, measured[figure], claimed[figure])),
    // A receipt of an earlier version has none.
    ...(stock === null || claimedStock === null
      ? []
      : comparedOfStock.flatMap((figure) =>
          difference(`${figure} of mlx_lm.convert -q`, stock[figure], claimedStock[figure]),
        )),
    ...wikitextDifferences(measured.wikitext, claimed.wikitext),
  ];
}

/** None where the chunks are not the same. */
function wikitextDifferences(measured: Evaluation["wikitext"], claimed: Evaluation["wikitext"]) {
  if (measured === undefined || measured.rows.sha256 !== claimed?.rows.sha256) return [];
  return comparedOnWikitext.flatMap((figure) =>
    difference(`${figure} on WikiText-2`, measured[figure], claimed[figure]),
  );
}

function difference(what: string, measured: number | null, claimed: number | null): string[] {
  const [ours, theirs] = [measured ?? 0, claimed ?? 0];
  const isNear = Math.abs(ours - theirs) <= tolerance * Math.max(ours, theirs) + 1e-6;
  return isNear ? [] : [`${what} is ${ours}, ${receiptPath} says ${theirs}`];
}
