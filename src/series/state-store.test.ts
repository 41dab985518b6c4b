import { spawnSync } from "node:child_process";
import { mkdir, readdir, truncate, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { beforeWrites, holdWrites, settle } from "../../test/support/slow-disk.ts";
import { mountSmall, onlyAsRoot } from "../../test/support/small-disk.ts";
import { silentReport } from "../ground/report.ts";
import { type Matrix, newMatrix } from "../kernel/matrix.ts";
import type { KeptStates } from "../models/rider.ts";
import { openRunFolder } from "./run-folder.ts";
import { withStates } from "./state-store.ts";

let folder: string;
beforeEach(async () => {
  folder = await scratchFolder();
});
afterEach(() => removeFolder(folder));

/** Values that a text or a rounded number would change. */
function states(rows: number, columns: number, first = 0): Matrix {
  const x = newMatrix(rows, columns);
  for (let i = 0; i < x.data.length; i++) x.data[i] = Math.sin(first + i) * 1e-30;
  x.data[0] = -0;
  return x;
}

/** Files below the folder, by name. */
async function files(): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
}

const bytes = 4 * 3 * 5;

describe("hidden states are kept", () => {
  test.each([
    ["in memory", 3 * bytes, 0],
    ["one of them in memory", 2 * bytes - 1, 2],
    ["in files", 0, 3],
  ])("exactly, %s", async (_, memory, inFiles) => {
    const all = [states(3, 5), states(3, 5, 100), states(3, 5, 200)];
    const told: string[] = [];
    const report = { info: (line: string) => told.push(line) };
    await withStates({ folder, memory, report }, async (keep) => {
      const back = await Promise.all(all.map(keep));
      expect(await files()).toHaveLength(inFiles);
      for (const [i, kept] of back.entries())
        expect([...(await kept.range(1, 3)).data]).toEqual([...all[i]!.data.subarray(5, 15)]);
      const found = await Promise.all(back.map((kept) => kept.take()));
      expect(found.map(({ rows, columns }) => [rows, columns])).toEqual(all.map(() => [3, 5]));
      for (const [i, { data }] of found.entries())
        expect(Buffer.from(new Uint8Array(data.buffer))).toEqual(
          Buffer.from(new Uint8Array(all[i]!.data.buffer)),
        );
      expect(await files()).toEqual([]);
    });
    expect(await readdir(folder)).toEqual([]);
    const how = `${inFiles * bytes} bytes of hidden states were kept in files below ${folder}`;
    expect(told).toEqual(inFiles === 0 ? [] : [how]);
  });

  test("in memory again as soon as others have left it", async () => {
    await withStates({ folder, memory: bytes, report: silentReport }, async (keep) => {
      const first = await keep(states(3, 5));
      const second = await keep(states(3, 5));
      expect(await files()).toHaveLength(1);
      await second.take();
      await first.take();
      await keep(states(3, 5));
      expect(await files()).toEqual([]);
    });
  });

  test("in more than one piece of a file", async () => {
    const x = states(5, 1 << 20);
    await withStates({ folder, memory: 0, report: silentReport }, async (keep) => {
      const { data } = await (await keep(x)).take();
      expect(data.findIndex((value, i) => value !== x.data[i])).toBe(-1);
    });
  });
});

