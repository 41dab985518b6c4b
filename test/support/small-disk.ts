import { spawnSync } from "node:child_process";
import { mkdir } from "node:fs/promises";

/** Why a test without a small file system is skipped. */
export const onlyAsRoot = "a small file system can only be mounted as root";

/**
 * Makes the folder `at` and mounts a file system of `size` there, with `more` mount options. Gives
 * the function that unmounts it; null where only root may mount, which on CI is an error.
 */
export async function mountSmall(
  at: string,
  size: string,
  ...more: readonly string[]
): Promise<(() => void) | null> {
  await mkdir(at);
  const options = ["-t", "tmpfs", "-o", [`size=${size}`, "mode=1777", ...more].join(), "tmpfs", at];
  // Nothing as root, sudo on a CI runner.
  for (const prefix of [[], ["sudo", "-n"]]) {
    const run = (words: readonly string[]) => {
      const [command, ...args] = [...prefix, ...words];
      return spawnSync(command!, args, { stdio: "ignore" }).status === 0;
    };
    if (run(["mount", ...options])) return () => void run(["umount", at]);
  }
  if (process.env.CI === "true") throw new Error(onlyAsRoot);
  return null;
}
