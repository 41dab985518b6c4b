import { existsSync } from "node:fs";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

/** Builds dist/: the Action, the CLI and the kernel's worker as ES modules, with wasm, templates, the calibration corpus and the licences of what is bundled beside them. */
const root = fileURLToPath(new URL("../", import.meta.url));
const dist = `${root}dist/`;

await rm(dist, { recursive: true, force: true });
const bundle = await rolldown({
  input: {
    action: `${root}src/action.ts`,
    cli: `${root}src/cli.ts`,
    worker: `${root}src/kernel/worker.ts`,
  },
  platform: "node",
  cwd: root,
});
const { output } = await bundle.write({
  dir: dist,
  format: "esm",
  entryFileNames: "[name].js",
  chunkFileNames: "[name].js",
  minify: false,
});
await bundle.close();
await writeFile(
  `${dist}licenses.txt`,
  await collectLicenses(output.flatMap((part) => ("moduleIds" in part ? part.moduleIds : []))),
);
await cp(`${root}kernel-wasm/pkg/oqe_kernel_bg.wasm`, `${dist}oqe_kernel_bg.wasm`);
for (const folder of ["templates", "corpus"])
  await cp(root + folder, dist + folder, { recursive: true });
await writeFile(`${dist}package.json`, `${JSON.stringify({ type: "module" })}\n`);
// Bundled sources may carry trailing blanks of their authors; ours would be flagged by git.
for (const name of await readdir(dist)) {
  if (!name.endsWith(".js")) continue;
  const text = await readFile(`${dist}${name}`, "utf8");
  await writeFile(`${dist}${name}`, text.replace(/[ \t]+$/gm, ""));
}

/** Licences and notices of the packages whose code is in the bundle, which most of them want to be passed on with it. */
async function collectLicenses(modules: readonly string[]): Promise<string> {
  const packages = new Set(
    modules.flatMap(
      (path) =>
        /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path.replace(/^\0/, ""))?.[0] ?? [],
    ),
  );
  const sections = new Map<string, string>();
  for (const folder of packages) {
    const { name, version, license } = JSON.parse(await readFile(`${folder}/package.json`, "utf8"));
    const beside = existsSync(`${folder}/licenses`)
      ? (await readdir(`${folder}/licenses`)).map((file) => `licenses/${file}`)
      : [];
    const files = [...(await readdir(folder)), ...beside].filter(
      (file) => /^(licen[cs]es?|notice|copying)/i.test(file) && file !== "licenses",
    );
    const texts = await Promise.all(
      files.sort().map((file) => readFile(`${folder}/${file}`, "utf8")),
    );
    const body =
      texts.length === 0
        ? [`Licence: ${license}`]
        : texts.map((text) => text.replace(/[ \t\r]+$/gm, "").trim());
    sections.set(`${name} ${version}`, body.join("\n\n"));
  }
  const names = [...sections.keys()].sort();
  return names.map((name) => `${"=".repeat(80)}\n${name}\n\n${sections.get(name)}\n`).join("\n");
}
