import { existsSync } from "node:fs";
import { chmod, cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { rolldown } from "rolldown";

const root = fileURLToPath(new URL("../", import.meta.url));

/**
 * Bundles the Action, the CLI and the kernel's worker as ES modules into the folder `into`. Beside
 * them it puts the wasm, templates, font, calibration corpus and the licences of what is bundled.
 * The folder is emptied first.
 */
export async function bundle(into: string): Promise<void> {
  await rm(into, { recursive: true, force: true });
  await mkdir(into, { recursive: true });
  const build = await rolldown({
    input: {
      action: `${root}src/action.ts`,
      cli: `${root}src/cli.ts`,
      worker: `${root}src/kernel/worker.ts`,
    },
    platform: "node",
    cwd: root,
  });
  const { output } = await build.write({
    dir: into,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name].js",
    minify: false,
  });
  await build.close();
  const modules = output.flatMap((part) => ("moduleIds" in part ? part.moduleIds : []));
  await writeFile(`${into}/licenses.txt`, await collectLicenses(modules));
  await cp(`${root}kernel-wasm/pkg/oqe_kernel_bg.wasm`, `${into}/oqe_kernel_bg.wasm`);
  await cp(`${root}node_modules/@resvg/resvg-wasm/index_bg.wasm`, `${into}/resvg_bg.wasm`);
  for (const folder of ["templates", "corpus", "fonts"])
    await cp(root + folder, `${into}/${folder}`, { recursive: true });
  await writeFile(`${into}/package.json`, `${JSON.stringify({ type: "module" })}\n`);
  await tidy(into);
  await chmod(`${into}/cli.js`, 0o755); // npm link does this too, and would change the checkout
}

/**
 * Some bundled sources have trailing blanks, which git would flag. Characters beyond Latin-1 are
 * escaped: a source that has one takes two bytes a character in V8's memory.
 */
async function tidy(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".js")) continue;
    const text = await readFile(`${folder}/${name}`, "utf8");
    if (/\\[\u0100-\uffff]/.test(text)) throw new Error(`${name} escapes a character twice`);
    const escaped = (character: string) =>
      `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
    const plain = text.replace(/[ \t]+$/gm, "").replace(/[\u0100-\uffff]/g, escaped);
    await writeFile(`${folder}/${name}`, plain);
  }
}

/** Licences and notices of the bundled packages: most of them require that these are passed on. */
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
