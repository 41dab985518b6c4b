import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * A Python that can import `module`: `OQE_PYTHON`, that of the tools folder (which `.ci/toolchain` fills), or the machine's.
 * Else the reason why a suite must be skipped; in CI (CI=true) nothing may be skipped, so there it is an error.
 */
export function findPython(module: string): { path: string } | { reason: string } {
  const tools = process.env.OQE_TOOLS ?? join(homedir(), ".cache", "oqe-publisher");
  const candidates = [process.env.OQE_PYTHON, join(tools, "python", "bin", "python"), "python3"];
  const path = candidates.find(
    (one) => one && spawnSync(one, ["-c", `import ${module}`], { stdio: "ignore" }).status === 0,
  );
  if (path) return { path };
  const reason = `no Python with ${module} (see test/python/requirements.txt)`;
  if (process.env.CI === "true") throw new Error(`${reason}; in CI nothing may be skipped`);
  return { reason };
}
