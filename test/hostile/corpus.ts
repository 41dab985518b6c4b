import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type HostileCase, shard } from "./case.ts";
import { configCases } from "./configs.ts";
import { headerCases } from "./headers.ts";
import { repositoryCases } from "./repositories.ts";

/** All hostile model folders. docs/benchmarks.md names their number. */
export const hostileCases: readonly HostileCase[] = [
  ...headerCases,
  ...configCases,
  ...repositoryCases,
];

/** Writes a case to disk, runs `visit` on its model folder, and removes it. */
export async function withHostileFolder(
  hostile: HostileCase,
  visit: (folder: string) => Promise<void>,
): Promise<void> {
  const parent = await mkdtemp(join(tmpdir(), "oqe-hostile-"));
  const folder = join(parent, "model");
  const beside = {
    "outside/secret.safetensors": shard("w"),
    "model-evil/secret.safetensors": shard("w"),
  };
  try {
    for (const [path, content] of Object.entries(beside)) await put(join(parent, path), content);
    for (const [path, content] of Object.entries(hostile.files))
      await put(join(folder, path), content);
    for (const [path, target] of Object.entries(hostile.links ?? {}))
      await symlink(target, join(folder, path));
    await visit(folder);
  } finally {
    await rm(parent, { recursive: true, force: true });
  }
}

async function put(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

if (import.meta.main) console.log(`${hostileCases.length} hostile model folders`);
