import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { readFolder } from "../../src/hub/folder.ts";
import { type Hub, type PushRequest, receiptPath } from "../../src/hub/hub-types.ts";
import {
  type LocalHub,
  type LocalHubOptions,
  type SeenRequest,
  startLocalHub,
} from "../../src/local-hub/local-hub.ts";
import { scratchFolder } from "./local-hub.ts";
import { connectForTest } from "./scripted-server.ts";

/** The repository that tests push to. */
export const id = "acme/Tiny-oQ8e";

export const bytes = (length: number, seed: number) =>
  Uint8Array.from({ length }, (_, index) => ((index + seed) * 2654435761) >>> 13);

/** Files of a small tier: some large, two of them equal, one empty. */
export const series: Record<string, string | Uint8Array> = {
  "README.md": "---\nlibrary_name: mlx\n---\n# Tiny\n",
  "config.json": "{}",
  [receiptPath]: '{"format": 1}',
  "model-00001-of-00002.safetensors": bytes(100_000, 1),
  "model-00002-of-00002.safetensors": bytes(250_001, 2),
  "copy-of-one.safetensors": bytes(100_000, 1),
  "sub/notes.txt": "fine",
  "empty.txt": "",
};

/** A new folder of that name with these files. */
export async function writeFolder(
  name: string,
  files: Record<string, string | Uint8Array>,
): Promise<string> {
  const folder = join(await scratchFolder(), name);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
  return folder;
}

/** A local Hub with its requests, a client, and a push of a folder after a look at the repo. */
export async function startPush(
  options: Partial<LocalHubOptions> = {},
  client: Parameters<typeof connectForTest>[1] = {},
) {
  const requests: SeenRequest[] = [];
  const local = await startLocalHub({
    folder: await scratchFolder(),
    onRequest: (one) => requests.push(one),
    ...options,
  });
  onTestFinished(() => local.close());
  const connected = connectForTest(local.url, client);
  const ask = async (folder: string, hub: Hub = connected.hub): Promise<PushRequest> => ({
    repository: id,
    folder,
    state: await hub.inspect(id),
    expected: new Map(Object.entries(await hashes(folder).catch(() => ({})))),
    keep: [],
    private: false,
    title: "Publish oQ8e",
    description: "all of it",
  });
  return {
    local,
    requests,
    ...connected,
    ask,
    push: async (folder: string) => connected.hub.push(await ask(folder)),
    count: (pattern: RegExp) =>
      requests.filter((one) => pattern.test(`${one.method} ${one.url}`)).length,
  };
}

/** Path -> SHA-256 of the files on main, without the Hub's own. */
export function published(local: LocalHub): Record<string, string> {
  return Object.fromEntries(
    [...local.files(id)]
      .filter(([path]) => path !== ".gitattributes")
      .map(([path, file]) => [path, file.sha256]),
  );
}

/** The same of a folder. */
export async function hashes(folder: string) {
  return Object.fromEntries(
    (await readFolder(folder, () => {})).map((file) => [file.path, file.sha256]),
  );
}

/** Titles of the commits of main or another branch, newest first, as the Hub lists them. */
export async function commits(url: string, branch = "main"): Promise<string[]> {
  const response = await fetch(`${url}/api/models/${id}/commits/${encodeURIComponent(branch)}`);
  return ((await response.json()) as { title: string }[]).map((commit) => commit.title);
}
