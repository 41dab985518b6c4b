import { expect, test } from "vitest";
import { githubScene } from "../../test/support/github-scene.ts";
import { upsertComment } from "./comment.ts";
import { marker } from "./sealed-text.ts";

const scene = githubScene();
const mark = marker("plan", "series.yml");

interface Comment {
  readonly id: number;
  readonly body: string;
  readonly user: { readonly login: string };
}

async function openPull(): Promise<number> {
  const { number } = await scene.server.person<{ number: number }>("POST", "/issues", {
    title: "stands for a pull request",
  });
  return number;
}

const comments = (pull: number) =>
  scene.server.person<Comment[]>("GET", `/issues/${pull}/comments`);

test("a comment is made once, updated in place, and left alone when nothing changed", async () => {
  const pull = await openPull();
  const upsert = (body: string) => upsertComment(scene.github, pull, mark, body);
  const created = await upsert("the plan");
  expect(created).toMatchObject({ outcome: "created", url: expect.stringContaining("http") });
  expect(await upsert("another plan")).toEqual({ outcome: "updated", url: created.url });
  expect(scene.server.writes).toHaveLength(2);
  scene.forget();
  expect(await upsert("another plan")).toEqual({ outcome: "unchanged", url: created.url });
  expect(scene.server.writes).toEqual([]);
  expect((await comments(pull)).map(({ body }) => body)).toEqual([
    expect.stringMatching(
      /^<!-- oqe:plan:series.yml -->\nanother plan\n\n<!-- oqe-seal content=\w+ -->$/,
    ),
  ]);
});

test("a comment of ours that a person edited is not written again for the same plan", async () => {
  const pull = await openPull();
  await upsertComment(scene.github, pull, mark, "the plan");
  const [{ id, body }] = (await comments(pull)) as [Comment];
  const edited = body.replace("the plan", "the plan, and a remark").replaceAll("\n", "\r\n");
  await scene.server.person("PATCH", `/issues/comments/${id}`, { body: edited });
  scene.forget();
  expect(await upsertComment(scene.github, pull, mark, "the plan")).toMatchObject({
    outcome: "unchanged",
  });
  expect(scene.server.writes).toEqual([]);
});

test("comments of people are not touched, even if they begin with the marker or quote it", async () => {
  const pull = await openPull();
  const own = [`${mark}\nmine`, `> ${mark}\n\nsee above`];
  for (const body of own) await scene.server.person("POST", `/issues/${pull}/comments`, { body });
  await upsertComment(scene.github, pull, mark, "the plan");
  await upsertComment(scene.github, pull, mark, "the plan changed");
  const found = await comments(pull);
  const byPeople = found.filter(({ user }) => user.login === "maintainer");
  expect(byPeople.map(({ body }) => body).sort()).toEqual([...own].sort());
  expect(found).toHaveLength(3);
});

test("a comment whose answer was lost is found again, not written twice", async () => {
  const pull = await openPull();
  scene.server.loseAnswer(/^POST .*\/comments$/);
  expect(await upsertComment(scene.github, pull, mark, "the plan")).toMatchObject({
    outcome: "unchanged",
  });
  expect(await comments(pull)).toHaveLength(1);
});

test("a comment is found behind a hundred others", async () => {
  const pull = await openPull();
  for (let k = 0; k < 101; k++)
    await scene.server.person("POST", `/issues/${pull}/comments`, { body: `remark ${k}` });
  await upsertComment(scene.github, pull, mark, "the plan");
  expect(await upsertComment(scene.github, pull, mark, "the plan")).toMatchObject({
    outcome: "unchanged",
  });
});

test("two runs at once leave one comment, with the plan of the later one", async () => {
  const pull = await openPull();
  let second: unknown = null;
  scene.server.before(/POST .*\/comments$/, async () => {
    second = await upsertComment(scene.github, pull, mark, "the plan");
  });
  const first = await upsertComment(scene.github, pull, mark, "a newer plan");
  const [comment, ...others] = await comments(pull);
  expect(others).toEqual([]);
  expect(comment!.body).toContain("a newer plan");
  expect(second).toMatchObject({ outcome: "created" });
  expect(first).toEqual({ ...(second as object), outcome: "updated" });
});
