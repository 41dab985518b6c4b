import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { cardScene } from "../../test/support/card-scene.ts";
import { githubScene } from "../../test/support/github-scene.ts";
import { tokens } from "../../test/support/github-server.ts";
import { evaluatedReceipt } from "../../test/support/receipts.ts";
import { inRepository } from "../card/facts.ts";
import { drawPictures } from "../card/pictures.ts";
import { renderCard } from "../card/render.ts";
import { silentReport } from "../ground/report.ts";
import { connectHub } from "../hub/client.ts";
import { parseReceipt, writeReceipt } from "../receipt/receipt-file.ts";
import { refreshCards } from "./cards.ts";
import type { UpkeepRequest } from "./upkeep-types.ts";

const scene = cardScene();
const github = githubScene();
const read = (tier: string) => parseReceipt(writeReceipt(evaluatedReceipt(tier)), tier);
const receipts = { oQ8e: read("oQ8e"), oQ4e: read("oQ4e") };
const oldNotes = "\nWritten on the Hub.\n";
const moved = { ...receipts.oQ4e, base: { ...receipts.oQ4e.base, revision: "f".repeat(40) } };

interface Pull {
  readonly number: number;
  readonly title: string;
  readonly body: string;
  readonly labels: readonly { readonly name: string }[];
}

beforeAll(async () => {
  await scene.publish(receipts.oQ8e, await renderCard(receipts.oQ8e, { notes: oldNotes }));
  await scene.publish(receipts.oQ4e);
});
beforeEach(() => scene.forget());

const textOf = (name: string, more: object = {}) => {
  const model = { "base-model": "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", name, ...more };
  const own = { ...model, namespace: "acme", tiers: ["oQ8e", "oQ6e", "oQ4e"] };
  return `\nmodels:\n  - ${JSON.stringify(own)}\n`;
};

/** Each test is a series of its own in the GitHub repository: the branch is named after it. */
function refresh(name: string, changes: object = {}) {
  const asked = { githubToken: tokens.job, ...changes };
  const environment = { GITHUB_SERVER_URL: "https://github.com" };
  const open = ({ report }: UpkeepRequest) => github.connect({ report });
  return refreshCards(scene.request(asked, environment, textOf(name)), open);
}
const pulls = (name: string, state = "open") =>
  github.server.person<Pull[]>("GET", `/pulls?head=acme:oqe/cards/${name}&state=${state}`);
const onBranch = (name: string, path: string) =>
  github.server.file(`oqe/cards/${name}`, `cards/${name}/${path}`);

/** A person merges the pull request, squashed. GitHub's branch may stay. */
async function merge(name: string): Promise<void> {
  const [pull] = await pulls(name);
  await github.server.person("PUT", `/pulls/${pull!.number}/merge`, { merge_method: "squash" });
}

