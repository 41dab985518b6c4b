import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HeldRuns } from "../src/checkpoint/held-runs.ts";
import { ShardProof } from "../src/checkpoint/shard-proof.ts";
import { silentReport } from "../src/ground/report.ts";
import { withStates } from "../src/series/state-store.ts";

/**
 * What it costs to prove the bytes of a block of experts while a walk reads them: 128 experts of
 * two matrices in bf16, half the rows of the 30B's, in the order of their names.
 *   node bench/proof.ts
 */
const each = 1856 * 2688;
const walk = Array.from({ length: 128 }, (_, e) => [`${e}.down`, `${e}.up`]).flat();
const inFile = [...walk].sort();
const head = 8;
const size = head + each * walk.length;
const file = Buffer.alloc(size);
for (let i = 0; i < size; i += 509) file[i] = i >> 3;
const value = createHash("sha256").update(file).digest("hex");
const bounds = inFile.map((_, i) => head + i * each);
const start = new Map(inFile.map((name, i) => [name, bounds[i]!]));

let given = 0;
const into = new Uint8Array(new SharedArrayBuffer(each));
async function read(offset: number, length: number, to = new Uint8Array(length)) {
  given += length;
  file.copy(to, 0, offset, offset + length);
  return to;
}

async function time(what: string, run: () => Promise<void>): Promise<void> {
  given = 0;
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  const seconds = (user + system) / 1e6 / (size / 1e9);
  console.log(`${what}: ${seconds.toFixed(2)} CPU s a GB, ${(given / size).toFixed(2)} reads`);
}

function open(held: HeldRuns): ShardProof {
  const listed = { algorithm: "sha256", value } as const;
  const source = { name: "shard", size, read };
  const shard = { source, listed, head: file.subarray(0, head), bounds: [...bounds, size] };
  return new ShardProof(shard, held);
}

async function readAll(from: Pick<ShardProof, "read">, names: readonly string[]): Promise<void> {
  for (const name of names) await from.read(start.get(name)!, each, into);
}

await time("copied only", () => readAll({ read }, walk));
const proof = open(new HeldRuns());
await time("first reading, in the order of the file", async () => {
  await readAll(proof, inFile);
  await proof.finish();
});
await time("second reading", () => readAll(proof, walk));
const folder = await mkdtemp(join(tmpdir(), "oqe-proof-"));
for (const most of [size, 0]) {
  await withStates({ folder, memory: 0, report: silentReport }, async (_, keep) => {
    const held = new HeldRuns();
    held.useOutside({ keep, most });
    const other = open(held);
    const room = most === 0 ? "32 MiB of room" : "room in files";
    await time(`first reading, in the order of the walk, ${room}`, async () => {
      await readAll(other, walk);
      await other.finish();
    });
  });
}
await rm(folder, { recursive: true });
