import { expect, test } from "vitest";
import { githubScene } from "../../test/support/github-scene.ts";
import { tokens } from "../../test/support/github-server.ts";
import { closeIssue, type IssueText, upsertIssue } from "./issue.ts";
import { marker } from "./sealed-text.ts";

const scene = githubScene();

const text = (name: string, more: Partial<IssueText> = {}): IssueText => ({
  marker: marker("failure", name),
  title: `The scheduled run of ${name} failed`,
  body: "The base is gated.",
  labels: ["oqe"],
  cause: "GATED",
  ...more,
});

interface Issue {
  readonly number: number;
  readonly state: string;
  readonly body: string;
  readonly labels: readonly { readonly name: string }[];
}

const issue = (number: number) => scene.server.person<Issue>("GET", `/issues/${number}`);
const close = (name: string) =>
  closeIssue(
    scene.github,
    { marker: marker("failure", name), label: "oqe" },
    "The next run passed.",
  );

test("one issue a model: made, updated, unchanged without a write", async () => {
  const made = await upsertIssue(scene.github, text("nano"));
  expect(made.outcome).toBe("created");
  expect((await issue(made.number)).labels.map(({ name }) => name)).toEqual(["oqe"]);
  expect(
    await upsertIssue(scene.github, text("nano", { body: "The base is gone." })),
  ).toMatchObject({ outcome: "updated", number: made.number });
  const other = await upsertIssue(scene.github, text("nano2"));
  expect(other.outcome).toBe("created");
  scene.forget();
  expect(
    await upsertIssue(scene.github, text("nano", { body: "The base is gone." })),
  ).toMatchObject({ outcome: "unchanged", number: made.number });
  expect(scene.server.writes).toEqual([]);
});

test("it is closed once when the next run passes, and opened again by the next failure", async () => {
  const { number } = await upsertIssue(scene.github, text("lama"));
  expect(await close("lama")).toBe(number);
  const { state, body } = await issue(number);
  expect(state).toBe("closed");
  expect(body).toMatch(/^<!-- .* -->\nThe next run passed.\n\n---\n\nThe base is gated.\n/);
  scene.forget();
  expect(await close("lama")).toBe(null);
  expect(await close("never-failed")).toBe(null);
  expect(scene.server.writes).toEqual([]);
  expect(await upsertIssue(scene.github, text("lama"))).toMatchObject({
    outcome: "reopened",
    number,
  });
  expect(await issue(number)).toMatchObject({ state: "open" });
  expect((await issue(number)).body).not.toContain("next run passed");
});

test("one that a person closed stays closed for this cause, and is opened for another", async () => {
  const { number } = await upsertIssue(scene.github, text("qwen"));
  await scene.server.person("PATCH", `/issues/${number}`, { state: "closed" });
  scene.forget();
  const later = { body: "The base is gated. Seen in run 17." };
  expect(await upsertIssue(scene.github, text("qwen", later))).toMatchObject({
    ...{ outcome: "dismissed", number },
  });
  expect(scene.server.writes).toEqual([]);
  expect(await upsertIssue(scene.github, text("qwen", { cause: "DISK" }))).toMatchObject({
    ...{ outcome: "reopened", number },
  });
});

test("an issue of a person with the same marker is not ours", async () => {
  const body = `${marker("failure", "gemma")}\nmine`;
  const { number } = await scene.server.person<Issue>("POST", "/issues", {
    ...{ title: "mine", body, labels: ["oqe"] },
  });
  const made = await upsertIssue(scene.github, text("gemma"));
  expect(made).toMatchObject({ outcome: "created" });
  await close("gemma");
  expect(await issue(number)).toMatchObject({ state: "open", body });
});

test("an issue whose answer was lost is not made twice", async () => {
  scene.server.loseAnswer(/^POST .*\/issues$/);
  expect(await upsertIssue(scene.github, text("lost"))).toMatchObject({ outcome: "unchanged" });
});

test("with a person's own token, what that person closed stays closed too", async () => {
  const github = await scene.connect({ token: tokens.person });
  const { number } = await upsertIssue(github, text("own"));
  const label = { marker: marker("failure", "own"), label: "oqe" };
  expect(await closeIssue(github, label, "The next run passed.")).toBe(number);
  expect(await upsertIssue(github, text("own"))).toMatchObject({ outcome: "reopened", number });
  await scene.server.person("PATCH", `/issues/${number}`, { state: "closed" });
  expect(await upsertIssue(github, text("own"))).toMatchObject({ outcome: "dismissed", number });
});
