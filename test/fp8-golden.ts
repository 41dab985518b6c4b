import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { findPython } from "./python/python.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { fp8Ids, fp8Layouts, publishFp8 } from "./support/published-fp8.ts";

/**
 * Makes test/golden/fp8 anew: what transformers decodes of small bases in the layouts of FP8
 * releases, and their logits. It needs torch and transformers (test/python/fixtures.txt).
 */
const python = findPython("torch", "transformers");
if (!("path" in python)) throw new Error(python.reason);
const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const folder = await scratchFolder();
mkdirSync(at("golden/fp8"), { recursive: true });
const tasks: object[] = [];
for (const [name, layout] of Object.entries(fp8Layouts)) {
  // transformers reads scales of stacked experts on a GPU only.
  if (layout.stacked) continue;
  const { codes } = await publishFp8(layout, join(folder, name));
  tasks.push({ model: codes, out: at(`golden/fp8/${layout.type}`), ids: [...fp8Ids] });
}
const list = join(folder, "tasks.json");
writeFileSync(list, JSON.stringify(tasks));
execFileSync(python.path, [at("python/fp8_reference.py"), list], { stdio: "inherit" });
await removeFolder(folder);
