import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { TestProject } from "vitest/node";
import { bundle } from "../../.ci/bundle.ts";
import { folderInMemory } from "./memory-disk.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Folder of the bundled CLI and Action. */
    bundle: string;
    /** Folder where Node keeps the compiled code of the CLI between its starts. */
    compiled: string;
    /** The process of vitest, with which those that serve its workers end. */
    process: number;
    /** Folder for what one test file makes and others read: see `tuned-run.ts`. */
    shared: string;
  }
}

/**
 * Tells the tests where the bundled CLI is. The tests start it some 300 times, and the bundle
 * starts eight times faster than the sources. In CI the bundle is `dist/`, which was just compared
 * with its sources. Elsewhere it is built from the sources as they are now.
 */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const inMemory = folderInMemory();
  if (inMemory !== null) process.env.TMPDIR = inMemory; // for the workers too
  const folder = await mkdtemp(join(tmpdir(), "oqe-bundle-"));
  project.provide("process", process.pid);
  project.provide("compiled", join(folder, "compiled"));
  project.provide("shared", join(folder, "shared"));
  await mkdir(join(folder, "shared"));
  if (process.env.CI === "true")
    project.provide("bundle", fileURLToPath(new URL("../../dist", import.meta.url)));
  else {
    await bundle(join(folder, "dist"));
    project.provide("bundle", join(folder, "dist"));
  }
  return () => rm(inMemory ?? folder, { recursive: true, force: true });
}
