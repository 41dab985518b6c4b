import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openDependencies } from "../src/entry/dependencies.ts";
import { silentReport } from "../src/ground/report.ts";
import { parseInputs } from "../src/inputs/inputs.ts";
import { type LocalHub, type SeenRequest, startLocalHub } from "../src/local-hub/local-hub.ts";
import { publishModel } from "../src/pipeline.ts";
import { rounded, runCli } from "./support/cli-run.ts";
import { isHubWrite } from "./support/hub-writes.ts";
import { addFile, type CommitLine, commit } from "./support/local-hub.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

/** What others do on main of a tier's repository, and what the next run makes of it. */
const id = "acme/tiny-oQ4e";

let folder: string;
let hub: LocalHub;
let seen: SeenRequest[] = [];
/** main as the first run left it, path by path. */
let ours: Record<string, string>;

beforeAll(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({ folder: `${folder}/hub`, onRequest: (one) => seen.push(one) });
  await hub.seed("base/tiny", smallest.llama!);
});
afterAll(async () => {
  await hub.close();
  await removeFolder(folder);
});

const publish = (...more: string[]) =>
  runCli(
    [
      ...["publish", "base/tiny", "--namespace", "acme", "--tiers", "oQ4e", ...rounded],
      ...["--work-dir", `${folder}/work`, "--json", ...more],
    ],
    { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_good" },
  );
const main = () =>
  Object.fromEntries([...hub.files(id)].map(([path, { sha256 }]) => [path, sha256]));
const text = async (path: string) => (await fetch(`${hub.url}/${id}/resolve/main/${path}`)).text();

async function change(...lines: CommitLine[]): Promise<void> {
  const answer = await commit(hub, id, lines, { token: "hf_somebody" });
  expect(answer.status).toBe(200);
}

async function expectOutcome(outcome: string, ...more: string[]): Promise<string> {
  const { code, stdout, stderr } = await publish(...more);
  expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
  expect(JSON.parse(stdout).repositories).toMatchObject([{ outcome }]);
  return stderr;
}

/** A run is refused before it quantizes, writes nothing, and names the files. */
async function expectRefused(says: RegExp, ...more: string[]): Promise<void> {
  const head = hub.head(id);
  seen = [];
  const { code, stderr } = await publish(...more);
  expect(code).toBe(1);
  expect(stderr).toMatch(says);
  expect(stderr).toContain("[NOT_OURS]");
  expect(stderr).not.toMatch(/^Quantize/m);
  expect(seen.filter(isHubWrite)).toEqual([]);
  expect(hub.head(id)).toBe(head);
}

/** Every test begins with main as our run leaves it. */
beforeEach(async () => {
  await publish("--overwrite");
  ours ??= main();
  const extra = Object.keys(main()).filter((path) => !Object.hasOwn(ours, path));
  if (extra.length > 0)
    await change(...extra.map((path) => ({ key: "deletedFile", value: { path } })));
  expect(main()).toEqual(ours);
  await expectOutcome("unchanged");
});

const edits: [string, string, (before: string) => string][] = [
  ["config.json with other bits in as many bytes", "config.json", (s) => s.replace(/\b4\b/, "8")],
  ["a card that was edited", "README.md", (s) => s.replace("# ", "# My ")],
  ["a card with front matter by the Hub", "README.md", (s) => s.replace("---\n", "---\nx: y\n")],
  ["a receipt with a better figure", "oqe-receipt.json", (s) => s.replace(/"relative": 0/, "$&.0")],
  ["a picture that was edited", "oqe-bits.svg", (s) => s.replace("<svg", "<svg id='a'")],
  ["a list of files that was edited", "SHA256SUMS", (s) => `${s}\n`],
];

describe("a file of ours that somebody changed is named, and replaced if told to:", () => {
  test.each(edits)("%s", async (_, path, edit) => {
    const before = await text(path);
    expect(edit(before)).not.toBe(before);
    await change(addFile(path, edit(before)));
    const says = new RegExp(`^error: ${id} .*${path.replace(".", "\\.")}`, "m");
    await expectRefused(says);
    await expectRefused(says, "--dry-run");
    expect(await expectOutcome("published", "--overwrite")).toMatch(
      path === "SHA256SUMS" ? /will replace/ : new RegExp(`will replace ${path}`),
    );
    expect(main()).toEqual(ours);
  });
});

test("weights of others are named, because MLX would load them", async () => {
  await change(addFile("extra.safetensors", "theirs"));
  await expectRefused(/not as oqe-publisher left them: extra\.safetensors/);
});

test("files of others stay, whether the tier is unchanged or made anew", async () => {
  await change(addFile("notes.md", "theirs"), addFile("images/a.txt", "theirs too"));
  const kept = main();
  expect(await expectOutcome("unchanged")).toContain(
    "keeps files of others: images/a.txt, notes.md",
  );
  await expectOutcome("published", "--rounding", "mlx");
  expect(main()).toMatchObject({
    "notes.md": kept["notes.md"],
    "images/a.txt": kept["images/a.txt"],
  });
  expect(main()["model.safetensors"]).not.toBe(kept["model.safetensors"]);
  await expectOutcome("published", "--overwrite");
  expect(main()).toEqual(kept);
});

test("a file of ours that somebody removed is restored", async () => {
  await change({ key: "deletedFile", value: { path: "config.json" } });
  await expectOutcome("published");
  expect(main()).toEqual(ours);
});

test.each(["SHA256SUMS", "oqe-receipt.json"])(
  "a repository without its %s is refused",
  async (path) => {
    await change({ key: "deletedFile", value: { path } });
    await expectRefused(/has no /);
  },
);

test("what another run puts into the work folder is not published", async () => {
  await change({ key: "deletedFile", value: { path: "config.json" } });
  const head = hub.head(id);
  const environment = { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_good" };
  const given: Record<string, string> = {
    ...{ "base-model": "base/tiny", namespace: "acme", tiers: "oQ4e", method: "rounded" },
    ...{ verify: "false", "work-dir": `${folder}/work` },
  };
  const inputs = parseInputs((name) => given[name] ?? "", environment);
  const path = `${folder}/work/tiny-oQ4e/model.safetensors`;
  const stage = async <T>(name: string, run: () => Promise<T>): Promise<T> => {
    if (name.startsWith("Publish ")) {
      const weights = await readFile(path);
      weights[weights.length - 1]! ^= 1;
      await writeFile(path, weights);
    }
    return run();
  };
  const report = { ...silentReport, stage };
  const { tiers, failure } = await publishModel(inputs, openDependencies(inputs, report, ""));
  expect(tiers).toMatchObject([{ outcome: "failed" }]);
  expect(failure).toMatchObject({
    code: "CONFLICT",
    message: expect.stringContaining("model.safetensors is not as this run made it"),
  });
  expect(hub.head(id)).toBe(head);
});
