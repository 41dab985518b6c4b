import { readdir, readFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { evaluatedRows, fewRows, runCli } from "./support/cli-run.ts";
import { killedWhen, partsIn } from "./support/killed-run.ts";
import { embedded, removeFolder, scratchFolder, smallest } from "./support/models.ts";

// One bit of an answer is wrong; its length and status are right. Each fault is of the storage.

const model = `${smallest.nemotron_h!}`;
const id = "base/tiny";
const tier = "acme/tiny-oQ6e";
let folder: string;
let hub: LocalHub;
let runs = 0;

beforeAll(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({ folder: `${folder}/hub` });
  await hub.seed(id, model);
});
beforeEach(() => {
  hub.faults.length = 0;
});
afterAll(async () => {
  await hub.close();
  await removeFolder(folder);
});

const work = () => `${folder}/work-${runs}`;

const environment = () => ({ HF_ENDPOINT: hub.url, HF_TOKEN: "hf_tokenOfTheTest" });

function argumentsOf(...more: string[]): string[] {
  const args = ["publish", id, "--namespace", "acme", "--tiers", "oQ6e", "--work-dir", work()];
  return [...args, ...evaluatedRows, ...more];
}

/** Measures, tunes, evaluates and publishes one tier, in the work folder of the last run. */
function publishAgain(...more: string[]) {
  return runCli(argumentsOf(...more), environment());
}

/** The same in a new work folder. */
function publish(...more: string[]) {
  runs++;
  return publishAgain(...more);
}

/** Flips a bit of a byte of a file: in `times` readings of it, `after` so many. */
function flip(file: string, byte: number, times: number, after = 0): void {
  const path = file.replaceAll(".", "\\.");
  const match = new RegExp(`^GET .*${path}`);
  hub.faults.push({ match, times, after, action: { flip: byte } });
}

/** Nothing is on main, and no folder looks finished. */
async function expectNothing(): Promise<void> {
  const files = [...hub.files(tier).keys()];
  expect(files.filter((path) => path !== ".gitattributes")).toEqual([]);
  const names = await readdir(work()).catch(() => []);
  expect(names.filter((name) => name.startsWith("tiny-"))).toEqual([]);
}

const saved = () => readdir(`${work()}/sensitivities`).catch(() => []);

/** Places of bytes in the shard: where its data starts, in the first block, the last one. */
async function placesOfShard(folder = model) {
  const bytes = await readFile(`${folder}/model.safetensors`);
  const start = 8 + Number(bytes.readBigUInt64LE());
  const text = bytes.subarray(8, start).toString();
  // In a large matrix of the first block: a walk reads it once. What is read for the header ends
  // before it.
  const entries: [string, { data_offsets: [number, number] }][] = Object.entries(JSON.parse(text));
  const [, { data_offsets: place }] = entries.find(
    ([name, entry]) => name.endsWith("layers.0.mixer.in_proj.weight") && entry.data_offsets,
  )!;
  expect(start + place[1]).toBeGreaterThan(1 << 16);
  return { start, first: start + place[1] - 1, end: bytes.length - 1, text };
}

