import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { defaultEndpoint } from "./origin.ts";
import { readSavedLogin } from "./saved-login.ts";

let folder: string;
const write = async (path: string, text: string) => {
  await mkdir(join(folder, path, ".."), { recursive: true });
  await writeFile(join(folder, path), text);
};
beforeAll(async () => {
  folder = await scratchFolder();
  await write("own/token-file", "hf_ofPath\n");
  await write("home-of-hf/token", "hf_ofHfHome");
  await write("xdg/huggingface/token", "hf_ofXdg");
  await write("user/.cache/huggingface/token", " hf_ofUser \n");
  await write("empty/token", "\n");
  await write("odd/token", "secret words");
});
afterAll(() => removeFolder(folder));

const login = (variables: Record<string, string>, endpoint = defaultEndpoint) =>
  readSavedLogin(
    Object.fromEntries(
      Object.entries({ HOME: "user", ...variables }).map(([name, path]) => [
        name,
        /^(1|true)$/.test(path) ? path : join(folder, path),
      ]),
    ),
    endpoint,
  );

describe("the token of `hf auth login`", () => {
  const all = { HF_TOKEN_PATH: "own/token-file", HF_HOME: "home-of-hf", XDG_CACHE_HOME: "xdg" };
  test("is where huggingface_hub looks, in its order", async () => {
    expect(await login(all)).toBe("hf_ofPath");
    const { HF_TOKEN_PATH: _, ...withoutPath } = all;
    expect(await login(withoutPath)).toBe("hf_ofHfHome");
    expect(await login({ XDG_CACHE_HOME: "xdg" })).toBe("hf_ofXdg");
    expect(await login({})).toBe("hf_ofUser");
  });

  test("may be absent, empty or not wanted", async () => {
    expect(await login({ HF_HOME: "nowhere" })).toBeNull();
    expect(await login({ HF_HOME: "empty" })).toBeNull();
    expect(await login({ HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" })).toBeNull();
  });

  test.each([
    "http://127.0.0.1:8080",
    "https://hub.example.org",
    "https://huggingface.co.example.org",
    "http://huggingface.co",
    "https://huggingface.co:8443",
    "no address",
  ])("is not read for %s", async (endpoint) => {
    expect(await login({}, endpoint)).toBeNull();
  });

  test("is for the public Hub, however its address is written", async () => {
    expect(await login({}, "https://HuggingFace.co/")).toBe("hf_ofUser");
  });

  test("that is no token is refused without being shown", async () => {
    const failure = await login({ HF_HOME: "odd" }).catch((error) => error);
    expect(failure).toMatchObject({ code: "BAD_INPUT", hint: expect.stringContaining("hf auth") });
    expect(failure.message).toMatch(/odd\/token does not hold a Hub token$/);
    expect(`${failure.message}${failure.hint}`).not.toContain("secret words");
  });
});
