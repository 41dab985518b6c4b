import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { lockFolder, lockFolders, whileLocked } from "./folder-lock.ts";

let root: string;
let place: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "oqe-lock-"));
  place = join(root, "work", "Tiny-oQ4e");
});
afterEach(() => rm(root, { recursive: true, force: true }));

const names = () => readdir(join(root, "work"));
const failure = (promise: Promise<unknown>) =>
  promise.then(
    () => null,
    (error: unknown) => error,
  );

/** Another process that locks a folder and then does nothing. */
async function holdElsewhere(folder: string): Promise<ChildProcess> {
  const source = new URL("./folder-lock.ts", import.meta.url).href;
  const script =
    `const { lockFolder } = await import(${JSON.stringify(source)});` +
    `await lockFolder(${JSON.stringify(folder)}); console.log("locked"); setInterval(() => {}, 1e6);`;
  const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout!, "data");
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = once(child, "close");
  child.kill("SIGKILL");
  await ended;
}

describe("a locked folder", () => {
  test("is refused to a second run, which hears who has it since when, until it is free", async () => {
    const before = new Date().toISOString();
    const lock = await lockFolder(place);
    const refused = await failure(lockFolder(place));
    expect(refused).toMatchObject({ code: "CONFLICT", hint: expect.stringContaining("work-dir") });
    const { message } = refused as Error;
    expect(message).toContain(`works in ${place}: process ${process.pid} on ${hostname()} since `);
    const since = message.split(" since ")[1]!;
    expect(since >= before && since <= new Date().toISOString()).toBe(true);
    await lock.release();
    expect(await names()).toEqual([]);
    await (await lockFolder(place)).release();
  });

  test("of another process is refused while it lives, and taken over when it was killed", async () => {
    const child = await holdElsewhere(place);
    expect(await failure(lockFolder(place))).toMatchObject({
      code: "CONFLICT",
      message: expect.stringContaining(`process ${child.pid} on ${hostname()}`),
    });
    await kill(child);
    expect(await names()).toHaveLength(1);
    const lock = await lockFolder(place);
    expect(await names()).toHaveLength(1);
    await lock.release();
    expect(await names()).toEqual([]);
  });

  test("leaves other folders free", async () => {
    const lock = await lockFolder(place);
    const other = await lockFolder(`${place}.x`);
    await Promise.all([lock.release(), other.release()]);
  });
});

test("of many runs that ask at once, one gets the lock and the others give way", async () => {
  for (let round = 0; round < 5; round++) {
    const asked = await Promise.allSettled(Array.from({ length: 6 }, () => lockFolder(place)));
    const got = asked.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(got).toHaveLength(1);
    for (const one of asked)
      if (one.status === "rejected") expect(one.reason).toMatchObject({ code: "CONFLICT" });
    await got[0]!.release();
  }
  expect(await names()).toEqual([]);
});

test("of several folders all are locked, or none", async () => {
  const [a, b] = [join(root, "work", "a"), join(root, "work", "b")];
  const lock = await lockFolder(b);
  expect(await failure(lockFolders([a, b]))).toMatchObject({ code: "CONFLICT" });
  await (await lockFolder(a)).release();
  await lock.release();
  await (await lockFolders([a, b])).release();
  expect(await names()).toEqual([]);
});

test("a folder that cannot be written to is refused with the reason", async () => {
  const file = join(root, "file");
  await writeFile(file, "");
  expect(await failure(lockFolder(join(file, "x")))).toMatchObject({ code: "DISK" });
  await symlink(join(root, "loop"), join(root, "loop"));
  expect(await failure(lockFolder(join(root, "loop", "x")))).toMatchObject({
    code: "DISK",
    message: expect.stringContaining("circle"),
  });
  if (process.getuid?.() === 0) return; // root may write everywhere
  await chmod(root, 0o500);
  expect(await failure(lockFolder(join(root, "x")))).toMatchObject({ code: "DISK" });
  await chmod(root, 0o700);
});

test("folders above that a run makes are removed, but not those that hold something or were there", async () => {
  const fails = () => Promise.reject(new Error("refused"));
  const deep = join(root, "out", "deeper", "Tiny-oQ4e");
  await expect(whileLocked([deep, `${deep}.x`], fails)).rejects.toThrow("refused");
  expect(await readdir(root)).toEqual([]);

  await mkdir(join(root, "out"));
  await expect(whileLocked([deep], fails)).rejects.toThrow("refused");
  expect(await readdir(root)).toEqual(["out"]);
  expect(await readdir(join(root, "out"))).toEqual([]);

  const keep = () => writeFile(join(root, "out", "deeper", "part"), "").then(fails);
  await expect(whileLocked([deep], keep)).rejects.toThrow("refused");
  expect(await readdir(join(root, "out", "deeper"))).toEqual(["part"]);
});
