import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { DirectRun } from "./action/run.ts";
import { entryScene, expectRefused, good, schedule, series } from "./support/entry-scene.ts";
import { tokens } from "./support/github-server.ts";
import { call } from "./support/local-hub.ts";

/**
 * What a maintainer meets, as a runner starts the Action: one message in the log that is an
 * annotation, the same in the job summary, nothing half-written, and the other model goes on.
 */
const slow = { timeout: 120_000 };
const scene = entryScene();
const run = scene.run.bind(scene);
const sha = "a".repeat(40);

/** The only annotation of a kind. */
function annotation(kind: "error" | "warning", { output }: DirectRun): string {
  const [found, ...others] = output.split("\n").filter((line) => line.startsWith(`::${kind} `));
  expect(others, output).toEqual([]);
  expect(found, output).toBeDefined();
  return found!;
}

describe("a base that nobody can read any more", () => {
  const api = /^GET \/api\/models\/base\/tiny[/?]/;
  const disabled = { error: "Access to this resource is disabled." };
  const faults: [string, () => void, RegExp][] = [
    [
      "gone (404)",
      () => fault({ status: 404 }),
      /There is no base\/tiny@main that this token can see/,
    ],
    ["gone (410)", () => fault({ status: 410 }), /The Hub has withdrawn base\/tiny@main/],
    ["forbidden by law (451)", () => fault({ status: 451 }), /The Hub has withdrawn base\/tiny/],
    ["disabled", () => fault({ status: 403, body: disabled }), /The Hub has withdrawn base\/tiny/],
    ["gated now", () => Object.assign(scene.gated, { "base/tiny": [] }), /base\/tiny.* is gated/],
  ];
  const fault = (action: { status: number; body?: object }) =>
    void scene.hub.faults.push({ match: api, times: 99, action });

  test.each(faults)(
    "%s: a warning at its line, and the other model goes on",
    slow,
    async (_, make, says) => {
      make();
      const text = series.replace("base/other, tiers: oQ8e", "base/other, tiers: [oQ8e, oQ6e]");
      const done = await run({ command: "check", "hub-token": good }, schedule, text);
      scene.hub.faults.length = 0;
      delete scene.gated["base/tiny"];
      expect(done.code, done.output).toBe(0);
      const line = annotation("warning", done);
      expect(line).toMatch(/^::warning file=series\.yml,line=3::series\.yml:3 \(tiny\): /);
      expect(line).toMatch(says);
      expect(done.summary).toMatch(/\| tiny \| .*\*\*failed\*\* \|/);
      expect(JSON.parse(done.outputs.models!)).toMatchObject([
        { name: "other", pending: ["oQ6e"] },
      ]);
      const result = JSON.parse(
        await readFile(join(scene.folder, "work/oqe-result-tiny.json"), "utf8"),
      );
      expect(result.failure.message).toMatch(says); // an issue is made of it
      expect([...scene.writes(), ...scene.github.writes]).toEqual([]);
    },
  );
});

describe("a tier whose repository was deleted", () => {
  test(
    "is made again, alone; its cards cannot be sent, and nothing is released",
    slow,
    async () => {
      await scene.mergeCards("tiny", ["acme/tiny-oQ8e", "acme/tiny-oQ4e"]);
      await scene.mergeCards("other", ["acme/other-oQ8e"]);
      const card = join(scene.workspace, "cards/other/oQ8e.md");
      const noted = (await readFile(card, "utf8")).replace("<!-- oqe:notes -->\n", "$&Ours.\n");
      await writeFile(card, noted);
      const heads = ["acme/tiny-oQ8e", "acme/other-oQ8e"].map((tier) => scene.hub.head(tier));
      const json = { type: "model", organization: "acme", name: "tiny-oQ4e" };
      await call(scene.hub, "DELETE /api/repos/delete", { json, token: good });
      const found = await run({ command: "check", "hub-token": good });
      expect(JSON.parse(found.outputs.models!)).toMatchObject([
        { name: "tiny", pending: ["oQ4e"] },
      ]);
      const sent = await run({ command: "push-cards", "hub-token": good });
      expectRefused(
        sent,
        /^::error file=series\.yml,line=3::series\.yml:3 \(tiny\): cards\/tiny\/oQ4e\.md cannot be sent: acme\/tiny-oQ4e has no receipt on main/,
        /%0APublish the tier again, or remove cards\/tiny\/oQ4e\.md/,
      );
      expect(sent.summary).toMatch(/\*\*other\*\*: .*changed `README\.md`/);
      expect(scene.hub.head("acme/tiny-oQ8e")).toBe(heads[0]);
      const tag = { name: "push", ref: "refs/tags/v1" };
      const release = await run({ command: "release", "github-token": tokens.job }, tag);
      expectRefused(
        release,
        /^::error::acme\/tiny-oQ4e cannot be released/,
        /Run the jobs of this/,
      );
      expect(scene.github.writes).toEqual([]);
      const again = await run({ command: "publish", series: "tiny", "hub-token": good });
      expect(again.code, again.output).toBe(0);
      expect(scene.hub.files("acme/tiny-oQ4e").has("oqe-receipt.json")).toBe(true);
      expect((await run({ command: "check", "hub-token": good })).outputs.models).toBe("[]");
    },
  );
});

