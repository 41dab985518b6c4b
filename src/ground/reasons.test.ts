import { readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { describeFailure, OqeError } from "./errors.ts";
import { isOutOfMemory, knownReason, notJson, reasonOf } from "./reasons.ts";

/** What `run` throws. */
async function thrown(run: () => unknown): Promise<unknown> {
  try {
    await run();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

/** What a WebAssembly function that traps throws. */
const trap = Object.assign(new Error("unreachable"), { name: "RuntimeError" });
const nothing: { readonly at?: () => void } = {};
const quotesJavaScript = /Cannot read|is not a function|Unexpected token|undefined|ENOENT|EISDIR/;

describe("reasons in words", () => {
  test.each([
    ["a missing file", () => readFile("/nowhere/at all"), "it does not exist"],
    ["a folder", () => readFile(tmpdir()), "it is a folder, not a file"],
    ["a file as a folder", () => writeFile(join("/etc/passwd", "x"), ""), /is a file$/],
    ["a method of nothing", () => nothing.at!(), "its content is not as expected"],
    ["a trap", () => Promise.reject(trap), "its content is not as expected"],
    ["an array that is too large", () => new Uint8Array(2 ** 53), "there is not enough memory"],
    ["a string that is too long", () => "x".repeat(2 ** 30), "there is not enough memory"],
    ["broken JSON", () => JSON.parse('{\n "a": 1,\n b'), "it is not JSON (line 3, column 2)"],
    ["half JSON", () => JSON.parse('{"a": '), "it is not JSON: it ends too early"],
    ["no JSON", () => JSON.parse("hello"), "it is not JSON"],
    ["a library's sentence", () => Promise.reject(new Error("bad\nmagic")), "bad magic"],
  ])("%s", async (_, run, words) => {
    const reason = reasonOf(await thrown(run));
    expect(reason).toEqual(typeof words === "string" ? words : expect.stringMatching(words));
    expect(reason).not.toMatch(quotesJavaScript);
  });

  test("network failures are known by their code, other errors are not", () => {
    expect(knownReason(Object.assign(new Error("x"), { code: "ECONNREFUSED" }))).toBe(
      "connection refused",
    );
    expect(knownReason(new Error("x"))).toBeNull();
  });

  test("only JSON errors give a place", () => {
    expect(notJson(new Error("(line 1 column 2)"))).toBe("is not JSON");
  });

  test("an ordinary range error is not taken for missing memory", async () => {
    expect(isOutOfMemory(await thrown(() => (1).toFixed(101)))).toBe(false);
  });
});

describe("a failure at the entry", () => {
  const describeThrown = async (run: () => unknown) => describeFailure(await thrown(run), false);

  test.each([
    ["BAD_INPUT", 2],
    ["GATE", 3],
    ["DISK", 1],
    ["INTERNAL", 1],
  ] as const)("%s ends with exit code %d", (code, exitCode) => {
    const failure = describeFailure(new OqeError(code, "what", "do"), false);
    expect(failure).toEqual({ message: `what [${code}]`, hint: "do", details: "", exitCode });
  });

  test("of the system names the path and the reason", async () => {
    expect((await describeThrown(() => readFile("/nowhere/at all"))).message).toBe(
      "/nowhere/at all: it does not exist [DISK]",
    );
  });

  test("of memory says what to change", async () => {
    const { message, hint } = await describeThrown(() => new ArrayBuffer(2 ** 52));
    expect(message).toBe("the run needs more memory than there is [MEMORY]");
    for (const way of ["calibration-samples 64", "workers 2", "--max-old-space-size"])
      expect(hint).toContain(way);
  });

  test("that is a bug says so, and shows JavaScript's text on request only", async () => {
    const error = await thrown(() => nothing.at!());
    const { message, hint, details, exitCode } = describeFailure(error, false);
    expect({ message, details, exitCode }).toEqual({
      message: "a bug in oqe-publisher stopped the run [INTERNAL]",
      details: "",
      exitCode: 1,
    });
    expect(message + hint).not.toMatch(quotesJavaScript);
    expect(describeFailure(error, true).details).toMatch(/TypeError: .*is not a function\n\s+at /);
  });
});
