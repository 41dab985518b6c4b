import { inRepository } from "../../src/card/facts.ts";
import { readNotes } from "../../src/card/kept-notes.ts";
import { pictureFiles } from "../../src/card/picture-files.ts";
import { drawPictures } from "../../src/card/pictures.ts";
import { renderCard, renderSummary } from "../../src/card/render.ts";
import { failureText } from "../../src/entry/failure-summary.ts";
import { explain } from "../../src/github/refusal.ts";
import { asKnown, describeFailure, OqeError } from "../../src/ground/errors.ts";
import { newTraffic } from "../../src/hub/traffic.ts";
import { writeReceipt } from "../../src/receipt/receipt-file.ts";
import { compareWithPublished, keptFailure } from "../../src/series/kept-better.ts";
import type { SeriesResult } from "../../src/series/result-file.ts";
import { releaseNotes } from "../../src/upkeep/release-notes.ts";
import { checkTopic, jobTopics } from "../../src/upkeep/topics.ts";
import { verdictsOf } from "../../src/upkeep/verdicts.ts";
import { cardBodies } from "./card-bodies.ts";
import type { Place } from "./github-page.ts";
import { measuredSeries } from "./measured-receipts.ts";
import { planBodies } from "./plan-bodies.ts";
import { sha256, tunedReceipt } from "./receipts.ts";

/** A text that this project writes on GitHub, with the data of a real series. */
export interface GitHubText {
  readonly name: string;
  readonly place: Place;
  readonly markdown: string;
  readonly tables: number;
  /** A text of strangers that has to be seen as it is. */
  readonly literal?: string;
}

const commit = "b".repeat(40);
const repositories = measuredSeries.map(({ repository, plan }) => ({
  ...{ repository, outcome: "published" as const, commit, tier: plan.tier },
  url: `https://huggingface.co/${repository}`,
}));
const run = { seconds: 41_000, peakBytes: 3.21e9, traffic: newTraffic(), action: "a/b@v1" };

const summary = (more: object) =>
  renderSummary({
    ...{ base: measuredSeries[0]!.base, series: measuredSeries[0]!.series, repositories },
    ...{ made: measuredSeries, dryRun: false, private: false, warnings: [] },
    ...{ run: { ...run, expected: ["disk: 3 GB", "time: 11 h"] } },
    ...more,
  });

const models = [
  {
    name: "nano",
    tiers: measuredSeries.map((receipt, k) => ({
      ...{ repository: receipt.repository, url: repositories[k]!.url, receipt },
      ...{ receiptText: writeReceipt(receipt), sums: new Map([["README.md", sha256("a")]]) },
    })),
  },
];

const result = (more: Partial<SeriesResult>): SeriesResult => ({
  ...{ format: 1, series: "nano", command: "seal", complete: true, tables: [], tiers: [] },
  ...{ base: { id: "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B", revision: commit } },
  failure: { code: "GATE", message: "the new proof of `oQ4e` is worse", hint: "Nothing changed." },
  ...more,
});
const issue = (more: Partial<SeriesResult>) =>
  verdictsOf({ models: ["nano"], expected: ["nano"], results: [result(more)] })[0]!.report;

/** What people and servers may put into a message. */
const hostileMessage =
  "it has `a|b` | <img src=x onerror=alert(1)> **bold** [link](javascript:x) @everyone <!-- -->";

const known = { file: "series.yml", models: ["nano"], expected: [], jobs: null, results: [] };
const brokenFile = checkTopic({
  ...known,
  unreadable: new OqeError("BAD_INPUT", `series.yml:7: models[0].tiers: ${hostileMessage}`, ""),
}).report;

const noAnswer = { code: "NETWORK", message: "no answer of the Hub", hint: "Run again later." };

/** What the issue of a failed job says, of one model or as a whole. */
function topic(command: string, series: string | null, failure = noAnswer): string {
  const results = [result({ command, series, base: null, failure, complete: false })];
  const topics = jobTopics({ ...known, unreadable: null, results });
  return topics.find(({ state }) => state === "red")!.report;
}

const noteMarker = "<!-- oqe:notes -->";

