import { beforeAll, describe, expect, test } from "vitest";
import { act, events, type Told, workflowScene } from "./support/workflow-scene.ts";

const scene = workflowScene();
const slow = { timeout: 600_000 };

const series = `defaults: { namespace: acme, runner: ubuntu-latest }
models:
  - base-model: base/small
    name: small
    tiers: [oQ8e]
    method: rounded
    verify: false
`;
const tier = "acme/small-oQ8e";
const path = "cards/small/oQ8e.md";
const branch = "oqe/cards/small";

/** The step in the card of a person: inside the markers, and outside of them. */
const inside = (card: string) =>
  card.replace("<!-- oqe:notes -->\n", "<!-- oqe:notes -->\nTried on a phone.\n");
const outside = (card: string) => card.replace(/^# .*$/m, "# My own title");
const broken = (card: string) => card.replace("<!-- /oqe:notes -->\n", "");

const onMain = async () => (await scene.github.file("main", path))!;
const onHub = async () => (await fetch(`${scene.hub.url}/${tier}/raw/main/README.md`)).text();
/** A person commits a card to main: the push that GitHub tells of. */
async function pushCard(text: string) {
  expect(await onMain()).not.toBe(text);
  const from = await scene.github.ref("heads/main");
  const to = await scene.github.personCommits("main", path, text);
  await scene.checkOut("main", "cards");
  return events.push(from!, to);
}

const hubCommits = ({ writes }: Told) => writes.filter((one) => one.includes("/commit/"));

// The tests are one story: each finds what the one before left.
describe.skipIf(act === null && process.env.CI !== "true")(
  "cards, by the shipped workflows",
  () => {
    let number: number;
    beforeAll(async () => {
      await scene.write("series.yml", series);
      const { code, output } = await scene.run(events.dispatch());
      expect(code, output).toBe(0);
      const found = await scene.github.person<{ number: number }[]>("GET", "/pulls?state=open");
      expect(found).toHaveLength(1);
      number = found[0]!.number;
    }, slow.timeout);

    test("a pull request with edits of a person tells what merging it does", slow, async () => {
      const card = (await scene.github.file(branch, path))!;
      const edited = outside(inside(card));
      expect([inside(card), outside(card)]).not.toContain(card);
      await scene.github.personCommits(branch, path, edited);
      await scene.checkOut(branch, "cards");
      const event = events.pullRequest(number, { ref: branch });
      const { code, output, writes } = await scene.run(event);
      expect(code, output).toBe(0);
      expect(writes).toEqual([`POST /repos/acme/series/issues/${number}/comments`]);
      const comments = await scene.github.person<{ body: string }[]>(
        "GET",
        `/issues/${number}/comments`,
      );
      expect(comments[0]!.body).toContain("between the markers are sent; the rest differs");
      expect((await scene.run(event)).writes).toEqual([]);
    });

    test("a pull request with broken markers fails, and shows the difference", slow, async () => {
      const edited = (await scene.github.file(branch, path))!;
      await scene.github.personCommits(branch, path, broken(edited));
      await scene.checkOut(branch, "cards");
      const { code, output, writes } = await scene.run(events.pullRequest(number, { ref: branch }));
      expect(code, output).not.toBe(0);
      expect(output).toMatch(
        /oQ8e\.md is not overwritten, because its markers for notes are broken/,
      );
      expect(output).toMatch(/\+<!-- \/oqe:notes -->/);
      expect(writes).toEqual([expect.stringMatching(/^PATCH .*\/issues\/comments\/\d+$/)]);
      await scene.github.personCommits(branch, path, edited);
    });

    test(
      "merged, the notes are sent, and edits outside of the markers are undone",
      slow,
      async () => {
        const edited = (await scene.github.file(branch, path))!;
        await scene.github.person("PUT", `/pulls/${number}/merge`, { merge_method: "squash" });
        await scene.github.person("DELETE", `/git/refs/heads/${branch}`);
        // The emulator merges the commit that the pull request was opened with.
        const merge = await pushCard(edited);
        const told = await scene.run(merge);
        expect(told.code, told.output).toBe(0);
        expect(hubCommits(told), told.output).toHaveLength(1);
        expect(told.output).toMatch(/oQ8e\.md differs from the card that the receipt gives/);
        expect(told.output).toMatch(/-# My own title/);
        const card = await onHub();
        expect(card).toContain("Tried on a phone.");
        expect(card).not.toContain("My own title");
        expect((await scene.run(merge)).writes).toEqual([]);
      },
    );

    test("the next run proposes to undo these edits, and keeps the notes", slow, async () => {
      const told = await scene.run(events.schedule());
      expect(told.code, told.output).toBe(0);
      expect(hubCommits(told)).toEqual([]);
      expect(told.writes).toContain("POST /repos/acme/series/pulls");
      const proposed = (await scene.github.file(branch, path))!;
      expect(proposed).toContain("Tried on a phone.");
      expect(proposed).not.toContain("My own title");
      expect((await scene.run(events.schedule())).writes).toEqual([]);
    });

    test("broken markers on main: nothing is sent, nothing is overwritten", slow, async () => {
      const [card, head] = [await onHub(), scene.hub.head(tier)];
      const own = broken(await onMain());
      const push = await pushCard(own);
      for (const event of [push, events.schedule()]) {
        // One issue tells of it; the branch, the card and the Hub stay as they are.
        const { code, output, writes } = await scene.run(event);
        expect(code, output).not.toBe(0);
        expect(output).toMatch(/::error.*file=series\.yml,line=3/);
        expect(output).toMatch(/oQ8e\.md is not overwritten/);
        expect(output).toMatch(/\+<!-- \/oqe:notes -->/);
        expect(writes.filter((one) => !one.includes("/issues"))).toEqual([]);
      }
      expect(await onMain()).toBe(own);
      expect([await onHub(), scene.hub.head(tier)]).toEqual([card, head]);
    });
  },
);
