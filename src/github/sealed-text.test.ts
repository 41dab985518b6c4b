import { expect, test } from "vitest";
import { isMarked, longest, marker, plainTitle, sealedText, sealsOf } from "./sealed-text.ts";

test("a marker is one plain comment, whatever the name is", () => {
  expect(marker("cards", "nano")).toBe("<!-- oqe:cards:nano -->");
  for (const name of ["--> <img src=x>", "a\nb", "", "-->", "../x", "`id`"])
    expect(marker("cards", name)).toMatch(/^<!-- oqe:cards:[\w.](?:[\w.-]*[\w.])? -->$/);
});

test("only a text that begins with the marker is marked", () => {
  const mark = marker("cards", "nano");
  expect(isMarked(`${mark}\r\ntext`, mark)).toBe(true);
  for (const text of [`> ${mark}`, `text\n${mark}`, `${mark} text`, "", null, undefined])
    expect(isMarked(text, mark)).toBe(false);
});

test("a seal is read at the end of a text only, so a value cannot forge it", () => {
  const text = sealedText(marker("a", "b"), "<!-- oqe-seal content=0000 -->", { content: "12ab" });
  expect(sealsOf(text)).toEqual({ content: "12ab" });
  expect(sealsOf(`${text}\r\n`)).toEqual({ content: "12ab" });
  expect(sealsOf(`${text} more`)).toEqual({});
});

test("a text that is too long is cut at a line, closed, and says so", () => {
  const rows = Array.from({ length: 9000 }, (_, k) => `line ${k} of many`);
  const body = ["<details><summary>Log</summary>", "", "```text", ...rows, "```", "</details>"];
  const text = sealedText(marker("a", "b"), body.join("\n"), { content: "ab" });
  expect(text.length).toBeLessThanOrEqual(longest.body);
  expect(text.length).toBeGreaterThan(longest.body - 1000);
  expect(text).toMatch(/line \d+ of many\n```\n<\/details>\n\n\*\d+ characters more are too many/);
  expect(sealsOf(text)).toEqual({ content: "ab" });
  expect(sealedText("<!-- m -->", "x".repeat(200_000), {}).length).toBeLessThan(longest.body);
});

test("nobody is notified, and addresses stay as they are", () => {
  const text = sealedText("<!-- m -->", "by @torvalds, (@acme/team) and a@b.c, uses: x/y@v1", {});
  expect(text).not.toMatch(/(?<![\w/])@\w/);
  expect(text).toContain("a@b.c, uses: x/y@v1");
  expect(plainTitle("a\n::error::b  @c ")).toBe("a ::error::b @\u200bc");
  expect(plainTitle("x".repeat(1000))).toHaveLength(longest.title);
});
