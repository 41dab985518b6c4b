import { describe, expect, test } from "vitest";
import { act, events, workflowScene } from "./support/workflow-scene.ts";

/** What Check refuses, through the whole workflow: the jobs behind it, and the issues. */
const scene = workflowScene();
const slow = { timeout: 600_000 };
const series = (...models: readonly string[]) =>
  `defaults: { namespace: acme, runner: ubuntu-latest, method: rounded, verify: false, tiers: oQ8e }
models:\n${models.map((model) => `  - { ${model} }\n`).join("")}`;

interface Issue {
  readonly title: string;
  readonly body: string;
}
const issues = () => scene.github.person<Issue[]>("GET", "/issues?state=open&labels=oqe");

describe.skipIf(act === null && process.env.CI !== "true")("the shipped workflows", () => {
  test("a retired base: its model has an issue, the other one is published", slow, async () => {
    await scene.write("series.yml", series("base-model: base/retired", "base-model: base/small"));
    const { code, output } = await scene.run(events.schedule());
    expect(code, output).toBe(0);
    expect(output).toMatch(/::warning.*series\.yml:3 \(retired\): .*base\/retired/);
    expect(output).not.toMatch(/retired\/(Access|Measure|Seal)/);
    expect(scene.hub.files("acme/small-oQ8e").has("oqe-receipt.json")).toBe(true);
    const [issue, ...others] = await issues();
    expect(others).toEqual([]);
    expect(issue!.title).toBe("oQe series retired was not published");
    expect(issue!.body).toContain("base/retired");
    expect((await scene.run(events.schedule())).writes).toEqual([]);
  });

  test("a moved tag: nothing behind Check starts, and an issue says so", slow, async () => {
    const tag = events.tag("v1.0.0");
    const moved = { ...tag, payload: { ...tag.payload, created: false, forced: true } };
    const { code, output, writes } = await scene.run(moved);
    expect(code, output).not.toBe(0);
    expect(output).toMatch(/::error.*the tag v1\.0\.0 was moved to another commit/);
    expect(output).not.toMatch(/Access|Measure|Seal|Release/);
    expect(writes).toEqual(["POST /repos/acme/series/issues"]);
    expect((await issues()).map(({ title }) => title)).toContain("oQe series: the check failed");
    expect(scene.hub.files("acme/small-oQ8e").size).toBeGreaterThan(0);
  });
});
