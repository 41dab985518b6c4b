import { readdir, rm } from "node:fs/promises";
import { expect } from "vitest";
import type { LocalHub, SeenRequest } from "../../src/local-hub/local-hub.ts";
import { runCli } from "./cli-run.ts";
import { copyModel } from "./models.ts";

/** Input that a run must refuse. */
export interface Refusal {
  readonly what: string;
  /** Makes the base; gives `<model>`. */
  readonly base: () => Promise<string>;
  readonly args?: readonly string[];
  readonly token?: string;
  readonly code: string;
  /** What the message must say: what is wrong, and where. */
  readonly says: RegExp;
}

/** A spoiled copy of a base. */
export const spoiled = (from: string, spoil: (folder: string) => Promise<unknown>) => async () => {
  const copy = await copyModel(from);
  await spoil(copy);
  return copy;
};

/** The exit code that docs/errors.md promises for an error code. */
export function exitCodeOf(code: string): number {
  if (code === "BAD_INPUT") return 2;
  return code === "GATE" ? 3 : 1;
}

export interface Scene {
  readonly hub: LocalHub;
  /** What `hub` was asked, as its onRequest fills it. */
  readonly seen: SeenRequest[];
  /** A folder for the run. */
  readonly work: string;
}

/**
 * Publishes (as `acme`, unless the arguments name another): it must end in one message with its
 * code and its exit code, and leave nothing on disk or Hub.
 */
export async function expectRefused(refusal: Refusal, { hub, seen, work }: Scene): Promise<void> {
  const { base, args = [], token = "hf_good", code, says } = refusal;
  const model = await base();
  await rm(work, { recursive: true, force: true });
  seen.length = 0;
  const namespace = args.includes("--namespace") ? [] : ["--namespace", "acme"];
  // By rules unless said otherwise: what is refused is refused before anything would be measured,
  // or by measuring as by tuning.
  const policy = args.includes("--policy") ? [] : ["--policy", "oq"];
  const result = await runCli(
    ["publish", model, ...namespace, "--work-dir", work, ...policy, ...args],
    {
      HF_ENDPOINT: hub.url,
      ...(token === "" ? {} : { HF_TOKEN: token }),
    },
  );
  expect(result.code).toBe(exitCodeOf(code));
  const errors = result.stderr.split("\n").filter((line) => line.startsWith("error: "));
  expect(errors).toHaveLength(1);
  expect(errors[0]).toContain(`[${code}]`);
  expect(errors[0]).toMatch(says);
  expect(result.stderr).not.toMatch(/^\s+at .*:\d+:\d+/m);
  if (token !== "") expect(result.stderr).not.toContain(token);
  expect(
    seen.filter(({ url }) => /\/api\/repos\/create|\/commit\/|\/preupload\/|info\/lfs/.test(url)),
  ).toEqual([]);
  expect(await readdir(work).catch(() => [])).toEqual([]);
}
