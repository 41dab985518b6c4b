import { bitsPerWeight, gigabytes, grouped } from "../card/figures.ts";
import { code, commentJson, inline, link } from "../card/markdown.ts";
import { estimate, share } from "../card/measured-figures.ts";
import { drawPictures, namePictures } from "../card/pictures.ts";
import { longestBody, withoutMentions } from "../github/sealed-text.ts";
import { type Sums, sha256Of, sumsPath } from "../hub/sums.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { filesOfAll, mostFiles, mostSubjects } from "./release-limits.ts";
import { repositoryNames } from "./repository-names.ts";

/** A tier as its repository on the Hub shows it. */
export interface ReleasedTier {
  /** `<namespace>/<Model>-<tier>` */
  readonly repository: string;
  readonly url: string;
  readonly receipt: Receipt;
  /** Text of the receipt on main. */
  readonly receiptText: string;
  /** SHA-256 of every file of the repository. */
  readonly sums: Sums;
}

export interface ReleasedModel {
  /** Name in the series file. */
  readonly name: string;
  readonly tiers: readonly ReleasedTier[];
}

/** A file that is attached to the release. */
export interface ReleaseFile {
  readonly name: string;
  readonly content: string;
}

/** What a release says of itself, in a comment of its notes. */
export interface ReleaseMark {
  /** SHA-256 of the list of all weights. */
  readonly weights: string;
}

/** SHA-256 of every file of weights, as `<sha256>  <namespace>/<repository>/<file>`. */
export function listWeights(models: readonly ReleasedModel[]): string {
  const lines = models.flatMap(({ tiers }) =>
    tiers.flatMap(({ repository, sums }) =>
      [...sums]
        .filter(([path]) => path.endsWith(".safetensors"))
        .map(([path, sha256]) => `${sha256}  ${repository}/${path}\n`),
    ),
  );
  return [...lines].sort((a, b) => (a.slice(66) < b.slice(66) ? -1 : 1)).join("");
}

/**
 * What is attested besides the receipts, in the format of SHA256SUMS: the weights, or their list if
 * they are more than an attestation holds.
 */
export function attestedSums(models: readonly ReleasedModel[]): string {
  const list = listWeights(models);
  return countLines(list) <= mostSubjects ? list : `${sha256Of(list)}  ${sumsPath}\n`;
}

const countLines = (text: string) => text.split("\n").length - 1;

/** Whether GitHub takes the pictures of all tiers too. */
function hasPictures(models: readonly ReleasedModel[]): boolean {
  const ofTiers = models.flatMap(({ tiers }) =>
    tiers.map(({ receipt }) => 1 + namePictures(receipt).length),
  );
  return ofTiers.reduce((sum, files) => sum + files, filesOfAll) <= mostFiles;
}

/** The matrix, the list of weights and, of each tier, the receipt and, if they fit, pictures. */
export function releaseFiles(models: readonly ReleasedModel[]): readonly ReleaseFile[] {
  const tiers = models.flatMap((model) => model.tiers);
  const draw = hasPictures(models) ? drawPictures : () => [];
  const ofTiers = tiers.flatMap(({ repository, receipt, receiptText }) => {
    // GitHub allows these characters in an asset's name; a Hub name has no others.
    const name = repository.replace("/", ".");
    return [
      { name: `${name}.receipt.json`, content: receiptText },
      ...draw(receipt).map(({ path, svg }) => ({ name: `${name}.${path}`, content: svg })),
    ];
  });
  return [
    { name: "matrix.md", content: matrix(models) },
    { name: sumsPath, content: listWeights(models) },
    ...ofTiers,
  ];
}

/** The table of every model: one row per tier. */
function matrix(models: readonly ReleasedModel[]): string {
  return `${models.map(matrixOf).join("\n\n")}\n`;
}

