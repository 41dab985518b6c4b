import { spawn } from "node:child_process";
import { cp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import manifest from "../package.json" with { type: "json" };
import { root } from "./action/checkout.ts";
import { cli, rounded, runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

const page = await readFile(join(root, "docs/github.md"), "utf8");
const readme = await readFile(join(root, "README.md"), "utf8");
const block = (kind: string) =>
  new RegExp(`^\`\`\`${kind}\\n([\\s\\S]*?)^\`\`\``, "m").exec(page)![1]!;

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

test("a page says once who the owner is, in the command that all others use", () => {
  for (const text of [page, readme]) {
    const lines = text.split("\n").filter((line) => line.includes("OWNER/"));
    expect(lines).toEqual(['oqe() { npx --yes github:OWNER/oqe-publisher "$@"; }']);
  }
});

test("what is pinned on a page has the version of package.json, and its major tag", async () => {
  const names = (await readdir(join(root, "docs"))).filter((name) => name.endsWith(".md"));
  const pages = await Promise.all(names.map((name) => readFile(join(root, "docs", name), "utf8")));
  const found = [...pages, readme].flatMap((text) => [
    ...[...text.matchAll(/oqe-publisher\S*@\S+ # (v\S+)/g)].map(([, version]) => version),
    ...[...text.matchAll(/`@(v\d+)`/g)].map(([, tag]) => tag),
  ]);
  const version = `v${manifest.version}`;
  expect(new Set(found)).toEqual(new Set([version, version.split(".")[0]]));
  expect([...pages, readme].join("\n")).not.toMatch(/oqe-publisher\S*[@/]v\d/);
});

test("Dependabot's file looks after the workflows", () => {
  const { version, updates } = parse(block("yaml dependabot"));
  expect(version).toBe(2);
  expect(updates).toEqual([
    { "package-ecosystem": "github-actions", directory: "/", schedule: { interval: "weekly" } },
  ]);
});

describe("the rehearsal of docs/github.md", () => {
  const lines = block("sh rehearsal")
    .split("\n")
    .map((line) => line.replace(/ +#.*/, "").split(" "));
  const [serve, variables, ...publishes] = lines.filter(([first]) => first !== "");
  const child = { kill: () => {} };
  let environment: Record<string, string>;

  beforeAll(async () => {
    await cp(smallest.llama!, join(folder, "rehearsal/base/tiny"), { recursive: true });
    expect(serve!.slice(0, 3)).toEqual(["oqe", "hub", "./rehearsal"]);
    // On any free port, so that runs at the same time do not meet.
    const args = [cli, ...serve!.slice(1)].map((word) => (word === "8080" ? "0" : word));
    const hub = spawn(process.execPath, args, { cwd: folder });
    child.kill = () => hub.kill();
    const address = await new Promise<string>((done, fail) => {
      let text = "";
      hub.once("close", () => fail(new Error(text)));
      hub.stdout.setEncoding("utf8").on("data", (more: string) => {
        text += more;
        const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(text) ?? [];
        if (url !== undefined) done(url);
      });
    });
    const [word, ...given] = variables!;
    expect(word).toBe("export");
    environment = Object.fromEntries(given.map((one) => one.split("=")));
    expect(environment.HF_ENDPOINT).toBe("http://127.0.0.1:8080");
    environment.HF_ENDPOINT = address;
  });
  afterAll(() => child.kill());

  test("a dry run sends nothing, the next one publishes, the third has nothing to do", {
    timeout: 120_000,
  }, async () => {
    expect(publishes.map(([program, command]) => [program, command])).toEqual(
      Array.from({ length: 3 }, () => ["oqe", "publish"]),
    );
    const run = ([, ...args]: readonly string[]) =>
      runCli([...args, ...rounded, "--work-dir", join(folder, "work")], environment);
    const there = () => readdir(join(folder, "rehearsal/acme/tiny-oQ8e")).catch(() => null);
    expect(await run(publishes[0]!)).toMatchObject({ code: 0 });
    expect(await there()).toBeNull();
    expect(await run(publishes[1]!)).toMatchObject({ code: 0 });
    expect(await there()).toContain("README.md");
    const { code, stdout } = await run(publishes[2]!);
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^oQ8e .* unchanged/m),
    });
  });
});
