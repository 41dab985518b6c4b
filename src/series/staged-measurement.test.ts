import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { savedWalk } from "../../test/hostile/walk.ts";
import { startPush } from "../../test/support/push.ts";
import { silentReport } from "../ground/report.ts";
import { readSealed, writeSealed } from "../ground/sealed-json.ts";
import type { LocalHub } from "../local-hub/local-hub.ts";
import type { SavedWalk } from "../sensitivity/saved-walk.ts";
import { StagedMeasurement } from "./staged-measurement.ts";
import { measurementFiles, stagingBranch } from "./staged-records.ts";
import { WalkCheckpoint } from "./walk-checkpoint.ts";

const repository = "acme/Tiny-oQ8e";
const { manifest, walk, states, sensitivity } = measurementFiles;
const other = { path: "oqe-work/00000.json", content: new TextEncoder().encode("{}") };

let world: Awaited<ReturnType<typeof startPush>>;
let local: LocalHub;
let [warnings, infos]: [string[], string[]] = [[], []];
/** Held back until it is resolved: the uploads of the Hub's client. */
let gate: Promise<void> = Promise.resolve();
beforeEach(async () => {
  gate = Promise.resolve();
  [warnings, infos] = [[], []];
  world = await startPush(
    {},
    {
      fetch: async (input, init) => {
        if (String(input).includes("/preupload/")) await gate;
        return fetch(input, init);
      },
    },
  );
  local = world.local;
});

const open = (more: { recipe?: string; draft?: string; readsOnly?: boolean } = {}) =>
  StagedMeasurement.open({
    ...{ hub: world.hub, repository, private: false, recipe: "tiny-1", draft: "0123" },
    ...more,
    report: { info: (line) => infos.push(line), warn: (line) => warnings.push(line) },
  });

