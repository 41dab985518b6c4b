import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { findPython } from "./python/python.ts";

/**
 * Python's huggingface_hub, a client of other authors, uses the local Hub. Each check of the
 * scripts is one test.
 */
const script = fileURLToPath(new URL("python/hub_conformance.py", import.meta.url));
const model = fileURLToPath(new URL("models/nemotron-nano-tiny", import.meta.url));
const corpus = fileURLToPath(new URL("../corpus", import.meta.url));
const checks = ["hub_files.py", "hub_history.py"].flatMap((name) => {
  const text = readFileSync(new URL(`python/${name}`, import.meta.url), "utf8");
  return [...text.matchAll(/^@check\ndef (\w+)/gm)].map(([, check]) => check!);
});
const python = findPython("huggingface_hub");
const title = "reason" in python ? `huggingface_hub (${python.reason})` : "huggingface_hub";

describe.skipIf("reason" in python)(title, () => {
  let folder: string;
  let hub: LocalHub;
  let stderr = "";
  const completions: string[] = [];
  const results = new Map<string, { ok: boolean; detail: string }>();

  beforeAll(async () => {
    if ("reason" in python) return;
    folder = await mkdtemp(join(tmpdir(), "hub-conformance-"));
    hub = await startLocalHub({
      folder: join(folder, "hub"),
      users: {
        hf_ada: { name: "ada", organizations: ["acme"], role: "write" },
        hf_eve: { name: "eve", role: "write" },
        hf_bob: { name: "bob", role: "read" },
      },
      gated: { "closed/base": ["ada"] },
      lfsThreshold: 1_000_000,
      multipartThreshold: 8_000_000,
      partSize: 5_000_000,
      pageSize: 4,
      onRequest: ({ url }) => {
        if (url.startsWith("/api/complete_multipart")) completions.push(url);
      },
    });
    await hub.seed("closed/base", model);
    await hub.seed("datasets/acme/text", corpus);
    const env = {
      PATH: process.env.PATH,
      HOME: folder,
      HF_HOME: join(folder, "cache"),
      HF_ENDPOINT: hub.url,
      HF_HUB_DISABLE_XET: "1",
      HF_HUB_DISABLE_TELEMETRY: "1",
      HF_HUB_DISABLE_PROGRESS_BARS: "1",
      PYTHONDONTWRITEBYTECODE: "1",
      NO_PROXY: "127.0.0.1",
    };
    const run = promisify(execFile)(python.path, [script, model, folder], {
      env,
      maxBuffer: 64 << 20,
    });
    const out = await run.catch((error: Error & { stdout: string; stderr: string }) => error);
    stderr = out.stderr;
    for (const line of out.stdout.split("\n").filter((text) => text.startsWith('{"check"'))) {
      const { check, ok, detail } = JSON.parse(line) as {
        check: string;
        ok: boolean;
        detail: string;
      };
      results.set(check, { ok, detail });
    }
  }, 240_000);

  afterAll(async () => {
    await hub?.close();
    if (folder) await rm(folder, { recursive: true });
  });

  test.each(checks)("%s", (name) => {
    const result = results.get(name) ?? {
      ok: false,
      detail: `The script did not get to this check:\n${stderr}`,
    };
    expect(result.ok, result.detail).toBe(true);
  });

  test("uploads the weights in parts", () => {
    expect(completions).toHaveLength(1);
  });

  test("sends no token to the storage origin", () => {
    expect(hub.leakedTokens).toBe(0);
  });
});
