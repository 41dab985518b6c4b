import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/** Builds dist/: the Action, the CLI and the kernel's worker as ES modules, with wasm, templates and the calibration corpus beside them. */
const root = fileURLToPath(new URL("../", import.meta.url));
const dist = `${root}dist/`;

await rm(dist, { recursive: true, force: true });
const bundle = await rolldown({
  input: { action: `${root}src/action.ts`, cli: `${root}src/cli.ts`, worker: `${root}src/kernel/worker.ts` },
  platform: "node",
  cwd: root,
});
await bundle.write({
  dir: dist,
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "[name].js",
  minify: false,
});
await bundle.close();
await cp(`${root}kernel-wasm/pkg/oqe_kernel_bg.wasm`, `${dist}oqe_kernel_bg.wasm`);
for (const folder of ["templates", "corpus"]) await cp(root + folder, dist + folder, { recursive: true });
await writeFile(`${dist}package.json`, `${JSON.stringify({ type: "module" })}\n`);
// Bundled sources may carry trailing blanks of their authors; ours would be flagged by git.
for (const name of await readdir(dist)) {
  if (!name.endsWith(".js")) continue;
  const text = await readFile(`${dist}${name}`, "utf8");
  await writeFile(`${dist}${name}`, text.replace(/[ \t]+$/gm, ""));
}
