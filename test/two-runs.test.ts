import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { inRepository } from "../src/card/facts.ts";
import { renderCard } from "../src/card/render.ts";
import { refreshCards } from "../src/upkeep/cards.ts";
import { pushCards } from "../src/upkeep/push-cards.ts";
import { releaseTag } from "../src/upkeep/release.ts";
import { reportResults, resultsFolder } from "../src/upkeep/report.ts";
import type { UpkeepRequest, UpkeepResult } from "../src/upkeep/upkeep-types.ts";
import { cardScene } from "./support/card-scene.ts";
import { githubScene } from "./support/github-scene.ts";
import { tokens } from "./support/github-server.ts";
import { evaluatedReceipt } from "./support/receipts.ts";

/**
 * Two runs of one command at the same time: in the midst of the first, before a call that fits,
 * the second does all of its work. The concurrency groups of series.yml keep such runs apart; what
 * a maintainer starts by hand, or another workflow, does not know them.
 */
const scene = cardScene();
const github = githubScene();
const slow = { timeout: 120_000 };
const receipts = [evaluatedReceipt("oQ8e"), evaluatedReceipt("oQ4e")] as const;

interface Ended {
  /** Of the run that began first and was overtaken. */
  readonly first: UpkeepResult;
  readonly second: UpkeepResult;
}

async function overtaken(before: RegExp, run: () => Promise<UpkeepResult>): Promise<Ended> {
  let second: UpkeepResult | null = null;
  github.server.before(before, async () => {
    second = await run();
  });
  const first = await run();
  expect(second, `no call is like ${before}`).not.toBeNull();
  expect([first.failure, second!.failure]).toEqual([null, null]);
  return { first, second: second! };
}

beforeAll(async () => {
  for (const receipt of receipts) await scene.publish(receipt);
});
beforeEach(() => scene.forget());

describe("cards", () => {
  const refresh = (name: string) => {
    const text = `models:
  - { base-model: nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16, name: ${name}, namespace: acme,
      tiers: [oQ8e, oQ4e] }\n`;
    const open = ({ report }: UpkeepRequest) => github.connect({ report });
    return refreshCards(scene.request({ githubToken: tokens.job }, {}, text), open);
  };
  const pulls = (name: string) =>
    github.server.person<{ number: number }[]>(
      "GET",
      `/pulls?head=acme:oqe/cards/${name}&state=all`,
    );

  test.each([
    ["the tree is written", /POST .*\/git\/trees/],
    ["the commit is written", /POST .*\/git\/commits/],
    ["the branch is made", /POST .*\/git\/refs/],
    ["the pull request is opened", /POST .*\/pulls$/],
  ])("before %s: one pull request, and both say which", slow, async (what, before) => {
    const name = what.replaceAll(" ", "-");
    const { first, second } = await overtaken(before, () => refresh(name));
    const [pull, ...others] = await pulls(name);
    expect(others).toEqual([]);
    expect(second.summary).toContain(`opened [#${pull!.number}]`);
    expect(first.summary).toMatch(
      new RegExp(
        `(\\[#${pull!.number}\\].* has these cards already|updated \\[#${pull!.number}\\])`,
      ),
    );
    for (const { plan } of receipts)
      expect(
        await github.server.file(`oqe/cards/${name}`, `cards/${name}/${plan.tier}.md`),
      ).toContain("<!-- oqe:notes -->");
    github.forget();
    expect((await refresh(name)).failure).toBeNull();
    expect(github.server.writes).toEqual([]);
  });

  test("before the branch moves: nothing that the other run proposed is lost", slow, async () => {
    await refresh("moved");
    const path = "cards/moved/oQ8e.md";
    const card = (await github.server.file("oqe/cards/moved", path))!;
    // A person's note on the branch, and newer cards at the same time.
    const noted = card.replace("<!-- oqe:notes -->\n", "<!-- oqe:notes -->\nMine.\n");
    await scene.publish({
      ...receipts[0],
      base: { ...receipts[0].base, revision: "e".repeat(40) },
    });
    github.server.before(/PATCH .*\/git\/refs/, () =>
      github.server.personCommits("oqe/cards/moved", path, noted),
    );
    expect((await refresh("moved")).failure).toBeNull();
    await refresh("moved"); // the person's commit came behind what the first had read
    const after = await github.server.file("oqe/cards/moved", path);
    expect(after).toContain("Mine.");
    expect(after).toContain("eeeeeeeeeeee");
    await scene.publish(receipts[0]);
  });
});

