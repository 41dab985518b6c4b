import { spawnSync } from "node:child_process";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * Finds a Python that has all `modules`: `OQE_PYTHON`, the Python of the tools folder (filled by
 * `.ci/toolchain`), or the machine's. Otherwise returns the reason why a suite must be skipped. In
 * CI (CI=true) nothing may be skipped, so there it throws.
 */
export function findPython(...modules: string[]): { path: string } | { reason: string } {
  const tools = process.env.OQE_TOOLS ?? join(homedir(), ".cache", "oqe-publisher");
  const candidates = [process.env.OQE_PYTHON, join(tools, "python", "bin", "python"), "python3"];
  // Looks the modules up without importing them: the import of some takes seconds.
  const missing = `any(u.find_spec(name) is None for name in ${JSON.stringify(modules)})`;
  const look = `import importlib.util as u, sys; sys.exit(${missing})`;
  const path = candidates.find(
    (one) => one && spawnSync(one, ["-c", look], { stdio: "ignore" }).status === 0,
  );
  if (path) return { path };
  const reason = `no Python with ${modules.join(" and ")} (see test/python/requirements.txt)`;
  if (process.env.CI === "true") throw new Error(`${reason}; in CI nothing may be skipped`);
  return { reason };
}
