// Installs node_modules if absent or older than package-lock.json. Plain JavaScript, because it
// runs on the machine's own Node before the project's Node 24 is there. npm scripts then name
// node_modules/.bin/node: their shell may have looked up `node` before that was there.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const root = new URL("../", import.meta.url);
const lock = readFileSync(new URL("package-lock.json", root), "utf8");
const stamp = new URL("node_modules/.installed-lock", root);

if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== lock) {
  console.error("installing node_modules (npm ci)");
  const quiet = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
  const { status } = spawnSync("npm", quiet, {
    cwd: root,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (status !== 0) {
    console.error(
      "npm ci failed: see its message above. It needs the npm registry, and npm 9 or newer.",
    );
    process.exit(1);
  }
  writeFileSync(stamp, lock);
}
