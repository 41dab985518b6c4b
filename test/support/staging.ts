import { join } from "node:path";
import type { StagedFile, StageRequest } from "../../src/hub/hub-types.ts";
import { sha256 } from "./local-hub.ts";
import { commits, id, series, startPush, writeFolder } from "./push.ts";
import type { connectForTest } from "./scripted-server.ts";

export const branch = "oqe/staging-1"; // the slash must be escaped in addresses
export const shard = "model-00001-of-00002.safetensors";
export const other = "model-00002-of-00002.safetensors";
export const record = new Uint8Array(Buffer.from('{"block": 7}'));

/** A shard of `series` on the disk, to stage. */
export async function onDisk(path: string): Promise<StagedFile> {
  const bytes = series[path] as Uint8Array;
  const folder = await writeFolder("work", { [path]: bytes });
  return { path, file: join(folder, path), bytes: bytes.length, sha256: sha256(bytes) };
}

/** A local Hub, a client, and a first call of `stage`: a shard and a record. */
export async function startStaging(client: Parameters<typeof connectForTest>[1] = {}) {
  const world = await startPush({}, client);
  const first: StageRequest = {
    repository: id,
    branch,
    private: false,
    files: [await onDisk(shard), { path: "progress/record.json", content: record }],
    deleted: [],
    title: "Block 7",
    parent: null,
  };
  return {
    ...world,
    first,
    titles: () => commits(world.local.url, branch),
    stage: (more: object = {}) => world.hub.stage({ ...first, ...more }),
  };
}
