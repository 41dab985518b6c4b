import { readFileSync } from "node:fs";
import { assets } from "./assets.ts";

/**
 * `owner/name` on GitHub that npm installed this program from, as `npx github:owner/name#v1` does.
 * npm writes it to the list beside the installed package. null: from elsewhere, or a checkout.
 */
export function installedFrom(root: URL = assets.root): string | null {
  try {
    const list = JSON.parse(readFileSync(new URL("../.package-lock.json", root), "utf8"));
    const name = root.pathname.split("/").at(-2);
    const resolved: unknown = list.packages?.[`node_modules/${name}`]?.resolved;
    const found = /^git\+(?:ssh|https):\/\/(?:git@)?github\.com\/([\w-]+\/[\w.-]+?)(?:\.git)?#/;
    return (typeof resolved === "string" && found.exec(resolved)?.[1]) || null;
  } catch {
    return null; // there is no such list
  }
}