describe("report", () => {
  const failed = { code: "NETWORK", message: "the Hub answers 503", hint: "Try again later." };
  const report = async () => {
    const result = {
      ...{ format: 1, series: "nano", command: "seal", complete: true, base: null },
      ...{ tiers: [], tables: [], failure: failed },
    };
    const place = join(scene.folder, "report", resultsFolder);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, "oqe-result-nano.json"), JSON.stringify(result));
    const asked = {
      workDir: join(scene.folder, "report"),
      models: ["nano"],
      githubToken: tokens.job,
    };
    return reportResults(scene.request(asked, server()));
  };
  const server = () => ({
    ...{ GITHUB_API_URL: github.server.url, GITHUB_REPOSITORY: github.server.repository },
    GITHUB_WORKFLOW_REF: "acme/series/.github/workflows/oqe.yml@refs/heads/main",
  });
  const issues = (state: string) =>
    github.server.person<{ number: number; pull_request?: object }[]>(
      "GET",
      `/issues?state=${state}`,
    );
  const open = async () => (await issues("open")).filter((one) => one.pull_request === undefined);

  test("before an issue is opened: one stays open, and both name it", slow, async () => {
    const { first, second } = await overtaken(/POST .*\/issues$/, report);
    const [issue, ...others] = await open();
    expect(others).toEqual([]);
    expect(second.summary).toContain(`[issue ${issue!.number}]`);
    expect(first.summary).toContain(`[issue ${issue!.number}]`);
    github.forget();
    await report();
    expect(github.server.writes).toEqual([]);
  });
});

describe("release", () => {
  beforeAll(async () => {
    for (const tag of ["v1", "v2", "v3"])
      await github.server.person("POST", "/git/refs", {
        ref: `refs/tags/${tag}`,
        sha: await github.server.ref("heads/main"),
      });
  });
  const release = (tag: string) => () => {
    // Each run has its own machine.
    const workDir = join(scene.folder, `release-${Math.random()}`);
    const environment = {
      ...{ GITHUB_API_URL: github.server.url, GITHUB_REPOSITORY: github.server.repository },
      GITHUB_REF: `refs/tags/${tag}`,
    };
    return releaseTag(scene.request({ workDir, githubToken: tokens.job }, environment));
  };

  test.each([
    ["v1", "its draft is made", /POST .*\/releases$/],
    ["v2", "its files are uploaded", /POST .*\/assets\?name/],
    ["v3", "it is published", /PATCH .*\/releases\/\d+$/],
  ])("%s, before %s: one release, whole, and no draft is left", slow, async (tag, _, before) => {
    const { second } = await overtaken(before, release(tag));
    expect(second.outputs).toEqual({ changed: "true" });
    const all = await github.server.person<
      { tag_name: string; draft: boolean; assets: { name: string }[] }[]
    >("GET", "/releases");
    const [made, ...others] = all.filter(({ tag_name }) => tag_name === tag);
    expect(others).toEqual([]);
    expect(made!.draft).toBe(false);
    const names = made!.assets.map(({ name }) => name);
    expect(new Set(names).size).toBe(names.length);
    expect(names).toContain("SHA256SUMS");
    github.forget();
    expect((await release(tag)()).outputs).toEqual({ changed: "false" });
    expect(github.server.writes).toEqual([]);
  });
});

describe("push-cards", () => {
  const [repository] = receipts.map((receipt) => receipt.repository) as [string];

  /** Somebody sends this before the first commit of the run arrives. */
  async function overtakenBy(meanwhile: () => Promise<unknown>) {
    const request = scene.request();
    const hub = request.connect();
    let other: (() => Promise<unknown>) | null = meanwhile;
    const slower = {
      ...hub,
      amend: async (...given: Parameters<typeof hub.amend>) => {
        const run = other;
        other = null;
        await run?.();
        return hub.amend(...given);
      },
    };
    return pushCards({ ...request, connect: () => slower });
  }
  const writeCards = async (notes: string) => {
    for (const receipt of receipts) {
      const card = await renderCard(receipt, { place: inRepository(receipt), notes });
      await scene.write(`cards/nano/${receipt.plan.tier}.md`, card);
    }
  };
  const commits = () => scene.hub.history(repository).length;

  test("of the same cards: one commit each, and both name it", async () => {
    await writeCards("\nOurs.\n");
    const before = commits();
    const others: string[] = [];
    const { failure, summary } = await overtakenBy(async () => {
      others.push((await pushCards(scene.request())).summary);
    });
    expect(failure).toBeNull();
    expect(others).toEqual([summary]);
    expect(summary).toContain(`\`${scene.hub.head(repository)}\` changed \`README.md\``);
    expect(commits()).toBe(before + 1);
    expect(await scene.text(repository, "README.md")).toContain("Ours.");
  });

  test("of other cards: CONFLICT, and the other run's stay", async () => {
    await writeCards("\nOlder.\n");
    const before = commits();
    const { failure, summary } = await overtakenBy(async () => {
      await writeCards("\nNewer.\n");
      expect((await pushCards(scene.request())).failure).toBeNull();
    });
    expect(failure).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining(repository),
    });
    expect(summary).toMatch(/\*\*nano\*\*: failed: .* \(CONFLICT\)$/m);
    expect(commits()).toBe(before + 1);
    expect(await scene.text(repository, "README.md")).toContain("Newer.");
  });
});

afterAll(() => expect(scene.hub.leakedTokens).toBe(0));
