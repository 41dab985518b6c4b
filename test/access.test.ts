import { describe, expect, test } from "vitest";
import type { InputName } from "../src/inputs/input-table.ts";
import { checkAccess } from "../src/upkeep/access.ts";
import { schedule, upkeepScene } from "./support/upkeep-scene.ts";

const scene = upkeepScene();
const good = "hf_tokenOfThisTestOnly";

const series = (namespace = "acme") => `
defaults: { namespace: acme, method: rounded, policy: oq, verify: false, tiers: oQ8e }
models:
  - base-model: base/tiny
  - base-model: base/other
    namespace: ${namespace}
`;

async function access(text: string, given: Partial<Record<InputName, string>>) {
  const result = await checkAccess(await scene.request(text, schedule, given));
  expect(scene.writes()).toEqual([]);
  expect(JSON.stringify([result, scene.lines])).not.toContain(good);
  const read = scene.seen.filter(({ url }) => /base\/\w+\/resolve/.test(url));
  for (const { headers } of read) expect(headers.range).toBe("bytes=0-0"); // no model is looked at
  return result;
}

describe("access", () => {
  test("passes for repositories that are there, and for those that the token may make", async () => {
    const both = await access(series(), { "hub-token": good });
    expect(both).toMatchObject({ failure: null });
    expect(both.summary).toMatch(
      /\*\*tiny\*\*: all repositories may be written; 0 of 1 exist; the base may be read/,
    );
    await scene.publish(series().replace(/ {2}- base-model: base\/other[\s\S]*/, ""));
    const again = await access(series(), { "hub-token": good, models: '["tiny"]' });
    expect(again.summary).toMatch(
      /\*\*tiny\*\*: all repositories may be written; 1 of 1 exist; the base may be read\n$/,
    );
  });

  test("names the model and the line of what the token may not write, and goes on", async () => {
    const { failure, summary } = await access(series("strangers"), { "hub-token": "hf_reader" });
    expect(failure).toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringMatching(
        /^2 models failed: series\.yml:4 \(tiny\): the token of reader may read but not write; series\.yml:5 \(other\): /,
      ),
    });
    expect(summary).toMatch(/\*\*other\*\*: failed: .* \(FORBIDDEN\)/);
  });

  test("without a token says which input or permission is missing", async () => {
    const { failure } = await access(series(), { models: '["other"]' });
    expect(failure).toMatchObject({
      ...{ code: "UNAUTHORIZED", message: "series.yml:5 (other): no Hub token given" },
      hint: expect.stringMatching(/hub-token.*id-token: write/),
    });
  });
});
