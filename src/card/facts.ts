import type { Receipt, SeriesRow } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { carriedFacts } from "./carried-facts.ts";
import { choiceFacts } from "./choice-rows.ts";
import { codedWords } from "./coded-facts.ts";
import { evaluationFacts } from "./evaluation-facts.ts";
import {
  bitsPerWeight,
  gibibytes,
  gigabytes,
  grouped,
  parameterCount,
  plural,
  sizeOf,
  squaredError,
} from "./figures.ts";
import { modelWords, strategyWords } from "./highlight-words.ts";
import { highlightRows } from "./highlights.ts";
import { licenceMetadata } from "./licence.ts";
import { machineFacts } from "./machine-facts.ts";
import { code, commentJson, inline, link, prose } from "./markdown.ts";
import { pngImage } from "./picture-files.ts";
import type { PictureName, PicturePath } from "./pictures.ts";
import { publishedAs } from "./published.ts";
import { reproduceFacts } from "./reproduce.ts";
import { sensitivityFacts } from "./sensitivity-facts.ts";
import { knownFigures, tierRows } from "./series-rows.ts";
import { otherWarnings, tuningFacts } from "./tuning-facts.ts";
import { useFacts } from "./use-facts.ts";
import { keptModules, unquantizedRows, widthRows } from "./widths.ts";
import {
  enhancementWords,
  groupSizes,
  isMeasured,
  keepsRouter,
  policyWords,
  roundingWords,
  tierWords,
} from "./wording.ts";

/**
 * All facts of a card: strings in Markdown (already escaped), flags, and lists of them.
 * `templates/model-card*.jinja` place them and format nothing.
 */
export type CardFacts = ReturnType<typeof cardFacts>;

/** What relative links of a card begin with, where it is read. */
export interface CardPlace {
  /** Of its pictures: a folder with "/" at its end. */
  readonly pictures: string;
  /** Of other files of the tier's repository. */
  readonly files: string;
}

/** On the Hub, and in a tier's folder: everything is beside the card. */
export const onHub: CardPlace = { pictures: "", files: "" };

/**
 * In a GitHub repository: pictures in a folder named after the tier, other files on the Hub. GitHub
 * shows SVG, so it gets no PNG.
 */
export function inRepository({ repository, plan }: Receipt): CardPlace {
  const files = `https://huggingface.co/${repository}/blob/main/`;
  return { pictures: `${plan.tier}/`, files };
}

/**
 * The facts of a card, from the receipt and its pictures alone. The order of the keys does not
 * matter.
 */
export function cardFacts(receipt: Receipt, pictures: readonly PictureName[], place: CardPlace) {
  return {
    title: titleOf(receipt),
    tier: inline(receipt.plan.tier),
    base: baseFacts(receipt, place),
    ...modelFacts(receipt),
    ...planFacts(receipt),
    ...optionFacts(receipt),
    ...choiceFacts(receipt),
    strategy: strategyWords(receipt),
    modelWords: modelWords(receipt),
    codedWords: codedWords(receipt),
    rowHashes: rowHashes(receipt),
    evaluated: receipt.evaluation !== null,
    evaluation: evaluationFacts(receipt),
    sensitivity: sensitivityFacts(receipt),
    tuning: tuningFacts(receipt),
    pictures: pictureFacts(receipt, pictures, place),
    seriesLink: seriesLink(receipt),
    weightError: squaredError(receipt.weightError.relative),
    files: fileRows(receipt),
    filesSize: filesSize(receipt),
    use: useFacts(receipt),
    reproduce: reproduceFacts(receipt),
    warnings: otherWarnings(receipt).map(prose),
    machine: commentJson(machineFacts(receipt)),
  };
}

function modelFacts(receipt: Receipt) {
  const { model } = receipt;
  return {
    parameters: parameterCount(model.parameters),
    activeParameters: parameterCount(model.activeParameters),
    sparse: model.experts !== null,
    keepsRouter: keepsRouter(receipt),
    unquantized: unquantizedRows(receipt),
    highlights: highlightRows(receipt),
    ...carriedFacts(receipt),
    configNotes: receipt.configNotes.map(prose),
  };
}

function planFacts(receipt: Receipt) {
  const { plan, series } = receipt;
  return {
    size: sizeOf(plan.bytes),
    tensorBytes: `${grouped(plan.bytes)} bytes (${gibibytes(plan.bytes)} GiB)`,
    bpw: bitsPerWeight(plan.bpw),
    fileBpw: bitsPerWeight(plan.fileBpw),
    quantizedModules: grouped(Object.keys(plan.modules).length),
    affineModules: grouped(Object.keys(plan.modules).length - keptModules(receipt)),
    keptModules: keptModules(receipt) === 0 ? "" : plural(keptModules(receipt), "module"),
    groupSizes: groupSizes(receipt),
    tierRows: tierRows(series, knownFigures([receipt]), (row) => tierLabel(receipt, row)),
    tierWords: tierWords(receipt),
    measuredPlan: isMeasured(receipt),
    policyWords: policyWords(receipt),
    widths: widthRows(receipt),
  };
}

function optionFacts(receipt: Receipt) {
  const { options, engine } = receipt;
  return {
    tuned: options.method === "tuned",
    method: code(options.method),
    rounding: code(options.rounding),
    roundingWords: roundingWords(receipt),
    enhancement: enhancementWords(receipt),
    policy: code(options.policy),
    storage: code(options.storage),
    engine: {
      version: inline(engine.version),
      kernel: code(engine.kernelSha256),
      source: engine.repository === null ? "" : sourceLink(engine.repository),
    },
  };
}