describe("a wrong bit", () => {
  test.each(["config.json", "tokenizer.json"])("that stays in %s ends the run", async (file) => {
    flip(file, 10, 1000);
    const { code, stderr } = await publish();
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`error: base/tiny@[0-9a-f]{40}/${file} does not have the`));
    expect(stderr).toContain("[NETWORK]");
    await expectNothing();
  });

  test("in the measuring reading ends the run, and no sensitivity is saved", async () => {
    const { end } = await placesOfShard();
    flip("model.safetensors", end, 1);
    const { code, stderr } = await publish();
    expect({ code, stderr }).toMatchObject({ code: 1 });
    expect(stderr).toMatch(/the bytes of .*model\.safetensors were wrong when they were read/);
    expect(stderr).toContain("a reading over another connection has it");
    expect(await saved()).toEqual([]);
    await expectNothing();
  });

  test("in the tuning reading of a run that does not measure leaves nothing to go on with", async () => {
    const { end } = await placesOfShard();
    flip("model.safetensors", end, 1);
    const { code, stderr } = await publish("--policy", "oq");
    expect({ code, stderr }).toMatchObject({ code: 1 });
    expect(stderr).toMatch(/the bytes of .*model\.safetensors were wrong when they were read/);
    await expectNothing();
    const second = await publishAgain("--policy", "oq", "--dry-run");
    expect({ code: second.code, stderr: second.stderr }).toMatchObject({ code: 0 });
    expect(second.stderr + second.stdout).not.toContain("by an earlier run");
  });

  test("in the reading of a killed run is found by the run that goes on", async () => {
    await hub.seed("base/deep", embedded); // it is not read whole before its first part is finished
    const { first } = await placesOfShard(embedded);
    runs++;
    flip("model.safetensors", first, 1);
    const place = ["--namespace", "acme", "--tiers", "oQ4e", "--work-dir", work()];
    const args = ["publish", "base/deep", ...place, ...fewRows];
    const reached = async () => (await partsIn(work())) > 0;
    expect(await killedWhen(reached, args, environment())).toBe(true);
    expect(hub.faults[0]!.times).toBe(0);
    const { code, stderr } = await runCli(args, environment());
    expect({ code, stderr }).toMatchObject({ code: 1 });
    expect(stderr).toContain("by an earlier run");
    expect(stderr).toMatch(/bytes \d+ to \d+ of .*model\.safetensors .* differ/);
    expect(await partsIn(work())).toBe(0);
    expect(hub.head("acme/deep-oQ4e", "oqe-staging")).toBeNull();
  });

  test("in all readings alike ends the run, by the commit's SHA-256", async () => {
    const { start } = await placesOfShard();
    flip("model.safetensors", start + 1001, 1000);
    const { code, stderr } = await publish();
    expect({ code, stderr }).toMatchObject({ code: 1 });
    expect(stderr).toMatch(/model\.safetensors does not have the bytes of its commit: .*SHA-256/);
    await expectNothing();
  });

  test("of a header that still can be read ends the run", async () => {
    const { text } = await placesOfShard();
    flip("model.safetensors", 8 + text.indexOf('"pt"') + 1, 1);
    const { code, stderr } = await publish();
    expect({ code, stderr }).toMatchObject({ code: 1 });
    expect(stderr).toContain("were wrong when they were read, from 0 on");
    await expectNothing();
  });
});

test("what a second reading corrects leaves no trace in the tier", async () => {
  const { end, text } = await placesOfShard();
  flip("config.json", 10, 1);
  flip("tokenizer_config.json", 10, 1);
  flip("model.safetensors", 8 + text.indexOf('"dtype"'), 1); // the header cannot be read
  flip("model.safetensors", end, 1, 1); // when it is tuned
  const healed = await publish();
  expect(healed.code === 0 ? "" : healed.stderr).toBe("");
  expect(hub.faults.map(({ times }) => times)).toEqual([0, 0, 0, 0]);
  expect(healed.stderr + healed.stdout).toContain("came wrong: reading them again");
  const receiptOf = async (folder: string) =>
    JSON.parse(await readFile(`${folder}/tiny-oQ6e/oqe-receipt.json`, "utf8"));
  const receipt = await receiptOf(work());
  const { size } = hub.files(id).get("model.safetensors")!;
  expect(receipt.verifiedBase).toEqual({ shards: 1, bytes: size });
  const out = `${folder}/undisturbed`;
  const args = ["quantize", id, "--tiers", "oQ6e", "--out", out, ...evaluatedRows];
  const { code, stderr } = await runCli(args, { HF_ENDPOINT: hub.url });
  expect({ code, stderr }).toMatchObject({ code: 0 });
  expect((await receiptOf(out)).files).toEqual(receipt.files);
});
