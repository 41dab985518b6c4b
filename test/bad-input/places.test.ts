import { appendFile, cp, mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, inject, test } from "vitest";
import { startLocalHub } from "../../src/local-hub/local-hub.ts";
import { rounded, runCli, runCliAlone, runScript } from "../support/cli-run.ts";
import { byArchitecture, copyModel, embedded } from "../support/models.ts";
import { refusalScene } from "../support/refusal.ts";
import { mountSmall, onlyAsRoot } from "../support/small-disk.ts";

/** Disks, folders, repositories and an installation that a run cannot use. */
const scene = refusalScene(async ({ hub }) => {
  await hub.seed("acme/taken-oQ4e", byArchitecture.llama!);
  await hub.seed("base/taken", byArchitecture.llama!);
});
const llama = byArchitecture.llama!;

describe("a run", () => {
  test("removes partial folders on a full disk and says how much space it needs", async ({
    skip,
  }) => {
    const mount = `${scene.folder}/small`;
    const unmount = await mountSmall(mount, "3m");
    if (unmount === null) return skip(onlyAsRoot);
    try {
      const { code, stderr } = await runCliAlone([
        "quantize",
        embedded,
        "--out",
        `${mount}/out`,
        ...rounded,
      ]);
      expect(code).toBe(1);
      expect(stderr).toMatch(/error: .*needed.*\[DISK\]/);
      expect(await readdir(`${mount}/out`).catch(() => [])).toEqual([]);
    } finally {
      unmount();
    }
  });

  test("leaves a foreign folder as it is, unless told to overwrite", async () => {
    const out = `${scene.folder}/foreign`;
    await mkdir(`${out}/llama-oQ4e`, { recursive: true });
    await writeFile(`${out}/llama-oQ4e/diary.txt`, "mine");
    const refused = await runCli(["quantize", llama, "--out", out, "--tiers", "oQ4e", ...rounded]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/\[NOT_OURS\]/);
    expect(await readdir(`${out}/llama-oQ4e`)).toEqual(["diary.txt"]);
    const told = await runCli([
      "quantize",
      llama,
      "--out",
      out,
      "--tiers",
      "oQ4e",
      "--overwrite",
      ...rounded,
    ]);
    expect(told.code).toBe(0);
    expect(await readdir(`${out}/llama-oQ4e`)).toContain("oqe-receipt.json");
  });

  test("refuses an output folder within the base or in its place", async () => {
    const base = await copyModel(llama, "model-oQ4e");
    for (const out of [`${base}/out`, join(base, "..")]) {
      const { code, stderr } = await runCli([
        "quantize",
        base,
        "--out",
        out,
        "--tiers",
        "oQ4e",
        "--overwrite",
        ...rounded,
      ]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/error: .*model-oQ4e.*\[BAD_INPUT\]/);
      expect(await readdir(base)).toContain("model.safetensors");
    }
  });

  test("replaces a foreign repository in one commit when told to overwrite", async () => {
    const environment = { HF_ENDPOINT: scene.hub.url, HF_TOKEN: "hf_good" };
    const before = scene.hub.head("acme/taken-oQ4e");
    const told = await runCli(
      [
        "publish",
        "base/taken",
        "--namespace",
        "acme",
        "--overwrite",
        ...rounded,
        "--work-dir",
        `${scene.folder}/w`,
      ],
      environment,
    );
    expect({ code: told.code, stderr: told.code === 0 ? "" : told.stderr }).toEqual({
      code: 0,
      stderr: "",
    });
    expect(scene.hub.head("acme/taken-oQ4e")).not.toBe(before);
    expect([...scene.hub.files("acme/taken-oQ4e").keys()]).toContain("oqe-receipt.json");
  });
});

describe("a run refuses", () => {
  test("a token without rights in the namespace", async () => {
    const strict = await startLocalHub({
      folder: `${scene.folder}/strict`,
      users: { hf_elsewhere: { name: "somebody", role: "write" } },
    });
    try {
      await strict.seed("base/tiny", llama);
      const { code, stderr } = await runCli(
        [
          "publish",
          "base/tiny",
          "--namespace",
          "acme",
          ...rounded,
          "--tiers",
          "oQ4e",
          "--work-dir",
          `${scene.folder}/strict-work`,
        ],
        { HF_ENDPOINT: strict.url, HF_TOKEN: "hf_elsewhere" },
      );
      expect(code).toBe(1);
      expect(stderr).toMatch(/error: .*acme.*\[FORBIDDEN\]/);
      expect(strict.head("acme/tiny-oQ4e")).toBeNull();
    } finally {
      await strict.close();
    }
  });

  test("a template with an unknown fact, before anything is quantized", async () => {
    const dist = `${scene.folder}/dist`;
    await cp(inject("bundle"), dist, { recursive: true });
    await appendFile(`${dist}/templates/model-card.md.jinja`, "{{ perplexity }}\n");
    const { code, stderr } = await runScript(`${dist}/cli.js`, [
      "quantize",
      llama,
      "--out",
      `${scene.folder}/templated`,
      "--policy",
      "oq",
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/error: .*model-card\.md\.jinja.*perplexity.*\[TEMPLATE\]/);
    expect(await readdir(`${scene.folder}/templated`).catch(() => [])).toEqual([]);
  });
});