function sourceLink(repository: string): string {
  return link(inline(repository), `https://github.com/${repository}`);
}

function baseFacts(receipt: Receipt, place: CardPlace) {
  const { id, name, revision } = receipt.base;
  const web = `https://huggingface.co/${id}`;
  const commit = /^[0-9a-f]{40}$/.test(revision);
  return {
    fromHub: id !== null,
    fingerprinted: revision.startsWith("sha256:"),
    verified: receipt.verifiedBase !== null,
    bytes: baseBytes(receipt),
    title: id === null ? `the folder ${code(name)}` : link(inline(id), web),
    revision:
      id !== null && commit ? link(code(revision), `${web}/tree/${revision}`) : code(revision),
    licence: licence(receipt, place),
    hasLicence: licenceMetadata(receipt).license !== undefined,
  };
}

/** What the bytes of the base were compared with. */
function baseBytes({ base, verifiedBase }: Receipt): string {
  if (verifiedBase !== null) {
    const { shards, bytes } = verifiedBase;
    const files = shards === 1 ? "1 shard" : `${grouped(shards)} shards`;
    return `all that were used have the hashes of this commit (${files}, ${grouped(bytes)} bytes)`;
  }
  return base.revision.startsWith("sha256:")
    ? "those of a folder; the revision is a hash of them"
    : "not compared with the hashes of this commit";
}

/** The licence as the base names it, `other (name)`, with a link if there is one. */
function licence(receipt: Receipt, { files }: CardPlace): string {
  const { license, licenseName } = receipt.base.inherited;
  const stated = license ?? licenseName;
  if (stated === undefined) return "not stated in the base's card metadata";
  const name =
    license === undefined || licenseName === undefined
      ? inline(stated)
      : `${inline(license)} (${inline(licenseName)})`;
  const target = licenceMetadata(receipt).license_link;
  if (target === undefined) return name;
  return /^LICENSE(\.md)?$/.test(target) ? `[${name}](${files}${target})` : link(name, target);
}

/** The tier's name; bold if it is this one. */
function tierLabel(receipt: Receipt, row: SeriesRow): string {
  return row.tier === receipt.plan.tier ? `**${inline(row.tier)}**` : inline(row.tier);
}

/**
 * The Hub's list of the series. It is one link, not one per tier, because this card does not know
 * which tiers are published. A card made alone must equal a card made in one run. Empty for a
 * folder that is not published.
 */
function seriesLink({ repository, plan }: Receipt): string {
  const [, namespace, model] =
    /^([\w.-]+)\/([\w.-]+)$/.exec(repository.slice(0, -`-${plan.tier}`.length)) ?? [];
  if (namespace === undefined || !repository.endsWith(`-${plan.tier}`)) return "";
  return link(
    "list on the Hub",
    `https://huggingface.co/models?author=${namespace}&search=${model}-oQ`,
  );
}

/** Each picture as Markdown; empty if the receipt has no figures for it. */
function pictureFacts(
  receipt: Receipt,
  pictures: readonly PictureName[],
  { pictures: folder }: CardPlace,
) {
  const image = (path: PicturePath) => {
    const picture = pictures.find((one) => one.path === path);
    if (picture === undefined) return "";
    if (folder !== "") return `![${inline(picture.alt)}](${folder}${path})`;
    return pngImage(picture, { light: "", dark: filesOf(receipt) });
  };
  return {
    divergence: image("oqe-kl.svg"),
    bits: image("oqe-bits.svg"),
    experts: image("oqe-experts.svg"),
    languages: image("oqe-languages.svg"),
  };
}

/**
 * Where the files of a repository are, with "/" at the end. The Hub makes `src` of an image whole,
 * and not its `srcset`. Empty for a tier that is not published.
 */
function filesOf(receipt: Receipt): string {
  const published = publishedAs(receipt);
  return published && `https://huggingface.co/${published}/resolve/main/`;
}

function fileRows(receipt: Receipt) {
  return table(
    ["path", "bytes", "sha256"],
    Object.keys(receipt.files)
      .sort()
      .map((path) => ({
        path: code(path),
        bytes: grouped(receipt.files[path]!.bytes),
        sha256: code(receipt.files[path]!.sha256),
      })),
  );
}

function filesSize(receipt: Receipt): string {
  const files = Object.values(receipt.files);
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  return `${plural(files.length, "file")} of ${grouped(bytes)} bytes (${gigabytes(bytes)} GB)`;
}

/** The hash of each set of rows, once. */
function rowHashes({ calibration, evaluationRows, sensitivity }: Receipt) {
  const sets = new Map<string, string[]>();
  const add = (what: string, hash: string | undefined) => {
    if (hash !== undefined) sets.set(hash, [...(sets.get(hash) ?? []), what]);
  };
  add("calibration", calibration?.sha256);
  add("sensitivity", sensitivity?.calibration.sha256);
  add("evaluation", evaluationRows?.sha256);
  return table(
    ["what", "sha256"],
    [...sets].map(([hash, uses]) => ({
      what: `Rows for ${uses.join(" and ")}`,
      sha256: code(hash),
    })),
  );
}

/** `NVIDIA-Nemotron-3-Nano-30B-A3B — oQe series, oQ4e` */
function titleOf({ name, plan }: Receipt): string {
  const end = `-${plan.tier}`;
  const model = name.endsWith(end) ? name.slice(0, -end.length) : name;
  return `${inline(model)} — oQe series, ${inline(plan.tier)}`;
}
