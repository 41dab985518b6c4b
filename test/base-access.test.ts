import { afterEach, describe, expect, test } from "vitest";
import { silentReport } from "../src/ground/report.ts";
import { connectHub } from "../src/hub/client.ts";
import type { InputName } from "../src/inputs/input-table.ts";
import { checkAccess } from "../src/upkeep/access.ts";
import { checkSeries } from "../src/upkeep/check.ts";
import { schedule, upkeepScene } from "./support/upkeep-scene.ts";

/** Each token of series.yml is tried on the base before a job that needs it has begun. */
const scene = upkeepScene();
const good = "hf_tokenOfThisTestOnly";
const series = `
defaults: { namespace: acme, method: rounded, policy: oq, verify: false, tiers: oQ8e }
models:
  - base-model: base/tiny
  - base-model: base/other
`;
afterEach(() => {
  for (const name of Object.keys(scene.gated)) delete scene.gated[name];
});

type Given = Partial<Record<InputName, string>>;
const request = (given: Given) => scene.request(series, schedule, given);

describe("access", () => {
  test("refuses a base that the writing token may not read, and names the secret", async () => {
    scene.gated["base/tiny"] = [];
    const { failure, summary } = await checkAccess(await request({ "hub-token": good }));
    expect(failure).toMatchObject({
      code: "GATED",
      message: expect.stringMatching(
        /^series\.yml:4 \(tiny\): base\/tiny.* is gated: .*\. Tune and Seal read the base with the secret hub-token \(or HF_TOKEN\) of series\.yml, whose account has not accepted the terms$/,
      ),
      hint: expect.stringMatching(/^Accept the terms at http.*\/base\/tiny with the account of/),
    });
    expect(summary).toMatch(/\*\*other\*\*: all repositories may be written; .* may be read$/m);
    expect(scene.writes()).toEqual([]);
    scene.gated["base/tiny"].push("robot");
    expect(await checkAccess(await request({ "hub-token": good }))).toMatchObject({
      failure: null,
    });
  });

  test("of a run without a token says that Trusted Publishers cannot read a gated base", async () => {
    scene.gated["base/tiny"] = ["robot"];
    const token = {
      identityToken: () => Promise.reject(new Error("nothing is exchanged")),
      mask: () => {},
      ...{ repository: "acme/series", workflow: "oqe.yml", ref: "refs/heads/main" },
    };
    const keyless = () => connectHub({ endpoint: scene.hub.url, token, report: silentReport });
    const asked = { ...(await request({ models: '["tiny"]' })), connect: keyless };
    expect((await checkAccess(asked)).failure).toMatchObject({
      code: "GATED",
      message: expect.stringMatching(
        /the secret hub-token \(or HF_TOKEN\) of series\.yml, which is not set: Trusted Publishers give tokens for the tiers only$/,
      ),
    });
  });
});

describe("check", () => {
  test.each<[string, Given, string]>([
    ["without a token", {}, "which is not set"],
    [
      "of another account",
      { "hub-token": "hf_reader" },
      "whose account has not accepted the terms",
    ],
  ])("%s names the secret that reads, and goes on with the others", async (_, given, lack) => {
    scene.gated["base/tiny"] = ["robot"];
    const { outputs, summary, failure } = await checkSeries(await request(given));
    expect(failure).toBeNull();
    expect(JSON.parse(outputs.models!)).toMatchObject([{ name: "other" }]);
    const words = `Check and Measure read the base with the secret hub-read-token of series.yml, ${lack}`;
    expect(summary).toContain(words);
    expect(scene.lines).toContainEqual(expect.stringContaining(words));
  });

  test("says nothing of secrets where no token would help", async () => {
    scene.hub.faults.push({ match: /api\/models\/base\/tiny/, times: 1, action: { status: 400 } });
    const { summary } = await checkSeries(await request({ "hub-token": good }));
    expect(summary).toContain("**failed**");
    expect(summary).not.toContain("secret");
  });
});
