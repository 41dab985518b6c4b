import { describe, expect, test } from "vitest";
import { expectWholeTables, row } from "../../test/support/markdown-tables.ts";
import { measuredSeries } from "../../test/support/measured-receipts.ts";
import { nemotronReceipt, tunedReceipt } from "../../test/support/receipts.ts";
import { newTraffic } from "../hub/traffic.ts";
import { renderSummary } from "./render.ts";
import type { SummaryFacts } from "./summary.ts";

describe("the job summary", () => {
  const facts = {
    base: nemotronReceipt().base,
    series: nemotronReceipt().series,
    repositories: [
      {
        repository: "acme/N-oQ8e",
        outcome: "published",
        url: "http://127.0.0.1:1/acme/N-oQ8e",
        commit: "a".repeat(40),
      },
      { repository: "acme/N-oQ4e", outcome: "unchanged", url: null, commit: null },
    ],
    made: [],
    dryRun: false,
    private: false,
    run: {
      seconds: 4000,
      peakBytes: 3.21e9,
      traffic: newTraffic(),
      action: null,
      expected: ["disk: 3 GB", "time: 1 h"],
    },
    warnings: [],
  } as const;

  test("has the matrix, and every repository with its outcome and link", async () => {
    const text = await renderSummary(facts);
    expect(row(text, "oQ8e").slice(4, 7)).toEqual(["33,559,877,504", "33.56", "31.26"]);
    expect(row(text, "[acme/N-oQ8e]")).toEqual([
      "[acme/N-oQ8e](http://127.0.0.1:1/acme/N-oQ8e)",
      "published",
      `\`${"a".repeat(40)}\``,
    ]);
    expect(row(text, "acme/N-oQ4e")[1]).toMatch(/^unchanged/);
    expect(text).not.toMatch(/Dry run|Warnings|\n{3}/);
    expectWholeTables(text);
  });

  test("names tag and collection of a finished series", async () => {
    const collection = { outcome: "created", url: "http://127.0.0.1:1/collections/acme/n-oqe-0a" };
    const text = await renderSummary({ ...facts, announced: { tag: "v1.2", collection } });
    expect(text).toContain(
      "\n\nEvery repository has the tag `v1.2`. The [collection](http://127.0.0.1:1/collections/" +
        "acme/n-oqe-0a) of the series: created.\n",
    );
    expect(text).not.toMatch(/\n{3}/);
  });

  test("says for every tuned tier what tuning brought, and repeats its warnings", async () => {
    const made = [
      nemotronReceipt("oQ8e"),
      tunedReceipt("oQ4e", { warnings: ["`lm_head`: no finite activation, rounded"] }),
    ];
    const text = await renderSummary({ ...facts, made, warnings: ["careful"] });
    const losses = text.split("\n").filter((line) => line.includes("experts (up)"));
    expect(losses).toEqual([
      "| oQ4e | embeddings 0.950, head 0.500, attention 0.500, mamba 0.500, shared experts 0.500, experts (up) 0.350, experts (down) 0.500 |",
    ]);
    expect(text).toMatch(/- careful\n- oQ4e: `lm_head`: no finite activation, rounded\n$/);
    expect(text).not.toMatch(/\n{3}/);
    expectWholeTables(text);
  });

  test("of a dry run says so, with its warnings", async () => {
    const text = await renderSummary({
      ...facts,
      dryRun: true,
      repositories: [],
      warnings: ["careful"],
    });
    expect(text).toContain("**Dry run:** nothing was published.");
    expect(text).toMatch(/\*\*Warnings\*\*\n\n- careful\n$/);
    expect(text).not.toContain("Outcome");
  });

  test("of a run that failed before the plan still renders", async () => {
    const text = await renderSummary({ ...facts, series: [], repositories: [] });
    expect(text).toContain("Base revision");
    expect(text).not.toContain("|");
  });

  test("gives time, memory and engine of the run", async () => {
    const took = async (run: Partial<SummaryFacts["run"]>) =>
      (await renderSummary({ ...facts, run: { ...facts.run, ...run } }))
        .split("\n")
        .find((line) => line.includes(" took "));
    expect(await took({})).toBe(
      "oqe-publisher 0.1.0 took 1 h 7 min and 3.21 GB of memory at most.",
    );
    expect(await took({ seconds: 61, action: "a/b@v1" })).toBe(
      "oqe-publisher 0.1.0 (`a/b@v1`) took 61 s and 3.21 GB of memory at most.",
    );
    expect(await took({ seconds: 600, peakBytes: 1e8 })).toContain("took 10 min and 0.100 GB");
  });

  test("gives bytes, requests and retries of the run", async () => {
    const said = async (traffic: SummaryFacts["run"]["traffic"]) =>
      /It received .*/.exec(await renderSummary({ ...facts, run: { ...facts.run, traffic } }))?.[0];
    const traffic = { received: 126.4e9, sent: 98_300_000, requests: 2310, retries: 3 };
    expect(await said(traffic)).toBe(
      "It received 126.4 GB and sent 98.3 MB in 2,310 requests, with 3 retries.",
    );
    expect(await said({ received: 12, sent: 0, requests: 1, retries: 1 })).toBe(
      "It received 12 bytes and sent 0 bytes in 1 request, with 1 retry.",
    );
  });
});

