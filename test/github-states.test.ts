import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { root } from "./action/checkout.ts";

test("every state in docs/github.md names a test that there is", async () => {
  const page = await readFile(`${root}docs/github.md`, "utf8");
  const [, states = ""] = /<!-- states -->([\s\S]*)<!-- \/states -->/.exec(page) ?? [];
  const rows = [...states.matchAll(/\]\((\S+)\): "(.+)" \|$/gm)];
  expect(rows.length).toBeGreaterThan(15);
  expect(states.trim().split("\n").length - 2).toBe(rows.length);
  for (const [, file, name] of rows) {
    const text = await readFile(join(root, "docs", file!), "utf8");
    const isTest = new RegExp(`"${name!.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")}"`).test(text);
    expect(isTest, `${dirname(file!)}: ${name}`).toBe(true);
  }
});