describe("a tag that was moved", () => {
  test("is refused by check: no job behind it starts", slow, async () => {
    const ref = "refs/tags/v1";
    const repository = { default_branch: "main" };
    const payload = { ref, after: sha, forced: true, created: false, repository };
    const done = await run({ command: "check", "hub-token": good }, { name: "push", ref, payload });
    expectRefused(done, /^::error::the tag v1 was moved to another commit/, /%0APush a new tag/);
    expect(done.outputs).toEqual({});
  });
});

describe("a namespace that the token cannot write", () => {
  test("is refused by access at the model's line, and the other model passes", slow, async () => {
    const text = series.replace("base/other,", "base/other, namespace: strangers,");
    const done = await run({ command: "access", "hub-token": good }, schedule, text);
    expectRefused(
      done,
      /^::error file=series\.yml,line=4::series\.yml:4 \(other\): the token of robot may not create strangers\/other-oQ8e: strangers is neither its user nor one of its organizations \(it may write to robot, acme\)/,
      /%0ACorrect namespace in the series file/,
    );
    expect(done.summary).toMatch(/\*\*tiny\*\*: all repositories may be written/);
    expect(scene.writes()).toEqual([]);
  });
});

describe("a token that may only read", () => {
  test.each<[string, Parameters<typeof run>[1]]>([
    ["a tag", { name: "push", ref: "refs/tags/v1" }],
    ["a run by hand", { name: "workflow_dispatch" }],
    ["a push of series.yml", { name: "push" }],
  ])("is refused by access on %s", slow, async (_, event) => {
    const done = await run({ command: "access", "hub-token": "hf_reader" }, event);
    expect(done.code, done.output).toBe(1);
    expect(done.output).toMatch(/^::error.*the token of reader may read but not write/m);
    expect(scene.writes()).toEqual([]);
  });

  test("sends no merged cards", slow, async () => {
    const card = join(scene.workspace, "cards/other/oQ8e.md");
    await writeFile(card, (await readFile(card, "utf8")).replace("Ours.", "Of a reader."));
    const head = scene.hub.head("acme/other-oQ8e");
    const done = await run({ command: "push-cards", "hub-token": "hf_reader" });
    expect(done.code, done.output).toBe(1);
    expect(done.output).toMatch(/^::error.*\[FORBIDDEN\]/m);
    expect(scene.hub.head("acme/other-oQ8e")).toBe(head);
    await writeFile(card, (await readFile(card, "utf8")).replace("Of a reader.", "Ours."));
  });
});

describe("a label that no runner has", () => {
  test("is refused by check at its line, with the nearest", slow, async () => {
    const text = series.replace("tiers: oQ8e }", "tiers: oQ8e, runner: macos-latst }");
    const done = await run({ command: "check" }, schedule, text);
    expectRefused(
      done,
      /^::error file=series\.yml,line=4::series\.yml:4: models\[1\]\.runner: expected a label of GitHub's macOS or Linux runners, got "macos-latst"/,
      /Did you mean macos-latest\?/,
    );
  });
});

describe("a card whose markers are broken", () => {
  test(
    "is not overwritten: the difference is told, and the other model's card goes out",
    slow,
    async () => {
      const path = join(scene.workspace, "cards/tiny/oQ8e.md");
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replace("<!-- /oqe:notes -->", ""));
      const other = join(scene.workspace, "cards/other/oQ8e.md");
      await writeFile(other, (await readFile(other, "utf8")).replace("Ours.", "Theirs."));
      const head = scene.hub.head("acme/tiny-oQ8e");
      const done = await run({ command: "push-cards", "hub-token": good });
      expectRefused(
        done,
        /series\.yml:3 \(tiny\): cards\/tiny\/oQ8e\.md is not overwritten/,
        /%0A[+-]/,
      );
      expect(done.summary).toMatch(/\*\*other\*\*: .*changed `README\.md`/);
      expect(scene.hub.head("acme/tiny-oQ8e")).toBe(head);
      await writeFile(path, text);
    },
  );
});
