import { readdir, readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startLocalHub } from "../src/local-hub/local-hub.ts";
import { rounded, runCli, runCliAlone } from "./support/cli-run.ts";
import { folderHashes } from "./support/folder-hashes.ts";
import { killedAt } from "./support/killed-run.ts";
import { embedded, removeFolder, scratchFolder } from "./support/models.ts";

// tuned-determinism.test.ts tests method tuned.
describe("the same inputs give the same rounded bytes, card and receipt included", () => {
  let folder: string;
  let first: Record<string, string>;

  const quantize = async (out: string, more: readonly string[] = [], run = runCli) => {
    const { code, stderr } = await run([
      "quantize",
      embedded,
      "--out",
      `${folder}/${out}`,
      ...rounded,
      ...more,
    ]);
    if (code !== 0) throw new Error(stderr);
    return folderHashes(`${folder}/${out}`);
  };

  beforeAll(async () => {
    folder = await scratchFolder();
    first = await quantize("first", ["--workers", "2"]);
  });
  afterAll(() => removeFolder(folder));

  test("in four folders", () => {
    expect(Object.keys(first).filter((path) => path.endsWith("model.safetensors"))).toHaveLength(4);
    expect(Object.keys(first).filter((path) => path.endsWith("README.md"))).toHaveLength(4);
  });

  test.each(["1", "3"])("with %s workers, in a new process", async (workers) => {
    const own = ["--workers", workers];
    expect(await quantize(`workers-${workers}`, own, runCliAlone)).toEqual(first);
  });

  test("one tier at a time, except for other tiers on card and receipt", async () => {
    for (const tier of ["oQ8e", "oQ4e"]) {
      const alone = await quantize(`alone-${tier}`, ["--tiers", tier]);
      for (const [path, hash] of Object.entries(alone)) {
        if (!/README\.md|SHA256SUMS|oqe-receipt\.json/.test(path))
          expect({ path, hash }).toEqual({ path, hash: first[path] });
      }
    }
  });

  test("after a kill at any point, and every visible folder is complete", async () => {
    const out = `${folder}/killed`;
    await quantize("killed", ["--rounding", "mlx"]); // a series that the next run replaces
    let reached = 0;
    // Killed when this file appears. The last signs are those of the renames.
    for (const sign of [
      "partial",
      "model.safetensors",
      "config.json",
      "oqe-receipt.json",
      "README.md",
      "old",
    ]) {
      if (await killedAt(sign, out, ["quantize", embedded, "--out", out, ...rounded])) reached++;
      const visible = (await readdir(out)).filter((name) => !name.startsWith("."));
      expect(visible.length).toBeGreaterThanOrEqual(3); // one may be missing between two renames
      for (const name of visible) {
        const { files } = JSON.parse(await readFile(`${out}/${name}/oqe-receipt.json`, "utf8"));
        expect(await readdir(`${out}/${name}`)).toEqual(
          expect.arrayContaining([...Object.keys(files), "README.md"]),
        );
      }
    }
    expect(reached).toBeGreaterThanOrEqual(4);
    expect(await quantize("killed")).toEqual(first);
  });

  test("from the Hub and from a folder", async () => {
    const hub = await startLocalHub({ folder: `${folder}/hub` });
    try {
      await hub.seed("base/nemotron-nano-tiny", embedded);
      const out = `${folder}/from-hub`;
      const { code, stderr } = await runCli(
        ["quantize", "base/nemotron-nano-tiny", "--out", out, ...rounded],
        {
          HF_ENDPOINT: hub.url,
        },
      );
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      const fromHub = await folderHashes(out);
      const weights = (all: Record<string, string>) =>
        Object.fromEntries(
          Object.entries(all).filter(
            ([path]) => !/README\.md|SHA256SUMS|oqe-receipt\.json/.test(path),
          ),
        );
      expect(weights(fromHub)).toEqual(weights(first));
    } finally {
      await hub.close();
    }
  });

  test.each(["README.md", "oqe-bits.svg", "oqe-bits-dark.png"])(
    "%s is a function of the receipt",
    async (name) => {
      const tier = `${folder}/first/nemotron-nano-tiny-oQ4e`;
      const made = await readFile(`${tier}/${name}`, "hex");
      await writeFile(`${tier}/${name}`, "lost");
      expect((await runCli(["card", tier])).code).toBe(0);
      expect(await readFile(`${tier}/${name}`, "hex")).toBe(made);
    },
  );
});