function matrixOf({ name, tiers }: ReleasedModel): string {
  const rows = tiers.map(({ url, receipt: { plan, evaluation } }) => {
    const figures =
      evaluation === null
        ? ["–", "–"]
        : [estimate(evaluation.meanKl, evaluation.meanKlError), share(evaluation.sameTop)];
    const cells = [link(inline(plan.tier), url), grouped(plan.bytes), gigabytes(plan.bytes)];
    return [...cells, bitsPerWeight(plan.bpw), ...figures].join(" | ");
  });
  return [
    `### ${inline(name)}`,
    "",
    ...baseOf(tiers),
    "| Tier | Bytes | GB | bpw | Mean KL | Same top token |",
    "|---|---:|---:|---:|---:|---:|",
    ...rows.map((row) => `| ${row} |`),
  ].join("\n");
}

function baseOf(tiers: readonly ReleasedTier[]): readonly string[] {
  const base = tiers[0]?.receipt.base;
  if (base === undefined) return [];
  const { id, name, revision } = base;
  const label =
    id === null ? code(name) : link(inline(id), `https://huggingface.co/${id}/tree/${revision}`);
  const named = tiers.map((tier) => ({ ...tier, tier: tier.receipt.plan.tier }));
  return [
    `Repositories: ${repositoryNames(named)}`,
    "",
    `Base model: ${label} at ${code(revision)}`,
    "",
  ];
}

export interface NotesRequest {
  readonly models: readonly ReleasedModel[];
  readonly mark: ReleaseMark;
  /** `owner/name` of the repository that releases. */
  readonly repository: string;
  /** `owner/name` of the reusable workflow, which signs; null: not known. */
  readonly signer: string | null;
  /** Tag of the last release if its weights are the same; null: they differ, or it is the first. */
  readonly unchangedSince: string | null;
}

/** Notes of a release, in Markdown. */
export function releaseNotes(request: NotesRequest): string {
  const { models, mark, unchangedSince } = request;
  const news =
    unchangedSince === null
      ? ""
      : `Nothing changed since ${code(unchangedSince)}: the weights are the same.\n\n`;
  const end = [
    // One line: GitHub shows the end of a line in a release as a line break.
    attachedWords(models),
    "",
    ...verifyLines(request),
    "",
    `<!-- oqe:release ${commentJson(mark)} -->`,
    "",
  ].join("\n");
  const room = longestBody - withoutMentions(news + end).length;
  return `${news}${fit(withoutMentions(matrix(models)), room)}\n${end}`;
}

/** What a table says that is too long for the notes. The end of the notes must not be cut. */
const goesOn = "\n\n*The table goes on in the attached `matrix.md`.*\n";

function fit(table: string, room: number): string {
  if (table.length < room) return table;
  return table.slice(0, table.lastIndexOf("\n", room - goesOn.length - 1)) + goesOn;
}

function attachedWords(models: readonly ReleasedModel[]): string {
  const pictures = hasPictures(models)
    ? "the receipt and the pictures of every tier"
    : `the receipt of every tier (pictures would be more files than the ${grouped(mostFiles)} that GitHub takes)`;
  const weights = countLines(listWeights(models));
  const attested =
    weights <= mostSubjects
      ? "receipts and weights"
      : `receipts and, as ${grouped(weights)} files of weights are too many, \`SHA256SUMS\``;
  return (
    `Attached: ${pictures}, and \`SHA256SUMS\` of all weights. ` +
    `On public repositories GitHub attests ${attested}:`
  );
}

/**
 * The command that checks an attestation. GitHub names the called workflow as its signer, so `gh`
 * refuses it unless it is told that workflow's repository.
 */
function verifyLines({ repository, signer }: NotesRequest): readonly string[] {
  const told = signer ?? "<owner>/oqe-publisher";
  const option = signer === repository ? "" : ` --signer-repo ${told}`;
  const command = `gh attestation verify <file> --repo ${repository}${option}`;
  const where = "`<owner>` is the one that the line `uses:` of the workflow names.";
  return ["```sh", command, "```", ...(signer === null ? ["", where] : [])];
}

/** The mark in the notes of a release; null if it is not ours. */
export function readMark(notes: string): ReleaseMark | null {
  const found = /<!-- oqe:release (\{.*?\}) -->/.exec(notes);
  if (found === null) return null;
  try {
    const { weights } = JSON.parse(found[1]!) as Partial<ReleaseMark>;
    return typeof weights === "string" ? { weights } : null;
  } catch {
    return null;
  }
}
