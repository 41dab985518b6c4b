import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type LocalHub, startLocalHub } from "../src/local-hub/local-hub.ts";
import { evaluatedRows, runCli } from "./support/cli-run.ts";
import { killedWhen } from "./support/killed-run.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

const slow = { timeout: 600_000 };
const branch = "oqe-staging";
const base = "base/hybrid";
const repositories = ["acme/hybrid-oQ6e", "acme/hybrid-oQ4e"];

let folder: string;
/** A Hub whose series was published without a disturbance, and one where runs are killed. */
let whole: LocalHub;
let hub: LocalHub;
/** Commits to the staging branch that the Hub made. */
let staged = 0;

beforeAll(async () => {
  folder = await scratchFolder();
  whole = await startLocalHub({ folder: join(folder, "whole") });
  hub = await startLocalHub({
    folder: join(folder, "hub"),
    onRequest: ({ method, url }) => {
      if (method === "POST" && url.endsWith(`/commit/${branch}`)) staged++;
    },
  });
  for (const one of [whole, hub]) await one.seed(base, smallest.nemotron_h!);
});
afterAll(async () => {
  await whole.close();
  await hub.close();
  await removeFolder(folder);
});

const argsOf = (work: string, ...more: string[]) => [
  ...["publish", base, "--namespace", "acme", "--work-dir", join(folder, work)],
  ...["--tiers", "oQ6e,oQ4e", ...evaluatedRows, ...more],
];
const environmentOf = ({ url }: LocalHub) => ({ HF_ENDPOINT: url, HF_TOKEN: "hf_tokenOfTheTest" });

const filesOf = (one: LocalHub) =>
  Object.fromEntries(
    repositories.flatMap((repository) =>
      [...one.files(repository)].map(([path, { sha256 }]) => [`${repository}/${path}`, sha256]),
    ),
  );

test(
  "a run killed again and again, each time on an empty disk, publishes the same bytes",
  slow,
  async () => {
    const undisturbed = await runCli(argsOf("work-whole"), environmentOf(whole));
    expect({ code: undisturbed.code, stderr: undisturbed.stderr }).toMatchObject({ code: 0 });
    let kills = 0;
    for (const more of [3, 4, 4]) {
      const target = staged + more;
      const args = argsOf(`work-${kills}`);
      if (!(await killedWhen(async () => staged >= target, args, environmentOf(hub)))) break;
      kills++;
      for (const repository of repositories)
        expect(
          [...hub.files(repository).keys()].filter((path) => path !== ".gitattributes"),
        ).toEqual([]);
    }
    expect(kills).toBeGreaterThanOrEqual(2);
    const { code, stderr } = await runCli(argsOf("work-last"), environmentOf(hub));
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain("finished by an earlier run");
    expect(filesOf(hub)).toEqual(filesOf(whole));
    for (const repository of repositories) expect(hub.head(repository, branch)).toBeNull();
  },
);
