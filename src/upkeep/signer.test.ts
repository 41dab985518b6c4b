import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { signerOf } from "./signer.ts";

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

/** A workspace with a checkout of this address, as actions/checkout leaves it. */
function workspaceOf(name: string, url: string) {
  const workspace = join(folder, name);
  const at = join(workspace, ".oqe-publisher");
  for (const args of [
    ["init", "--quiet", at],
    ["-C", at, "remote", "add", "origin", url],
  ])
    expect(spawnSync("git", args).status).toBe(0);
  return { GITHUB_WORKSPACE: workspace };
}

describe("the signer of an attestation", () => {
  test("is the repository that series.yml checked out", async () => {
    for (const end of ["", ".git"]) {
      const variables = workspaceOf(`at${end}`, `https://github.com/maker/oqe-publisher${end}`);
      expect(await signerOf("acme/series", variables)).toBe("maker/oqe-publisher");
    }
  });

  test("is the caller if its workflow names the Action", async () => {
    const variables = { GITHUB_ACTION_REPOSITORY: "maker/oqe-publisher" };
    expect(await signerOf("acme/series", variables)).toBe("acme/series");
  });

  test("is not known without a checkout, or for another address", async () => {
    expect(await signerOf("acme/series", { GITHUB_WORKSPACE: folder })).toBeNull();
    for (const [k, url] of ["https://evil.example/a/b", "https://github.com/a b/$(x)"].entries())
      expect(await signerOf("acme/series", workspaceOf(`odd${k}`, url))).toBeNull();
  });
});
