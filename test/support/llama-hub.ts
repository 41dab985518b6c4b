import { afterAll, beforeAll } from "vitest";
import { type LocalHub, startLocalHub } from "../../src/local-hub/local-hub.ts";
import { byArchitecture, removeFolder, scratchFolder } from "./models.ts";

/** A folder and a local Hub with the base `base/llama-tiny`, for the tests of a file. */
export function llamaHub(): { readonly folder: string; readonly hub: LocalHub } {
  let folder: string;
  let hub: LocalHub;
  beforeAll(async () => {
    folder = await scratchFolder();
    hub = await startLocalHub({ folder: `${folder}/hub` });
    await hub.seed("base/llama-tiny", byArchitecture.llama!);
  });
  afterAll(async () => {
    await hub.close();
    await removeFolder(folder);
  });
  return {
    get folder() {
      return folder;
    },
    get hub() {
      return hub;
    },
  };
}
