import { engine } from "../ground/engine.ts";
import { OqeError } from "../ground/errors.ts";
import { Field, type Refusal } from "../ground/json-field.ts";
import { notJson } from "../ground/reasons.ts";
import type { Width } from "../kernel/width.ts";
import { mixers, mlps } from "../models/layer-kind.ts";
import type { Floors, TierPlan } from "../plan/plan-types.ts";
import type { Inherited, ModelFacts, Receipt, SeriesRow } from "./receipt.ts";
import { checkEvaluation, readEvaluation } from "./receipt-evaluation.ts";
import { checkSensitivity, readSensitivity } from "./receipt-sensitivity.ts";
import {
  checkMethod,
  isAbsent,
  readCalibration,
  readMethod,
  readTuning,
} from "./receipt-tuning.ts";
import { readOtherTiers } from "./series-figures.ts";

/** Of a folder at least: one segment of a path on any system, and not hidden. */
const folderName = /^[^./\\:][^/\\:]{0,200}$/;
const hubId = /^[A-Za-z0-9_][\w.-]{0,95}\/[A-Za-z0-9_][\w.-]{0,95}$/;
const tierName = /^[A-Za-z0-9.]{1,16}$/;
const hash = /^[0-9a-f]{64}$/;
const refusal: Refusal = {
  code: "BAD_INPUT",
  hint: "The receipt was not written by this oqe-publisher, or was changed. Restore it from the repository, or quantize again.",
};

/**
 * A receipt from its JSON text, every field checked. Throws BAD_INPUT naming the file `where` and the field: for text that
 * is no JSON, for an older or newer format, and for values that no run of ours writes.
 */
export function parseReceipt(text: string, where: string): Receipt {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new OqeError(
      "BAD_INPUT",
      `${where} ${notJson(error)}`,
      "Restore the receipt from the repository, or quantize again.",
    );
  }
  return readReceipt(new Field(value, where, refusal));
}

/**
 * The receipt as text: fields in the contract's order, paths sorted, indented by 2, lists of numbers on one line, one newline at the
 * end. Reads itself back first.
 */
export function writeReceipt(receipt: Receipt): string {
  const text = JSON.stringify(readReceipt(new Field(receipt, "the new receipt", refusal)), null, 2);
  // Text of JSON holds no line break, so that nothing inside of it can look like this.
  return `${text.replace(/\[\n\s+[-+.\de]+(?:,\n\s+[-+.\de]+)*\n\s+\]/g, (list) => list.replace(/\n\s+/g, " ").replace("[ ", "[").replace(" ]", "]"))}\n`;
}

function readReceipt(root: Field): Receipt {
  checkFormat(root);
  const plan = readPlan(root.at("plan"));
  const series = root.at("series").list(readRow);
  const receipt: Receipt = {
    format: 1,
    engine: readEngine(root.at("engine")),
    base: readBase(root.at("base")),
    model: readModel(root.at("model")),
    options: readOptions(root.at("options")),
    calibration: readCalibration(root.at("calibration")),
    evaluationRows: readCalibration(root.at("evaluationRows")),
    repository: readRepository(root.at("repository")),
    name: root.at("name").matching(folderName, "a repository's name"),
    plan,
    kept: root.at("kept").entries((field) => field.text()),
    series,
    sensitivity: readSensitivity(root.at("sensitivity"), plan.modules),
    weightError: { relative: root.at("weightError").at("relative").number() },
    tuning: readTuning(root.at("tuning"), plan.modules),
    evaluation: readEvaluation(root.at("evaluation")),
    otherTiers: readOtherTiers(root.at("otherTiers"), plan.tier, series),
    configNotes: root.at("configNotes").list((field) => field.text()),
    warnings: root.at("warnings").list((field) => field.text()),
    files: readFiles(root.at("files")),
  };
  checkNames(root, receipt);
  checkMethod(root, receipt);
  checkEvaluation(root, receipt);
  checkSensitivity(root, receipt);
  return receipt;
}

function checkFormat(root: Field): void {
  const format = root.at("format");
  if (format.value === 1) return;
  const writer =
    format.value === undefined
      ? "another program"
      : `oqe-publisher ${root.at("engine").at("version").text()}`;
  throw new OqeError(
    "BAD_INPUT",
    `${root.where}: field "format" is ${format.shown()}, written by ${writer}; oqe-publisher ${engine.version} reads format 1`,
    "Use the oqe-publisher that wrote it, or quantize again with this one.",
  );
}

/** Names that must agree; a card would otherwise speak of another repository than its own. */
function checkNames(root: Field, { repository, name, plan, series }: Receipt): void {
  if (repository.split("/").at(-1) !== name)
    root.at("name").fail(`the last part of repository, "${repository}"`);
  if (!name.endsWith(`-${plan.tier}`))
    root.at("name").fail(`a name that ends with -${plan.tier}, the plan's tier`);
  if (!series.some((row) => row.tier === plan.tier))
    root.at("series").fail(`rows with one of the plan's tier, ${plan.tier}`);
}

function readEngine(field: Field): Receipt["engine"] {
  return {
    name: field.at("name").oneOf(["oqe-publisher"]),
    version: field.at("version").matching(/^[\w.+-]{1,64}$/, "a version"),
    kernelSha256: field.at("kernelSha256").matching(hash, "64 hexadecimal digits"),
  };
}

