import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cli, rounded } from "./support/cli-run.ts";
import { embedded, removeFolder, scratchFolder } from "./support/models.ts";

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

const rows = ["--calibration-samples", "9", "--calibration-length", "16"];
const places = (name: string) => [
  ...["--out", `${folder}/${name}`, "--work-dir", `${folder}/${name}-work`],
];

interface Running {
  readonly child: ChildProcess;
  /** Waits until the log has it. */
  readonly says: (words: string) => Promise<void>;
  readonly ended: Promise<{ code: number | null; stderr: string }>;
}

function start(args: readonly string[]): Running {
  const child = spawn(process.execPath, [cli, ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH ?? "" },
  });
  let stderr = "";
  child.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text));
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stderr }));
  const says = async (words: string) => {
    while (!stderr.includes(words)) {
      if (child.exitCode !== null) throw new Error(`ended before it said ${words}:\n${stderr}`);
      await setTimeout(5);
    }
  };
  return { child, says, ended };
}

describe("Ctrl-C", () => {
  test("stops behind the block, and the command that it prints goes on from there", async () => {
    const { child, says, ended } = start(["sensitivity", embedded, ...places("whole"), ...rows]);
    await says("block 2 of 11");
    child.kill("SIGINT");
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    const [, block] = /^stopped while measuring, behind block (\d+) of 11$/m.exec(stderr) ?? [];
    expect(Number(block)).toBeGreaterThan(1);
    expect(stderr).toContain(`\n  kept: measured blocks in ${folder}/whole-work\n`);
    expect(stderr).not.toContain("error:");
    const [, command = ""] = /^ {2}go on: (.*)$/m.exec(stderr) ?? [];
    const again = spawnSync("sh", ["-c", command], {
      env: { PATH: `${process.execPath.replace(/\/[^/]+$/, "")}:${process.env.PATH}` },
      encoding: "utf8",
    });
    expect({ code: again.status, stderr: again.stderr }).toMatchObject({ code: 0 });
    expect(again.stderr).toContain(`an earlier run measured ${block} blocks`);
    const { base } = JSON.parse(await readFile(`${folder}/whole`, "utf8"));
    expect(base.name).toBe("nemotron-nano-tiny");
  });

  test("and SIGTERM end a run without a walk at once", async () => {
    const { child, says, ended } = start(["quantize", embedded, ...places("rounded"), ...rounded]);
    await says("\nQuantize");
    child.kill("SIGTERM");
    const { code, stderr } = await ended;
    expect(code).toBe(130);
    expect(stderr).toMatch(/\nstopped\n {2}kept: nothing.*\n {2}go on: .* quantize .*\n$/);
  });
});
