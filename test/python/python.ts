import { execFile, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

/** Folder of the tools that `.ci/toolchain` installs. */
const tools = process.env.OQE_TOOLS ?? join(homedir(), ".cache", "oqe-publisher");

/**
 * Runs Python with MLX, away from the network. Returns what it printed. MLX compiles C++ functions
 * into a temporary folder. Here that is a part of the tools folder, so the next run finds them.
 */
export async function runMlx(python: string, args: readonly string[]): Promise<string> {
  const { PATH = "", HOME = "" } = process.env;
  const env: Record<string, string> = { PATH, HOME, HF_HUB_OFFLINE: "1" };
  // More threads wait for each other in loops, and the arrays are small.
  for (const name of ["OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"]) env[name] = "1";
  if (existsSync(tools)) {
    env.TMPDIR = join(tools, "compiled-by-mlx");
    await mkdir(env.TMPDIR, { recursive: true });
  }
  const { stdout } = await promisify(execFile)(python, args, { env, maxBuffer: 1 << 26 });
  return stdout;
}

/**
 * Finds a Python that has all `modules`: `OQE_PYTHON`, the Python of the tools folder (filled by
 * `.ci/toolchain`), or the machine's. Otherwise returns the reason why a suite must be skipped. In
 * CI (CI=true) nothing may be skipped, so there it throws.
 */
export function findPython(...modules: string[]): { path: string } | { reason: string } {
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
