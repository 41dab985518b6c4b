import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { beforeAll, describe, expect, test } from "vitest";
import { lockFolder } from "../../src/series/folder-lock.ts";
import { evaluatedRows, runCli } from "../support/cli-run.ts";
import { byArchitecture } from "../support/models.ts";
import { refusalScene } from "../support/refusal.ts";
import { mountSmall } from "../support/small-disk.ts";

/** Places that a run cannot write to. It must say so before it measures. */
const scene = refusalScene(async ({ hub }) => {
  await hub.seed("base/tiny", byArchitecture.llama!);
});

/** A run that measures, tunes and evaluates, so that a late refusal would cost its hours. */
const whole = ["--tiers", "oQ4e", ...evaluatedRows];
const commands = {
  quantize: (place: string) => ["quantize", byArchitecture.llama!, "--out", place, ...whole],
  publish: (place: string) => [
    ...["publish", "base/tiny", "--namespace", "acme", "--work-dir", place, ...whole],
  ],
  sensitivity: (place: string) => [
    ...["sensitivity", "base/tiny", "--work-dir", place, ...whole.slice(2, 6)],
  ],
};

async function expectEarly(args: readonly string[], code: string, says: RegExp): Promise<void> {
  const result = await runCli(args, { HF_ENDPOINT: scene.hub.url, HF_TOKEN: "hf_good" });
  expect(result.code).toBe(1);
  const errors = result.stderr.split("\n").filter((line) => line.startsWith("error: "));
  expect(errors).toHaveLength(1);
  expect(errors[0]).toContain(`[${code}]`);
  expect(errors[0]).toMatch(says);
  expect(result.stderr).not.toMatch(/^(Measure|Quantize)$/m);
  expect(scene.hub.head("acme/tiny-oQ4e")).toBeNull();
}

beforeAll(async () => {
  await writeFile(`${scene.folder}/file`, "");
  await symlink(`${scene.folder}/circle`, `${scene.folder}/circle`);
  await symlink(`${scene.folder}/gone`, `${scene.folder}/dangling`);
});

describe.each(Object.entries(commands))("oqe %s refuses, before it measures,", (_, command) => {
  test.each([
    ["a file", "file", /it is a file, not a folder|, is a file/],
    ["a place below a file", "file/a/b", /it, or a folder above it, is a file/],
    ["links in a circle", "circle", /its symbolic links form a circle/],
    ["a link to nothing", "dangling", /it is a symbolic link to .*gone, which does not exist/],
    ["a name that is too long", "x".repeat(300), /its name is too long/],
  ])("%s", async (_what, name, says) => {
    await expectEarly(command(`${scene.folder}/${name}`), "DISK", says);
  });

  test.runIf(process.platform === "linux")("a place in /proc", async () => {
    await expectEarly(command("/proc/nowhere"), "DISK", /the system makes no folders in \/proc/);
  });

  test("a read-only disk", async () => {
    const disk = `${scene.folder}/read-only-${command("").length}`;
    const unmount = await mountSmall(disk, "1m", "ro");
    if (unmount === null) return;
    try {
      await expectEarly(command(disk), "DISK", /it is on a read-only disk/);
      await expectEarly(command(`${disk}/a/b`), "DISK", /it is on a read-only disk/);
    } finally {
      unmount();
    }
  });
});

test("a disk without room for tiers and measurement together is refused before measuring", async () => {
  const disk = `${scene.folder}/small`;
  const unmount = await mountSmall(disk, "300k");
  if (unmount === null) return;
  try {
    await expectEarly(
      commands.publish(`${disk}/work`),
      "DISK",
      /\d+ bytes are needed, 30\d+ are free/,
    );
    expect(await readdir(`${disk}/work`).catch(() => [])).toEqual([]);
  } finally {
    unmount();
  }
});

test("a file that the sensitivity cannot be written to is refused before measuring", async () => {
  const args = commands.sensitivity(`${scene.folder}/measured`);
  const out = ["--out", `${scene.folder}/nowhere/sensitivity.json`];
  await expectEarly([...args, ...out], "DISK", /it does not exist/);
});

describe("a folder that another run works in", () => {
  test.each(["quantize", "publish"] as const)("is refused to %s, by name", async (name) => {
    const place = `${scene.folder}/shared`;
    await mkdir(place, { recursive: true });
    const model = name === "quantize" ? "llama" : "tiny";
    const lock = await lockFolder(`${place}/${model}-oQ4e`);
    const holder = `process ${process.pid} on ${hostname()} since 2`;
    await expectEarly(commands[name](place), "CONFLICT", new RegExp(holder));
    await lock.release();
    expect((await readdir(place)).filter((one) => one.includes("lock"))).toEqual([]);
  });
});