describe("with room for two more states, files are", () => {
  /** The first three fill the memory. */
  const memory = 3 * bytes;
  const all = [0, 100, 200, 300, 400, 500].map((first) => states(3, 5, first));
  const same = async (kept: KeptStates, i: number) =>
    expect([...(await kept.take()).data]).toEqual([...all[i]!.data]);

  test("written behind: one at a time, and the next waits for it", async () => {
    const { waiting: writes, free } = await holdWrites();
    try {
      await withStates({ folder, memory, report: silentReport }, async (keep) => {
        const back = [await keep(all[0]!), await keep(all[1]!), await keep(all[2]!)];
        const rest = keep(all[3]!); // no room: written before the rider goes on
        await expect.poll(() => writes.length, { timeout: 30_000 }).toBe(1);
        writes[0]!.resolve();
        back.push(await rest);
        for (const i of [0, 1, 2, 3]) await same(back[i]!, i);
        back.push(await keep(all[4]!), await keep(all[5]!));
        const seventh = keep(all[0]!);
        await expect.poll(() => writes.length, { timeout: 30_000 }).toBe(2);
        await settle();
        expect(writes).toHaveLength(2);
        writes[1]!.resolve();
        await expect.poll(() => writes.length, { timeout: 30_000 }).toBe(3);
        writes[2]!.resolve();
        back.push(await seventh);
        for (const i of [4, 5]) await same(back[i]!, i);
        await same(back[6]!, 0);
      });
    } finally {
      free();
    }
    expect(await readdir(folder)).toEqual([]);
  });

  test("deleted, and no error is lost, where one cannot be written behind", async () => {
    let broken = false;
    const free = await beforeWrites(async () => {
      if (broken) throw Object.assign(new Error("EIO: i/o error, write"), { code: "EIO" });
    });
    try {
      const keeping = withStates({ folder, memory, report: silentReport }, async (keep) => {
        const back = [];
        for (const x of all.slice(0, 4)) back.push(await keep(x));
        for (const i of [0, 1, 2, 3]) await same(back[i]!, i);
        broken = true;
        await keep(all[4]!);
        await keep(all[5]!); // behind
        await keep(all[0]!);
      });
      await expect(keeping).rejects.toMatchObject({
        code: "DISK",
        message: expect.stringMatching(
          /^60 bytes of hidden states cannot be kept: .*disk reported/,
        ),
        cause: { code: "EIO" },
      });
    } finally {
      free();
    }
    expect(await readdir(folder)).toEqual([]);
  });

  test("read ahead: the states of the next rider are there before it asks", async () => {
    await withStates({ folder, memory, report: silentReport }, async (keep) => {
      const back = [];
      for (const x of all) back.push(await keep(x));
      for (const i of [0, 1, 2]) await same(back[i]!, i);
      await same(back[3]!, 3);
      const [place] = await readdir(folder);
      await settle();
      for (const name of await files()) await truncate(join(folder, place!, name), 7);
      await same(back[4]!, 4); // read before
      await expect(back[5]!.take()).rejects.toThrow(/became shorter: it has 7 of 60 bytes/);
    });
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("files of hidden states are deleted", () => {
  test("after a failure", async () => {
    const failing = withStates({ folder, memory: 0, report: silentReport }, async (keep) => {
      await keep(states(3, 5));
      throw new Error("a block failed");
    });
    await expect(failing).rejects.toThrow("a block failed");
    expect(await readdir(folder)).toEqual([]);
  });

  /** Leaves a file as a run does: `mark` names machine, process and run. Minutes since a beat. */
  async function leave(mark: string, minutes: number): Promise<string> {
    const at = join(folder, `.hidden-states.${mark}`);
    await mkdir(at);
    await writeFile(join(at, "0"), "states");
    const then = new Date(Date.now() - 60_000 * minutes);
    await utimes(at, then, then);
    return basename(at);
  }
  /** What names the machine or container in the folder of a run. */
  async function here(): Promise<string> {
    const run = await openRunFolder(folder, { prefix: "", suffix: "" });
    await run.close();
    return basename(run.path).split(".")[0]!;
  }

  test("by the next run, if the run that made them was killed", async () => {
    const { pid } = spawnSync("true");
    await leave(`${await here()}.${pid}.0.a`, 0);
    // A restarted container may have the same number.
    await leave(`${await here()}.${process.pid}.0.b`, 0);
    const alive = await leave(`${await here()}.${process.ppid}.0.c`, 60);
    // Another process with the number of the one that was killed.
    if (process.platform === "linux") await leave(`${await here()}.${process.ppid}.1.d`, 0);
    await withStates({ folder, memory: 0, report: silentReport }, async () => {});
    expect(await readdir(folder)).toEqual([alive]);
  });

  test("but never a folder that names no run: it may keep work for the next one", async () => {
    const kept = await leave("0123456789abcdef.partial", 60);
    await withStates({ folder, memory: 0, report: silentReport }, async () => {});
    expect(await readdir(folder)).toEqual([kept]);
  });

  test("not while a run in another container uses them", async () => {
    const { pid } = spawnSync("true");
    const alive = await leave(`elsewhere.${pid}.5.a`, 1);
    await leave(`elsewhere.${process.ppid}.5.b`, 10);
    await withStates({ folder, memory: 0, report: silentReport }, async (keep) => {
      await keep(states(3, 5));
      // Nor those of another walk of this process.
      await withStates({ folder, memory: 0, report: silentReport }, async () => {});
      expect(await files()).toHaveLength(2);
    });
    expect(await readdir(folder)).toEqual([alive]);
  });
});

describe("a disk that fails is named, and what was kept on it", () => {
  const error = (message: RegExp) =>
    expect.objectContaining({
      code: "DISK",
      message: expect.stringMatching(message),
      hint: expect.stringContaining("memory-limit"),
    });

  test("where no folder can be made", async () => {
    const place = join(folder, "file");
    await writeFile(place, "");
    const keeping = withStates(
      { folder: join(place, "work"), memory: 0, report: silentReport },
      (keep) => keep(states(3, 5)),
    );
    await expect(keeping).rejects.toThrow(
      error(/^60 bytes of hidden states cannot be kept: .*file\/work cannot be used/),
    );
  });

  test("where it is full", async ({ skip }) => {
    const place = join(folder, "small");
    const unmount = await mountSmall(place, "1m");
    if (unmount === null) return skip(onlyAsRoot);
    try {
      const keeping = withStates({ folder: place, memory: 0, report: silentReport }, (keep) =>
        keep(states(1, 1 << 19)),
      );
      await expect(keeping).rejects.toThrow(
        error(/^2097152 bytes of hidden states cannot be kept: not enough disk space in .*small/),
      );
      expect(await readdir(place)).toEqual([]);
    } finally {
      unmount();
    }
  });

  test("where a file has changed", async () => {
    await withStates({ folder, memory: 0, report: silentReport }, async (keep) => {
      const kept = await keep(states(3, 5));
      const [own] = await readdir(folder);
      await truncate(join(folder, own!, "0"), 7);
      await expect(kept.take()).rejects.toThrow(error(/became shorter: it has 7 of 60 bytes/));
    });
  });
});
