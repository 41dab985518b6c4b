import { readdir, rm } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCli, runCliAlone } from "../support/cli-run.ts";
import { environmentOf, type Fault, filler } from "../support/fault.ts";
import { folderHashes } from "../support/folder-hashes.ts";
import { removeFolder, scratchFolder, smallest } from "../support/models.ts";
import { mountSmall, onlyAsRoot } from "../support/small-disk.ts";

/** Faults in the middle of a walk that tunes and evaluates, through the whole command. */
const args = (out: string) => [
  ...["quantize", smallest.nemotron_h!, "--out", out, "--policy", "oq", "--tiers", "oQ6e,oQ4e"],
  ...["--calibration-samples", "8", "--calibration-length", "64", "--workers", "2"],
  ...["--evaluation-samples", "4", "--evaluation-length", "64", ...limit],
];
/** The least memory that the run accepts: then hidden states are kept in files. */
let limit: readonly string[] = ["--memory-limit", "1MB"];
let folder: string;
let whole: Record<string, string>;
beforeAll(async () => {
  folder = await scratchFolder();
  const { stderr } = await runCli(args(`${folder}/none`));
  limit = ["--memory-limit", /Set memory-limit ([\d.]+GB) or more/.exec(stderr)![1]!];
  const made = await runCli(args(`${folder}/whole`));
  expect(made).toMatchObject({ code: 0, stderr: expect.stringMatching(/kept in files below/) });
  whole = await folderHashes(`${folder}/whole`);
});
afterAll(() => removeFolder(folder));

/** The run must end with one message. It leaves nothing but finished parts for the next run. */
async function expectEnded(out: string, fault: Fault, code: string, says: RegExp) {
  const ended = await runCliAlone(args(out), environmentOf(fault));
  const errors = ended.stderr.split("\n").filter((line) => line.startsWith("error: "));
  expect({ code: ended.code, errors }).toEqual({ code: 1, errors: [expect.stringMatching(says)] });
  expect(errors[0]).toContain(`[${code}]`);
  expect(ended.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  const left = await readdir(out).catch(() => []); // an empty folder goes
  expect(left.filter((name) => !/^\.nemotron_h-oQ[46]e\.[^.]+\.partial$/.test(name))).toEqual([]);
}

/** The next run goes on, and its files are those of a run without a fault. */
async function expectWhole(out: string) {
  expect(await runCli(args(out))).toMatchObject({ code: 0 });
  expect(await folderHashes(out)).toEqual(whole);
}

describe("a disk that is full in the middle of a walk ends the run with one message", () => {
  test.for<readonly [what: string, path: string, at: number, says: RegExp]>([
    [
      "at a shard",
      "\\.safetensors$",
      60,
      /not enough disk space in .*: \d+ bytes are needed, 0 are/,
    ],
    ["at the journal of finished parts", "parts\\.jsonl$", 1, /not enough disk space in .*, 0 are/],
    [
      "at hidden states",
      "/\\.hidden-states\\.",
      4,
      /: \d+ bytes of hidden states cannot be kept: not enough disk space in .*, 0 are free/,
    ],
  ])("%s, and the next run goes on", async ([, path, at, says], { skip }) => {
    const disk = `${folder}/disk-${at}`;
    const unmount = await mountSmall(disk, "16m");
    if (unmount === null) return skip(onlyAsRoot);
    try {
      const fault = { kind: "full", folder: disk, path, at } as const;
      await expectEnded(`${disk}/out`, fault, "DISK", says);
      await rm(filler(disk));
      await expectWhole(`${disk}/out`);
    } finally {
      unmount();
    }
  });
});

test("a worker that traps ends the run with one message, and the next run goes on", async () => {
  const fault = { kind: "trap", job: "tune", at: 5 } as const;
  await expectEnded(`${folder}/trap`, fault, "KERNEL", /: the kernel trapped/);
  await expectWhole(`${folder}/trap`);
});

test("a slow disk changes nothing but the time", async () => {
  const slow = environmentOf({ kind: "slow", milliseconds: 2 });
  expect(await runCliAlone(args(`${folder}/slow`), slow)).toMatchObject({ code: 0 });
  expect(await folderHashes(`${folder}/slow`)).toEqual(whole);
});