/** The checkpoint of a machine with an empty disk. */
async function onEmptyDisk(staged: StagedMeasurement): Promise<WalkCheckpoint> {
  const folder = await mkdtemp(join(tmpdir(), "oqe-measured-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const notes = { takeDigests: () => [], recall: () => true };
  return new WalkCheckpoint({ folder, notes, stop: () => {}, staged, report: silentReport });
}

const behind = (layer: number): SavedWalk => ({ ...savedWalk, layer });

async function save(...layers: number[]): Promise<StagedMeasurement> {
  const staged = await open();
  const log = await onEmptyDisk(staged);
  for (const layer of layers) await log.save(behind(layer));
  await staged.idle();
  return staged;
}

const paths = () => [...local.files(repository, stagingBranch).keys()];

async function change(files: Record<string, Uint8Array<ArrayBuffer>>, deleted: string[] = []) {
  const parent = local.head(repository, stagingBranch);
  const added = Object.entries(files).map(([path, content]) => ({ path, content }));
  const place = { repository, branch: stagingBranch, private: false, parent };
  await world.hub.stage({ ...place, files: added, deleted, title: "Change" });
}

async function bytesOf(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const { content } = (await world.hub.readBranch(repository, stagingBranch))!;
  const source = await content.open(path);
  return Uint8Array.from(await source.read(0, source.size));
}

test("a job that may not write goes on with what is there, and tries no commit", async () => {
  await save(1);
  const head = local.head(repository, stagingBranch);
  // A run with other inputs is at work: reading disturbs it in nothing.
  const reading = await open({ readsOnly: true, draft: "4567" });
  const log = await onEmptyDisk(reading);
  expect((await log.load())?.layer).toBe(1);
  world.requests.length = 0;
  await log.save(behind(2));
  await reading.settle();
  await reading.release();
  await reading.finish("{}");
  await reading.discard();
  expect(world.requests.filter(({ method }) => method !== "GET")).toEqual([]);
  expect(local.head(repository, stagingBranch)).toBe(head);
  expect([warnings, infos]).toEqual([[], []]);
});

test("a machine with an empty disk goes on behind the last block that was sent", async () => {
  await save(1);
  const staged = await open();
  const log = await onEmptyDisk(staged);
  expect(await log.load()).toEqual(savedWalk);
  await log.save(behind(2));
  await staged.idle();
  expect(await (await onEmptyDisk(await open())).load()).toEqual(behind(2));
});

test("a block is not sent while the last one still is, and the newest can be sent at the end", async () => {
  await save(0);
  let release = () => {};
  gate = new Promise((resolve) => {
    release = resolve;
  });
  const staged = await open();
  const log = await onEmptyDisk(staged);
  for (const layer of [1, 2, 3]) await log.save(behind(layer)); // the walk does not wait
  expect((await open()).layer).toBe(0);
  release();
  await staged.idle();
  expect((await open()).layer).toBe(1);
  expect(await (await onEmptyDisk(await open())).load()).toEqual(behind(1));
  await staged.settle();
  expect(await (await onEmptyDisk(await open())).load()).toEqual(behind(3));
  expect(warnings).toEqual([]);
});

test("the sensitivity takes the place of the walk; other files of the branch stay", async () => {
  await save(1);
  await change({ [other.path]: other.content });
  const staged = await open();
  await staged.finish("the result\n");
  expect(paths()).toEqual(
    [".gitattributes", other.path, "oqe-work/claim.json", manifest, sensitivity].sort(),
  );
  expect(await (await open()).sensitivity()).toBe("the result\n");
  expect((await open()).layer).toBeNull();
  expect(await (await open({ recipe: "tiny-2" })).sensitivity()).toBeNull();
});

test.each<[string, () => Promise<void>]>([
  ["hidden states", async () => change({ [states]: (await bytesOf(states)).fill(7, 9, 10) })],
  ["cut hidden states", async () => change({ [states]: (await bytesOf(states)).slice(1) })],
  ["a record", async () => change({ [walk]: (await bytesOf(walk)).fill(48, 9, 10) })],
  ["no record", () => change({}, [walk])],
  ["a manifest", async () => change({ [manifest]: (await bytesOf(manifest)).fill(48, 90, 91) })],
  [
    "a manifest of another measurement",
    async () => {
      const value = readSealed(new TextDecoder().decode(await bytesOf(manifest))) as object;
      const forged = writeSealed({ ...value, recipe: "tiny-2" });
      await change({ [manifest]: new TextEncoder().encode(forged) });
    },
  ],
])("%s that somebody changed: it is measured again, and saved", async (_, damage) => {
  await save(1);
  await damage();
  const staged = await open();
  const log = await onEmptyDisk(staged);
  expect(await log.load()).toBeNull();
  await log.save(behind(0));
  await staged.idle();
  expect(await (await onEmptyDisk(await open())).load()).toEqual(behind(0));
});

test("a changed sensitivity is not taken over", async () => {
  const staged = await save(1);
  await staged.finish('{"figure": 1}');
  await change({ [sensitivity]: new TextEncoder().encode('{"figure": 2}') });
  expect(await (await open()).sensitivity()).toBeNull();
});

test("a commit whose answer is lost does not end the staging", async () => {
  const staged = await open();
  const log = await onEmptyDisk(staged);
  await log.save(behind(0));
  await staged.idle();
  local.faults.push({ match: /^POST .*\/commit\//, times: 1, action: "drop-answer" });
  for (const layer of [1, 2]) {
    await log.save(behind(layer));
    await staged.idle();
  }
  expect(warnings).toEqual([]);
  expect(await (await onEmptyDisk(await open())).load()).toEqual(behind(2));
});

test("a token that may not write leaves it on the disk, which is told once", async () => {
  local.faults.push({ match: /^POST /, times: 100, action: { status: 403 } });
  const staged = await open();
  const log = await onEmptyDisk(staged);
  for (const layer of [0, 1]) {
    await log.save(behind(layer));
    await staged.idle();
  }
  expect(infos).toEqual([expect.stringContaining("kept on the disk only")]);
  expect(warnings).toEqual([]);
  expect(await log.load()).toEqual(behind(1));
});

test("a run with other inputs hears that this one has not ended", async () => {
  await save(1);
  await expect(open({ draft: "4567" })).rejects.toMatchObject({
    code: "CONFLICT",
    message: expect.stringMatching(/another run with other inputs works on acme\/.*by local/),
    hint: expect.stringContaining("delete the branch oqe-staging of http://127.0.0.1"),
  });
  // On another machine, and long ago.
  const claim = JSON.parse(new TextDecoder().decode(await bytesOf("oqe-work/claim.json")));
  const rewrite = (more: object) =>
    change({
      "oqe-work/claim.json": new TextEncoder().encode(JSON.stringify({ ...claim, ...more })),
    });
  await rewrite({ machine: "elsewhere" });
  await expect(open({ draft: "4567" })).rejects.toMatchObject({ code: "CONFLICT" });
  await rewrite({ machine: "elsewhere", until: "2020-01-01T00:00:00.000Z" });
  expect((await open({ draft: "4567" })).layer).toBe(1);
  // On this machine, by a process that has ended.
  await rewrite({ process: "1.1" });
  expect((await open({ draft: "4567" })).layer).toBe(1);
});