/** The row of a tier in the table of its figures. */
const figures = (text: string, tier: string) =>
  row(text.slice(text.indexOf("| Tier | Mean KL |")), tier);

describe("the summary of a run that was evaluated", () => {
  const commit = "b".repeat(40);
  const facts: SummaryFacts = {
    base: measuredSeries[0]!.base,
    series: measuredSeries[0]!.series,
    repositories: measuredSeries.map(({ repository }) => {
      return {
        repository,
        outcome: "published",
        url: `https://huggingface.co/${repository}`,
        commit,
      };
    }),
    made: measuredSeries,
    dryRun: false,
    private: false,
    run: { seconds: 1, peakBytes: 1, traffic: newTraffic(), action: null, expected: [] },
    warnings: [],
  };

  test("has the card's matrix", async () => {
    const text = await renderSummary(facts);
    expect(figures(text, "oQ4e").slice(1)).toEqual([
      "0.0144 ± 0.0005",
      "91.36 %",
      "1.0144 ± 0.0007",
      "95.68 %",
    ]);
    expect(figures(text, "oQ8e")[1]).toBe("0.000600 ± 0.000020");
    expectWholeTables(text);
    expect(text).not.toMatch(/undefined|\bnull\b|NaN|\n{3}/);
  });

  test("shows the pictures of the published commit: the series once, the others by tier", async () => {
    const text = await renderSummary(facts);
    const images = [...text.matchAll(/^<picture>.*<img src="(https:[^"]+)".*<\/picture>$/gm)].map(
      ([, address]) => address!,
    );
    expect(images.filter((address) => address.endsWith("oqe-kl.png"))).toEqual([
      `https://huggingface.co/${measuredSeries.at(-1)!.repository}/resolve/${commit}/oqe-kl.png`,
    ]);
    expect(images).toHaveLength(1 + 4 * 3);
    expect(
      text.match(/<details>\n<summary>Pictures of oQ\de<\/summary>\n\n<picture>/g),
    ).toHaveLength(4);
    expect(text).not.toContain("files beside each card");
  });

  test.each<[string, Partial<SummaryFacts>]>([
    ["of private repositories", { private: true }],
    [
      "of a dry run",
      {
        dryRun: true,
        repositories: facts.repositories.map((one) => ({
          ...one,
          outcome: "dry-run",
          commit: null,
        })),
      },
    ],
    [
      "of a Hub of one's own",
      {
        repositories: facts.repositories.map((one) => ({ ...one, url: "http://127.0.0.1:1/a/b" })),
      },
    ],
    [
      "of a run that failed",
      { repositories: facts.repositories.map((one) => ({ ...one, outcome: "failed" })) },
    ],
  ])("says where those %s are, which GitHub cannot load", async (_, changes) => {
    const text = await renderSummary({ ...facts, ...changes });
    expect(text).not.toContain("![");
    expect(text).toContain("The pictures are files beside each card");
    expect(figures(text, "oQ4e")[1]).toBe("0.0144 ± 0.0005");
  });
});
