import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { expectWholeTables, prose } from "../../test/support/markdown-tables.ts";
import { smallSeries } from "../../test/support/measured-receipts.ts";
import { tunedReceipt } from "../../test/support/receipts.ts";
import { newTraffic } from "../hub/traffic.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { drawPictures } from "./pictures.ts";
import { renderCard, renderSummary } from "./render.ts";

const card = await renderCard(tunedReceipt());

describe("hostile values", () => {
  const evil =
    'x | y`z` <script>alert(1)</script> --> [a](javascript:b) {{ 7919 * 7907 }} {% raw %} """ \n---\n# Owned\n| a | b |\n```\n';
  const receipt = tunedReceipt();
  const hostile: Receipt = {
    ...receipt,
    engine: { ...receipt.engine, version: evil, kernelSha256: evil },
    base: {
      id: null,
      name: evil,
      revision: evil,
      inherited: {
        license: evil,
        licenseName: evil,
        licenseLink: evil,
        language: [evil],
        pipelineTag: evil,
        tags: [evil],
      },
    },
    model: { ...receipt.model, modelType: evil },
    options: { ...receipt.options, policy: evil },
    repository: evil,
    name: evil,
    plan: { ...receipt.plan, plan: evil, modules: { [evil]: { bits: 4, groupSize: 64 } } },
    unquantized: { [evil]: evil },
    calibration: { ...receipt.calibration!, source: evil, sha256: evil, domains: { [evil]: 1 } },
    evaluationRows: { ...receipt.evaluationRows!, source: evil, sha256: evil },
    tuning: {
      ...receipt.tuning!,
      modules: { [`${evil}2`]: { ratio: 1, roundedRows: 1, rows: 1, fallback: evil } },
    },
    series: [{ ...receipt.series[0]!, tier: evil, plan: evil }],
    configNotes: [evil],
    warnings: [evil],
    files: { [evil]: { bytes: 1, sha256: evil } },
  };

  test("break no table, open no tag, and inject no front matter, heading, fence or link", async () => {
    const text = await renderCard(hostile);
    const [, front = "", ...rest] = text.split(/^---\n/m);
    const body = rest.join("---\n");
    expect(parse(front)).toMatchObject({
      language: [evil],
      tags: [evil, "mlx", "oq", "oqe", "oq4e", "hessian-tuned"],
    });
    // A licence of no known name needs a link; a base in a folder has none to give.
    for (const key of ["license", "license_name", "license_link"])
      expect(parse(front)).not.toHaveProperty(key);
    expectWholeTables(prose(text));
    expect(prose(text)).not.toMatch(/<script|<!--|-->|^---$/);
    expect(body).not.toMatch(/^---$|^# Owned/m);
    expect(body.match(/^#+ .*$/gm)).toHaveLength(card.match(/^#+ .*$/gm)!.length);
    expect(body.match(/^```/gm)).toHaveLength(card.match(/^```/gm)!.length);
    const comments = body.match(/^<!-- .* -->$/gm)!;
    expect(comments).toHaveLength(3); // the markers of notes, and the facts for tools
    expect(/^<!-- (.*) -->$/.exec(comments.at(-1)!)![1]).not.toMatch(/--|[<>]/);
    expect(prose(text)).not.toMatch(/(?<!\\)\]\(javascript/);
    expect(body).not.toContain("62615533");
  });

  test("in measured values stay plain words on card and pictures", async () => {
    const measured = smallSeries.at(-1)!;
    const evaluation = measured.evaluation!;
    const sensitivity = measured.sensitivity!;
    const odd: Receipt = {
      ...measured,
      plan: {
        ...measured.plan,
        floors: { [evil]: 6 },
        modules: { [evil]: { bits: 4, groupSize: 64 } },
      },
      sensitivity: {
        ...sensitivity,
        proxy: evil,
        domains: sensitivity.domains.map((domain, at) => (at === 0 ? evil : domain)),
        domainWeights: sensitivity.domains.map((_, at) => at + 1),
        critical: sensitivity.critical.map((expert) => ({
          ...expert,
          domain: expert.domain === "code" ? evil : expert.domain,
        })),
        costs: { [evil]: { forcedKl: 1, flipPower: 1 } },
      },
      evaluation: {
        ...evaluation,
        byDomain: [{ ...evaluation.byDomain[0]!, domain: evil }, ...evaluation.byDomain.slice(1)],
      },
      series: [{ ...measured.series[0]!, tier: evil, plan: evil }],
      otherTiers: [{ ...measured.otherTiers[0]!, tier: evil }],
    };
    const [text, plain] = [await renderCard(odd), await renderCard(measured)];
    expectWholeTables(prose(text));
    expect(prose(text)).not.toMatch(/<script|(?<!\\)\]\(javascript/);
    expect(text.match(/^#+ .*$/gm)).toEqual(plain.match(/^#+ .*$/gm));
    expect(text.match(/<img src="oqe-\w+\.png" alt="[^"<>]*" width="440">/g)).toHaveLength(4);
    for (const { svg } of drawPictures(odd))
      expect(svg).not.toMatch(/<script|javascript:b\)"|<[a-z]+ [^>]*on\w+=/);
  });

  test("in a Hub id make no link", async () => {
    const text = await renderCard({
      ...receipt,
      base: { ...receipt.base, id: evil, revision: evil },
    });
    expectWholeTables(prose(text));
    expect(prose(text)).not.toMatch(/(?<!\\)\]\((javascript|[^)\n]*[\s<>`|])/);
  });

  test("stay plain words in the job summary", async () => {
    const text = await renderSummary({
      base: { id: null, name: evil, revision: evil },
      series: [{ ...receipt.series[0]!, tier: evil, plan: evil }],
      repositories: [{ repository: evil, outcome: "published", url: evil, commit: evil }],
      made: [{ ...hostile, plan: { ...hostile.plan, tier: evil } }],
      dryRun: false,
      private: false,
      run: { seconds: 1, peakBytes: 1, traffic: newTraffic(), action: evil, expected: [evil] },
      warnings: [evil],
    });
    expectWholeTables(text);
    expect(text).not.toMatch(/<script|^---$|^# Owned|(?<!\\)\]\(javascript/m);
  });
});
