import { describe, expect, test } from "vitest";
import { failureWords } from "./failure-words.ts";

describe("a failure in Markdown", () => {
  test("is a sentence, with its code", () => {
    expect(failureWords("a `b` <c> | d", "DISK")).toBe(
      "**Failed**: a `b` &lt;c&gt; \\| d (`DISK`)",
    );
  });

  test("shows an address as a link of GitHub's", () => {
    const page = "https://github.com/acme/my_series/compare/main...oqe/cards/a_b?expand=1";
    expect(failureWords(`a person can open it: ${page}`)).toContain(` ${page}`);
  });

  test("has the lines of a difference in a block that they cannot end", () => {
    expect(failureWords("not overwritten.\n--- a\n+++ b\n-```sh\n+<!-- x -->", "BAD_INPUT")).toBe(
      [
        "**Failed**: not overwritten. (`BAD_INPUT`)",
        ...["", "````diff", "--- a", "+++ b", "-```sh", "+<!-- x -->", "````"],
      ].join("\n"),
    );
  });

  test("goes on in further lines, with their sign, where a comment is too narrow", () => {
    const [, , , ...lines] = failureWords(`a\n+${"x".repeat(170)}`).split("\n");
    expect(lines).toEqual([`+${"x".repeat(83)}`, `+${"x".repeat(83)}`, `+${"x".repeat(4)}`, "```"]);
  });

  test("leaves the end of a long difference to the log", () => {
    const text = failureWords(`a\n${Array.from({ length: 500 }, (_, k) => `+ ${k}`).join("\n")}`);
    expect(text.split("\n").length).toBeLessThan(70);
    expect(text).toMatch(/\n```\n\nThe log has the rest\.$/);
  });
});