test("cards and pictures are proposed in one pull request, and a second run writes nothing", async () => {
  const { failure, summary } = await refresh("first");
  expect(failure).toBeNull();
  expect(summary).toMatch(/- \*\*first\*\*: opened \[#\d+\]\(/);
  const [pull, ...more] = await pulls("first");
  expect(more).toEqual([]);
  expect(pull).toMatchObject({ title: "Model cards of first", labels: [{ name: "oqe" }] });
  const place = inRepository(receipts.oQ8e);
  const card = await renderCard(receipts.oQ8e, { place, notes: oldNotes });
  expect(await onBranch("first", "oQ8e.md")).toBe(card);
  const pictures = drawPictures(receipts.oQ8e);
  for (const { path, svg } of pictures) {
    expect(await onBranch("first", `oQ8e/${path}`)).toBe(svg);
    expect(card).toContain(`](oQ8e/${path})`);
    const head = await github.server.ref("heads/oqe/cards/first");
    const raw = `https://github.com/acme/series/raw/${head}/cards/first`;
    expect(pull!.body).toContain(`](${raw}/oQ8e/${path})`);
  }
  expect(await onBranch("first", "oQ4e.md")).toContain("<!-- oqe:notes -->\n<!-- /oqe:notes -->");
  expect(await onBranch("first", "oQ6e.md")).toBeNull(); // not published
  expect(pull!.body).toContain("The card is new.");
  expect(pull!.body).toMatch(/\| {2}\| After \|[\s\S]*\| Mean KL \| 0\.\d+ ± 0\.\d+ \|/);
  expect(scene.writes).toEqual([]);

  github.forget();
  expect((await refresh("first")).summary).toMatch(/#\d+\]\(.*\) has these cards already/);
  expect(github.server.writes).toEqual([]);
});

test("a dry run writes nothing", async () => {
  const { summary } = await refresh("dry", { dryRun: true });
  expect(summary).toContain("dry run; 2 cards differ from main");
  expect(github.server.writes).toEqual([]);
});

describe("once merged", () => {
  const name = "merged";
  beforeAll(async () => {
    await refresh(name);
    await merge(name);
  });

  test("the branch is removed, and a second run writes nothing", async () => {
    expect(await refresh(name)).toMatchObject({
      failure: null,
      summary: expect.stringContaining("the cards are up to date"),
    });
    expect(await github.server.ref(`heads/oqe/cards/${name}`)).toBeNull();
    github.forget();
    await refresh(name);
    expect(github.server.writes).toEqual([]);
  });

  test("a base that moved gives a new one, with before and after; notes of people stay", async () => {
    const path = `cards/${name}/oQ4e.md`;
    const notes = "\nWritten on GitHub.\r\n\n";
    const before = (await github.server.file("main", path))!;
    const markers = "<!-- oqe:notes -->\n<!-- /oqe:notes -->";
    const own = before.replace(markers, markers.replace("\n", notes));
    await github.server.personCommits("main", path, own);
    await scene.publish(moved);
    github.forget();
    expect((await refresh(name)).summary).toContain("opened");
    const [pull] = await pulls(name);
    expect(pull!.body).toContain(`The base moved to \`${"f".repeat(40)}\`.`);
    expect(pull!.body).toContain("| Base commit | `0123456789ab` | `ffffffffffff` |");
    expect(pull!.body).toContain("Unchanged: oQ8e.");
    const card = await renderCard(moved, { place: inRepository(moved), notes });
    expect(await onBranch(name, "oQ4e.md")).toBe(card);
  });

  test("people's commits on the branch stay, their notes count, other edits are undone", async () => {
    const branch = `oqe/cards/${name}`;
    const path = `cards/${name}/oQ4e.md`;
    const card = (await github.server.file(branch, path))!;
    const edited = card.replace("Written on GitHub.", "Better words.").replace("## Use", "## How");
    await github.server.personCommits(branch, path, edited);
    await github.server.personCommits(branch, `cards/${name}/README.md`, "Mine.");
    github.forget();
    const { summary, failure } = await refresh(name);
    expect(failure).toBeNull();
    expect(summary).toMatch(/; commits of people that are kept: 2$/m);
    expect(await github.server.file(branch, `cards/${name}/README.md`)).toBe("Mine.");
    expect(await github.server.file(branch, path)).toBe(
      card.replace("Written on GitHub.", "Better words."),
    );
    expect(scene.warnings).toEqual([expect.stringMatching(/^-## How$/m)]);
    github.forget();
    await refresh(name);
    expect(github.server.writes).toEqual([]);
    await scene.publish(receipts.oQ4e);
  });
});

test("a card with broken markers is not overwritten: nothing is written for its model", async () => {
  await refresh("broken");
  await merge("broken");
  const path = "cards/broken/oQ4e.md";
  const card = (await github.server.file("main", path))!;
  await github.server.personCommits("main", path, card.replace("<!-- /oqe:notes -->", "Mine."));
  await refresh("other");
  github.forget();
  const { failure, summary } = await refresh("broken");
  expect(failure).toMatchObject({
    code: "BAD_INPUT",
    message: expect.stringMatching(
      /^series\.yml:3 \(broken\): cards\/broken\/oQ4e\.md is not over[\s\S]*^-Mine\.$/m,
    ),
  });
  expect(summary).toMatch(/- \*\*broken\*\*: failed: cards\/broken\/oQ4e\.md is not overwritten/);
  expect(github.server.writes.filter((line) => !line.startsWith("DELETE"))).toEqual([]);
});

test("one that a person closed stays closed until the cards change", async () => {
  await refresh("closed");
  const [pull] = await pulls("closed");
  await github.server.person("PATCH", `/pulls/${pull!.number}`, { state: "closed" });
  github.forget();
  const staysClosed = "with these very cards, so it stays closed";
  expect((await refresh("closed")).summary).toContain(staysClosed);
  expect(github.server.writes).toEqual([]);
  // Notes of people are no other cards.
  const path = "cards/closed/oQ4e.md";
  const card = (await onBranch("closed", "oQ4e.md"))!;
  const noted = card.replace("<!-- oqe:notes -->", "<!-- oqe:notes -->\nMine.");
  await github.server.personCommits("main", path, noted);
  github.forget();
  expect((await refresh("closed")).summary).toContain(staysClosed);
  expect(github.server.writes).toEqual([]);

  await scene.publish(moved);
  expect((await refresh("closed")).summary).toContain("opened");
  const [next, ...more] = await pulls("closed");
  expect(more).toEqual([]);
  expect(next!.number).not.toBe(pull!.number);
  expect(await pulls("closed", "all")).toHaveLength(2);
  expect(await onBranch("closed", "oQ4e.md")).toContain("\nMine.");
  await scene.publish(receipts.oQ4e);
});

test("without a token a missing tier looks private: only a series that is private fails", async () => {
  const connect = () => connectHub({ endpoint: scene.hub.url, token: null, report: silentReport });
  const asked = { githubToken: tokens.job };
  const open = ({ report }: UpkeepRequest) => github.connect({ report });
  const refreshAs = (isPrivate: boolean) => {
    const request = scene.request(asked, {}, textOf("anonymous", { private: isPrivate }));
    return refreshCards({ ...request, connect }, open);
  };
  expect((await refreshAs(true)).failure).toMatchObject({ code: "UNAUTHORIZED" });
  expect((await refreshAs(false)).failure).toBeNull();
  expect(await onBranch("anonymous", "oQ8e.md")).not.toBeNull();
  expect(await onBranch("anonymous", "oQ6e.md")).toBeNull(); // not published
});

test("where Actions may not open it, failure and summary link the page where a person can", async () => {
  const page = "https://github.com/acme/series/compare/main...oqe/cards/barred?expand=1";
  const barred = async () => {
    github.forget();
    github.server.mayOpenPullRequests = false;
    const { failure, summary } = await refresh("barred");
    github.server.mayOpenPullRequests = true;
    expect(failure).toMatchObject({ code: "FORBIDDEN", message: expect.stringContaining(page) });
    expect(summary).toContain(page);
  };
  await barred();
  const head = await github.server.ref("heads/oqe/cards/barred");
  expect(head).not.toBeNull();
  await barred();
  expect(github.server.writes).toEqual(["POST /repos/acme/series/pulls"]); // refused again
  expect(await github.server.ref("heads/oqe/cards/barred")).toBe(head);
  const from = { head: "oqe/cards/barred", base: "main", title: "By hand" };
  await github.server.person("POST", "/pulls", from);
  expect((await refresh("barred")).summary).toContain("its text is left as it is");
});

test("words that differ from the receipt's are proposed, without a new tier", async () => {
  await refresh("words");
  await merge("words");
  const path = "cards/words/oQ8e.md";
  const card = (await github.server.file("main", path))!;
  await github.server.personCommits("main", path, card.replace("## Use", "## Old heading"));
  expect((await refresh("words")).summary).toContain("opened");
  const [pull] = await pulls("words");
  expect(pull!.body).toContain("The tier is the same.");
  expect(await onBranch("words", "oQ8e.md")).toBe(card);
});

test("names from the Hub's receipts cannot break the text of the pull request", async () => {
  const evil = "x | y](javascript:a) <script> **b** @maintainer `";
  const odd = { ...receipts.oQ4e, base: { ...receipts.oQ4e.base, revision: evil } };
  await scene.publish(odd);
  expect((await refresh("odd")).failure).toBeNull();
  const [pull] = await pulls("odd");
  expect(pull!.body).toContain("| Base commit | x \\| y\\](javascript:a) &lt;script&gt;");
  expect(pull!.body).not.toMatch(/<script|(?<!\\)\]\(javascript|@maintainer/);
  await scene.publish(receipts.oQ4e);
});

test("without a right, the failure says which line of the workflow is missing", async () => {
  github.server.permissions = { ...github.server.permissions, contents: "read" };
  const { failure } = await refresh("weak");
  expect(failure).toMatchObject({ code: "FORBIDDEN", hint: expect.stringContaining("contents") });
  github.server.permissions = { ...github.server.permissions, contents: "write" };
});
