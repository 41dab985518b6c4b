import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { token } from "./support/action-scene.ts";
import { call } from "./support/local-hub.ts";
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
    await scene.write("series.yml", series("base-model: base/small"));
    const head = scene.hub.head("acme/small-oQ8e");
    const tag = events.tag("v1.0.0");
    const moved = { ...tag, payload: { ...tag.payload, created: false, forced: true } };
    const { code, output, writes } = await scene.run(moved);
    expect(code, output).not.toBe(0);
    expect(output).toMatch(/::error.*the tag v1\.0\.0 was moved to another commit/);
    expect(output).not.toMatch(/Access|Measure|Seal|Release/);
    expect(writes).toEqual(["POST /repos/acme/series/issues"]);
    expect((await issues()).map(({ title }) => title)).toContain("oQe series: the check failed");
    expect(scene.hub.head("acme/small-oQ8e")).toBe(head);
  });

  test("a tier deleted on the Hub: it is made again, and its model alone", slow, async () => {
    const models = [
      "base-model: base/small",
      "base-model: base/small, namespace: direct, name: other",
    ];
    await scene.write("series.yml", series(...models));
    expect((await scene.run(events.schedule())).code).toBe(0);
    const head = scene.hub.head("direct/small-oQ8e");
    const json = { type: "model", organization: "acme", name: "small-oQ8e" };
    await call(scene.hub, "DELETE /api/repos/delete", { json, token });
    expect(scene.hub.head("acme/small-oQ8e")).toBeNull();
    const { code, output } = await scene.run(events.schedule());
    expect(code, output).toBe(0);
    expect(scene.hub.files("acme/small-oQ8e").has("oqe-receipt.json")).toBe(true);
    expect(scene.hub.head("direct/small-oQ8e")).toBe(head);
    expect(output).not.toContain("other/Access");
  });

  test("a namespace of others: ends in Access, at the line of the model", slow, async () => {
    await scene.write("series.yml", series("base-model: base/small, namespace: strangers"));
    const { code, output, writes } = await scene.run(events.schedule());
    expect(code, output).not.toBe(0);
    expect(output).toMatch(
      /::error file=series\.yml,line=3::.*may not create strangers\/small-oQ8e/,
    );
    expect(output).not.toMatch(/Measure|Tune|Seal/);
    expect(writes).toEqual([]);
  });

  test("a gated base: Access names the secret that may not read it", slow, async () => {
    scene.gated["base/small"] = ["reader"];
    const path = ".github/workflows/oqe.yml";
    const caller = await readFile(`${scene.repository}/${path}`, "utf8");
    const reads = `      hub-read-token: $${"{{ secrets.HF_READ_TOKEN }}"}\n`;
    await scene.write(path, caller.replace("    secrets:\n", `$&${reads}`));
    await scene.write("series.yml", series("base-model: base/small, tiers: oQ4e"));
    const secrets = { HF_READ_TOKEN: "hf_readOnly" };
    const { code, output, writes } = await scene.run(events.schedule(), { secrets });
    expect(code, output).not.toBe(0);
    expect(output).toMatch(/::error.*base\/small.* is gated/);
    expect(output).toContain(
      "with the secret hub-token (or HF_TOKEN) of series.yml, whose account",
    );
    expect(output).not.toMatch(/Model\/(Measure|Tune|Seal)|hf_readOnly/);
    expect(writes).toEqual([]);
  });
});
