import { describe, expect, test } from "vitest";
import { failureText } from "./failure-summary.ts";

const failure = (message: string, hint = "Do that.") =>
  ({ message, hint, details: "", exitCode: 1 }) as const;

describe("a failure in the job summary", () => {
  test("has message and hint", () => {
    expect(failureText(failure("two [DISK]\nlines"), {})).toBe(
      "**Failed**: two \\[DISK\\]\n\n```diff\nlines\n```\n\nDo that.\n",
    );
  });

  test("shows what others wrote as text", () => {
    const text = failureText(failure('"<img src=x> [a](https://evil.example) | ::x::"'), {});
    expect(text).toContain("&lt;img src=x&gt; \\[a\\]");
    expect(text).not.toContain("<img");
  });

  test("never shows a token", () => {
    const tokens = {
      "INPUT_HUB-TOKEN": "hf_one ",
      "INPUT_GITHUB-TOKEN": "ghs_two",
      HF_TOKEN: "hf_3",
    };
    const text = failureText(failure("refused hf_one, ghs_two", "Not hf_3."), tokens);
    expect(text).toBe("**Failed**: refused \\*\\*\\*, \\*\\*\\*\n\nNot \\*\\*\\*.\n");
  });
});
