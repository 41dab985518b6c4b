import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const script = fileURLToPath(new URL("../../test/support/supervised.ts", import.meta.url));

function start(end: string, flags: readonly string[] = [], environment = {}) {
  return spawn(process.execPath, [...flags, script, end], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { PATH: process.env.PATH ?? "", ...environment },
  });
}

async function run(end: string, flags: readonly string[] = [], environment = {}) {
  const child = start(end, flags, environment);
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { code, signal, stdout, stderr };
}

const small = ["--max-old-space-size=20"];

describe("a supervised run", () => {
  test("ends as its work ends, with its output", async () => {
    expect(await run("well")).toEqual({ code: 0, signal: null, stdout: "done\n", stderr: "" });
    expect(await run("badly")).toMatchObject({ code: 3, stderr: "" });
    expect(await run("interrupted")).toMatchObject({ code: null, signal: "SIGINT", stderr: "" });
  });

  test("gives memory back to the system in blocks of a MiB, unless its user says otherwise", async () => {
    expect(await run("allocating")).toMatchObject({ stdout: "1048576" });
    const own = { MALLOC_MMAP_THRESHOLD_: "4096" };
    expect(await run("allocating", [], own)).toMatchObject({ stdout: "4096" });
  });

  test("whose heap is full says what to change, without V8's own text", async () => {
    const { code, signal, stderr } = await run("full", small);
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr.trim().split("\n")).toEqual([
      "error: the run needs more memory than there is [MEMORY]",
      expect.stringMatching(/calibration-samples.*workers.*--max-old-space-size/),
    ]);
  });

  test("shows V8's text when asked to", async () => {
    const { stderr } = await run("full", small, { OQE_DEBUG: "1" });
    expect(stderr).toMatch(/heap limit.*\[MEMORY\]/is);
  });

  test("that the system killed names the likely reason", async () => {
    const { code, stderr } = await run("killed");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: the system killed the run \(SIGKILL\).*memory.*\[MEMORY\]/);
  });

  test("that crashed is a bug of ours", async () => {
    const { code, stderr } = await run("aborted");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: the run crashed \(SIG[A-Z]+\) \[INTERNAL\]\n/);
    expect(stderr).not.toContain("stack");
  });

  test("may print what resembles a crash", async () => {
    const { stderr } = await run("speaking");
    expect(stderr).toBe("FATAL is a word\nand # another\nno end of line");
  });

  test("goes on when nobody reads its log", async () => {
    const child = start("unheard");
    child.stderr.once("data", () => child.stderr.destroy());
    let stdout = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (stdout += text));
    expect(await once(child, "close")).toEqual([0, null]);
    expect(stdout).toBe("done\n");
  });

  test.each(["SIGINT", "SIGTERM"] as const)("asks its work to stop on %s", async (signal) => {
    const child = start("obeying");
    await once(createInterface(child.stdout), "line");
    child.kill(signal);
    expect(await once(child, "close")).toEqual([130, null]);
  });

  test("ends its work at once when it is asked again, but not for one key that comes twice", async () => {
    const child = start("asking");
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    await lines.next();
    child.kill("SIGINT");
    child.kill("SIGTERM"); // another one: the system delivers two of one kind once
    expect((await lines.next()).value).toBe("asked");
    await setTimeout(400);
    expect(child.exitCode).toBeNull();
    child.kill("SIGINT");
    expect(await once(child, "close")).toEqual([130, null]);
  });

  test.each(["SIGTERM", "SIGKILL"] as const)("ends its work on %s", async (signal) => {
    const child = start("waiting");
    await once(createInterface(child.stdout), "line");
    child.kill(signal);
    // `close` comes once no process has the pipes open: the work inherited stdout.
    expect(await once(child, "close")).toEqual([null, signal]);
  });
});
