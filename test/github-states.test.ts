import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./action/checkout.ts";

/** The table event × state of docs/github.md: rows of cells. */
async function table(): Promise<readonly (readonly string[])[]> {
  const page = await readFile(`${root}docs/github.md`, "utf8");
  const [, states = ""] = /<!-- states -->\n([\s\S]*)\n<!-- \/states -->/.exec(page) ?? [];
  return states
    .split("\n")
    .map((line) => line.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "")));
}
const [header = [], , ...rows] = await table();
const events = [
  ...["tag", "schedule, webhook", "by hand", "push of `series.yml` or `cards/`", "pull request"],
];

test("the table of docs/github.md says of every state what every event does", () => {
  expect(header).toEqual(["state", ...events, "tests"]);
  const named = rows.map(([state]) => state);
  expect(new Set(named).size).toBe(named.length);
  expect(named).toEqual(
    expect.arrayContaining([
      ...["first run", "unchanged", "base moved", "engine moved", "`series.yml` changed"],
      ...["half-finished: time limit", "half-finished: killed", "card pull request open"],
      ...["card pull request edited by hand", "card pull request closed by a person"],
      ...["token weak", "two events at once"],
    ]),
  );
  for (const [state, ...cells] of rows) {
    const does = cells.slice(0, -1);
    expect(does, state).toHaveLength(events.length);
    for (const cell of does) expect(cell.trim(), state).toMatch(/^[a-zA-Z][^|]{5,99}$/);
    expect(
      does.some((cell) => cell !== "cannot be"),
      state,
    ).toBe(true);
  }
});

test.each(rows.map((row) => [row[0]!, row.at(-1)!] as const))(
  "%s: its tests are there",
  async (_, cell) => {
    const tests = [...cell.matchAll(/\[([\w.-]+)\]\((\S+)\): "([^"]+)"(; |$)/g)];
    expect(tests.length).toBeGreaterThan(0);
    expect(tests.map(([whole]) => whole).join("")).toBe(cell);
    for (const [, label, file, name] of tests) {
      expect(file!.endsWith(`/${label}`), file).toBe(true);
      const text = await readFile(join(root, "docs", file!), "utf8");
      // The name of a test stands behind an opening parenthesis.
      const isTest = new RegExp(`\\(\\s*"${name!.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}",`).test(
        text,
      );
      expect(isTest, `${dirname(file!)}/${label}: ${name}`).toBe(true);
    }
  },
);
