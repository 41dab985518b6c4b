import { readFileSync } from "node:fs";
import { assets } from "./assets.ts";

/**
 * `owner/name` on GitHub that npm installed this program from, as `npx github:owner/name#v1` does,
 * and the commit that npm resolved; `ref` is null if that is none of 40 digits. npm writes them to
 * the list beside the installed package. null: from elsewhere, or a checkout.
 */
export function installedFrom(
  root: URL = assets.root,
): { readonly repository: string; readonly ref: string | null } | null {
  try {
    const list = JSON.parse(readFileSync(new URL("../.package-lock.json", root), "utf8"));
    const name = root.pathname.split("/").at(-2);
    const resolved: unknown = list.packages?.[`node_modules/${name}`]?.resolved;
    const pattern =
      /^git\+(?:ssh|https):\/\/(?:git@)?github\.com\/([\w-]+\/[\w.-]+?)(?:\.git)?#(.*)$/;
    const [, repository, ref = ""] = pattern.exec(String(resolved)) ?? [];
    return repository === undefined
      ? null
      : { repository, ref: /^[0-9a-f]{40}$/.test(ref) ? ref : null };
  } catch {
    return null; // there is no such list
  }
}