function readBase(field: Field): Receipt["base"] {
  const id = field.at("id");
  return {
    id: id.value === null ? null : id.matching(hubId, "org/name or null"),
    name: field.at("name").text(),
    revision: field.at("revision").text(),
    inherited: readInherited(field.at("inherited")),
  };
}

function readInherited(field: Field): Inherited {
  const text = (name: string) => ({ [name]: field.at(name).text() });
  const texts = (name: string) => ({ [name]: field.at(name).list((item) => item.text()) });
  return {
    ...(field.has("license") && text("license")),
    ...(field.has("licenseName") && text("licenseName")),
    ...(field.has("licenseLink") && text("licenseLink")),
    ...(field.has("language") && texts("language")),
    ...(field.has("pipelineTag") && text("pipelineTag")),
    ...(field.has("tags") && texts("tags")),
  };
}

function readModel(field: Field): ModelFacts {
  const experts = field.at("experts");
  const contextLength = field.at("contextLength");
  return {
    modelType: field.at("modelType").text(),
    parameters: field.at("parameters").count(),
    activeParameters: field.at("activeParameters").count(),
    layers: field.at("layers").list(readLayers),
    experts: experts.value === null ? null : readExperts(experts),
    hiddenSize: field.at("hiddenSize").count(),
    vocabularySize: field.at("vocabularySize").count(),
    contextLength: contextLength.value === null ? null : contextLength.count(),
    tiedHead: field.at("tiedHead").flag(),
  };
}

function readLayers(field: Field): ModelFacts["layers"][number] {
  const [mixer, mlp] = [field.at("mixer"), field.at("mlp")];
  return {
    mixer: mixer.value === null ? null : mixer.oneOf(mixers),
    mlp: mlp.value === null ? null : mlp.oneOf(mlps),
    count: field.at("count").count(),
  };
}

function readExperts(field: Field): NonNullable<ModelFacts["experts"]> {
  return {
    routed: field.at("routed").count(),
    perToken: field.at("perToken").count(),
    shared: field.at("shared").count(),
  };
}

function readOptions(field: Field): Receipt["options"] {
  return {
    ...readMethod(field),
    rounding: field.at("rounding").oneOf(["stored", "mlx"]),
    policy: field.at("policy").matching(/^[\w.-]{1,64}$/, "a policy's name"),
    ...readPlanning(field),
    storage: field.at("storage").oneOf(["BF16", "F16", "F32"]),
  };
}

/** Receipts of the engine's first versions do not have these fields: they were planned by rules. */
function readPlanning(
  field: Field,
): Pick<Receipt["options"], "floors" | "domainWeights" | "proxy" | "sensitivity"> {
  const [floors, weights, file] = [
    field.at("floors"),
    field.at("domainWeights"),
    field.at("sensitivity"),
  ];
  return {
    floors: isAbsent(floors) ? null : readFloors(floors),
    domainWeights: isAbsent(weights) ? null : weights.entries((weight) => weight.number()),
    proxy: isAbsent(field.at("proxy")) ? null : field.at("proxy").text(),
    sensitivity: isAbsent(file) ? null : file.matching(hash, "64 hexadecimal digits"),
  };
}

function readRepository(field: Field): string {
  const id = field.text();
  return id.includes("/")
    ? field.matching(hubId, "namespace/name")
    : field.matching(folderName, "a repository's name");
}

function readRow(field: Field): SeriesRow {
  return {
    tier: field.at("tier").matching(tierName, "a tier's name"),
    targetBpw: field.at("targetBpw").number(),
    bpw: field.at("bpw").number(),
    fileBpw: field.at("fileBpw").number(),
    bytes: field.at("bytes").count(),
    boosts: field.at("boosts").count(),
    plan: field.at("plan").text(),
    ...readPrices(field),
  };
}

/** Receipts of the engine's first versions do not have these fields: they were planned by rules. */
function readPrices(field: Field): Pick<SeriesRow, "predicted" | "floors"> {
  const [predicted, floors] = [field.at("predicted"), field.at("floors")];
  return {
    predicted: isAbsent(predicted)
      ? null
      : { forcedKl: predicted.at("forcedKl").number(), kl: predicted.at("kl").number() },
    floors: isAbsent(floors) ? null : readFloors(floors),
  };
}

function readFloors(field: Field): Floors {
  return field.entries((bits, name) => {
    if (!/^[a-z-]{1,32}$/.test(name)) bits.fail("a role's name as the key");
    return bits.oneOf([2, 3, 4, 5, 6, 8]);
  });
}

function readPlan(field: Field): TierPlan {
  return { ...readRow(field), modules: field.at("modules").entries(readWidth) };
}

function readWidth(field: Field): Width {
  return {
    bits: field.at("bits").oneOf([2, 3, 4, 5, 6, 8]),
    groupSize: field.at("groupSize").oneOf([32, 64, 128]),
  };
}

function readFiles(field: Field): Receipt["files"] {
  return field.entries((file, path) => {
    file.isPathInside(path);
    return {
      bytes: file.at("bytes").count(),
      sha256: file.at("sha256").matching(hash, "64 hexadecimal digits"),
    };
  });
}
