import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { OqeError } from "../ground/errors.ts";
import { codeOf, reasonOf } from "../ground/reasons.ts";
import { defaultEndpoint } from "./origin.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The token that `hf auth login` saved, from the place that huggingface_hub reads: HF_TOKEN_PATH,
 * else `token` in HF_HOME, else in the cache folder. null: there is none, HF_HUB_DISABLE_IMPLICIT_
 * TOKEN asks not to use it, or `endpoint` is not the Hub that it was saved for: it is never sent to
 * another. Throws BAD_INPUT for a file without a token in it, DISK for one that cannot be read.
 */
export async function readSavedLogin(
  environment: Environment,
  endpoint: string,
): Promise<string | null> {
  if (!URL.canParse(endpoint) || new URL(endpoint).origin !== defaultEndpoint) return null;
  if (/^(1|on|yes|true)$/i.test(environment.HF_HUB_DISABLE_IMPLICIT_TOKEN ?? "")) return null;
  const path = pathOf(environment);
  const text = await readFile(path, "utf8").catch((cause) => {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(cause))) return "";
    throw new OqeError("DISK", `${path}: ${reasonOf(cause)}`, again, cause);
  });
  const token = text.trim();
  if (token === "" || /^hf_\S+$/.test(token)) return token || null;
  throw new OqeError("BAD_INPUT", `${path} does not hold a Hub token`, again);
}

const again = "Sign in again with `hf auth login`, or set HF_TOKEN.";

function pathOf({ HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME, HOME }: Environment): string {
  const home = HOME || homedir();
  const expanded = (path: string) => path.replace(/^~(?=\/|$)/, home);
  if (HF_TOKEN_PATH) return expanded(HF_TOKEN_PATH);
  const folder = HF_HOME || join(XDG_CACHE_HOME || join(home, ".cache"), "huggingface");
  return join(expanded(folder), "token");
}