/** The failure of a card with broken markers: the difference shows long lines and fences. */
async function brokenCard(): Promise<OqeError> {
  const receipt = measuredSeries.at(-1)!;
  const made = await renderCard(receipt, { place: inRepository(receipt) });
  const text = made
    .replace("<!-- /oqe:notes -->", "Mine.")
    .replace(/^```sh$/m, "```bash")
    .replace(/^The same base, engine .*$/m, (line) => `${line} ${hostileMessage}`);
  try {
    readNotes({ where: "cards/nano/oQ4e.md", text }, made);
  } catch (error) {
    return asKnown(error);
  }
  throw new Error("the card is not broken");
}

/** Two proofs side by side, as the issue of a scheduled run that kept the published tier. */
function keptBetter(): string {
  const published = measuredSeries.at(-1)!;
  const evaluation = { ...published.evaluation!, meanKl: 2 * published.evaluation!.meanKl };
  const kept = compareWithPublished({ ...published, evaluation }, writeReceipt(published))!;
  const { code, message, hint } = keptFailure([kept])!;
  const tables = [{ title: kept.words, markdown: kept.table }];
  return issue({ failure: { code, message, hint }, tables, tiers: repositories.slice(-1) });
}

/** The same refusal as GitHub's, where Actions may not open pull requests. */
const barred = explain(
  Object.assign(new Error("GitHub Actions is not permitted to create or approve pull requests."), {
    status: 403,
    response: {},
  }),
  {
    what: "open the pull request of oqe/cards/nano",
    permission: "pull-requests: write",
    byHand: "https://github.com/acme/series/compare/main...oqe/cards/nano?expand=1",
  },
  { repository: "acme/series", token: "ghs_none" },
);

export interface GitHubTexts {
  readonly texts: readonly GitHubText[];
  /** The picture at an address of GitHub or the Hub; null: there is none. */
  readonly pictureAt: (address: string) => Uint8Array | null;
}

export async function githubTexts(): Promise<GitHubTexts> {
  const conversation = (name: string, markdown: string, tables: number) => ({
    ...{ name, place: "conversation" as const, markdown, tables },
  });
  const { fresh, moved, pictures } = await cardBodies();
  const { files: onHub } = await pictureFiles(drawPictures(measuredSeries.at(-1)!));
  const pictureAt = (address: string) => {
    if (!address.startsWith("https://github.com/"))
      return onHub.get(address.slice(address.lastIndexOf("/") + 1)) ?? null;
    const svg = pictures.get(address);
    return svg === undefined ? null : Buffer.from(svg);
  };
  const { plan, nothing, states } = planBodies(hostileMessage);
  const places = { repository: "acme/series", signer: "maker/oqe-publisher" };
  const notes = { models, mark: { weights: sha256("w") }, ...places };
  const broken = await brokenCard();
  const texts: readonly GitHubText[] = [
    { name: "summary", place: "summary", markdown: await summary({}), tables: 4 },
    {
      ...{ name: "summary with warnings", place: "summary", tables: 3 },
      markdown: await summary({
        made: [tunedReceipt("oQ4e", { warnings: ["`lm_head`: no finite activation, rounded"] })],
        ...{ dryRun: true, warnings: [hostileMessage] },
      }),
      literal: hostileMessage,
    },
    conversation("release", releaseNotes({ ...notes, unchangedSince: null }), 1),
    conversation("unchanged release", releaseNotes({ ...notes, unchangedSince: "v1.0.0" }), 1),
    { ...conversation("plan", plan, 1), literal: hostileMessage },
    conversation("plan without work", nothing, 0),
    { name: "check", place: "summary", markdown: states, tables: 1, literal: hostileMessage },
    conversation("new cards", fresh, 4),
    conversation("changed cards", moved, 1),
    conversation("failure", issue({ tiers: repositories }), 1),
    {
      ...conversation(
        "hostile failure",
        issue({ failure: { code: "NETWORK", message: hostileMessage, hint: "" } }),
        0,
      ),
      literal: hostileMessage,
    },
    conversation("kept better", keptBetter(), 2),
    conversation("cards that failed", topic("cards", "nano"), 0),
    { ...conversation("broken card", topic("cards", "nano", broken), 0), literal: noteMarker },
    {
      ...{ name: "broken card in the summary", place: "summary", tables: 0, literal: noteMarker },
      markdown: failureText(describeFailure(broken, false), {}),
    },
    conversation("pull request not permitted", topic("cards", "nano", barred), 0),
    conversation("release that failed", topic("release", null), 0),
    { ...conversation("broken series file", brokenFile, 0), literal: hostileMessage },
  ];
  return { texts, pictureAt };
}
