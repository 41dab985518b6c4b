import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./action/checkout.ts";

interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly if?: string;
  readonly with?: Record<string, unknown>;
}
interface Job {
  readonly env?: Record<string, string>;
  readonly permissions: Readonly<Record<string, string>>;
  readonly outputs?: Record<string, string>;
  readonly steps?: readonly Step[];
}

const workflows = await Promise.all(
  ["series", "model"].map((name) => readFile(`${root}.github/workflows/${name}.yml`, "utf8")),
);
const jobs: Record<string, Job> = Object.assign({}, ...workflows.map((text) => parse(text).jobs));
const expression = (text: string) => `\${{ ${text} }}`;

test("make a GitHub App's token where it is used, with the rights that the job needs", () => {
  const made = Object.entries(jobs).flatMap(([name, job]) =>
    (job.steps ?? [])
      .filter(({ uses }) => uses?.startsWith("actions/create-github-app-token@"))
      .map((step) => ({ name, job, step })),
  );
  expect(made.map(({ name, step }) => [name, step.with])).toEqual(
    Object.entries({
      cards: { "permission-contents": "write", "permission-pull-requests": "write" },
      release: { "permission-contents": "write" },
    }).map(([name, rights]) => [
      name,
      {
        "client-id": expression("secrets.app-client-id"),
        "private-key": expression("secrets.app-private-key"),
        ...rights,
      },
    ]),
  );
  for (const { name, job, step } of made) {
    expect([step.id, step.if], name).toEqual(["app", "env.HAS_APP == 'true'"]);
    // One of the two alone fails here, and no other token takes its place.
    expect(job.env, name).toEqual({
      HAS_APP: expression("secrets.app-client-id != '' || secrets.app-private-key != ''"),
    });
    const uses = job.steps!.map((one) => one.uses);
    expect(job.steps!.indexOf(step), name).toBeLessThan(uses.indexOf("./.oqe-publisher"));
    // A token of the job never leaves it.
    expect(job.outputs, name).toBeUndefined();
    for (const [right, level] of Object.entries(step.with!))
      if (right.startsWith("permission-"))
        expect(job.permissions[right.slice("permission-".length)], right).toBe(level);
  }
});

test("the key of a GitHub App is named in that step alone, and no called workflow gets it", () => {
  const [series = "", model = ""] = workflows;
  const key = /^ +(client-id|private-key): \$\{\{ secrets\.app-\1 \}\}$/gm;
  const presence = /^ +HAS_APP: .*$/gm;
  expect(series.match(key)).toHaveLength(4);
  expect(series.replace(key, "").replace(presence, "")).not.toContain("secrets.app-");
  expect(model).not.toMatch(/app-(client-id|private-key)/);
});
