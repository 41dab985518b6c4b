import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { refreshCards } from "../src/upkeep/cards.ts";
import { checkSeries } from "../src/upkeep/check.ts";
import { pushCards } from "../src/upkeep/push-cards.ts";
import type { UpkeepRequest } from "../src/upkeep/upkeep-types.ts";
import { githubScene } from "./support/github-scene.ts";
import { tokens } from "./support/github-server.ts";
import { schedule, upkeepScene } from "./support/upkeep-scene.ts";

const scene = upkeepScene();
const github = githubScene();
const tier = "acme/tiny-oQ4e";
const path = "cards/tiny/oQ4e.md";
const text = `
models:
  - { base-model: base/tiny, namespace: acme, tiers: [oQ4e], method: rounded, policy: oq,
      evaluation-samples: 4 }
`;
const open = ({ report }: UpkeepRequest) => github.connect({ report });
const write = { "hub-token": "hf_tokenOfThisTestOnly", "github-token": tokens.job } as const;

async function check() {
  const { outputs, failure } = await checkSeries(await scene.request(text, schedule));
  expect(failure).toBeNull();
  return outputs;
}

/** The job checks out the default branch. */
async function checkOut(): Promise<void> {
  const files = ["oQ4e.md", "oQ4e/oqe-kl.svg", "oQ4e/oqe-bits.svg", "oQ4e/oqe-languages.svg"];
  for (const name of files) {
    const content = await github.server.file("main", `cards/tiny/${name}`);
    const file = join(scene.workspace, "cards/tiny", name);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, content!);
  }
}

test("a new template goes from the receipt to GitHub, is merged with notes, and reaches the Hub", async () => {
  await scene.publish(text);
  const card = await scene.read(tier, "README.md");
  await scene.put(tier, { "README.md": card.replace("## Use", "## Old heading") });
  const receipt = await scene.read(tier, "oqe-receipt.json");
  expect(await check()).toMatchObject({ mode: "cards", cards: '["tiny"]' });

  const refreshed = await refreshCards(await scene.request(text, schedule, write), open);
  expect(refreshed).toMatchObject({ failure: null, summary: expect.stringContaining("opened") });
  expect(scene.writes()).toEqual([]);
  const proposed = (await github.server.file("oqe/cards/tiny", path))!;
  const notes = proposed.replace("oqe:notes -->\n", "oqe:notes -->\nGood on a laptop.\n");
  const [pull] = await github.server.person<{ number: number }[]>("GET", "/pulls?state=open");
  await github.server.person("PUT", `/pulls/${pull!.number}/merge`, {});
  // Written after the merge, because the emulator's misses later commits of the branch.
  await github.server.personCommits("main", path, notes);
  await checkOut();

  const pushed = await pushCards(await scene.request(text, schedule, write));
  expect(pushed.failure).toBeNull();
  expect(scene.writes().filter((line) => line.includes("/commit/"))).toHaveLength(1);
  const reached = await scene.read(tier, "README.md");
  expect(reached).toContain("## Use");
  expect(reached).toContain("<!-- oqe:notes -->\nGood on a laptop.\n<!-- /oqe:notes -->");
  expect(await scene.read(tier, "oqe-receipt.json")).toBe(receipt);
  expect(await check()).toMatchObject({ mode: "none", models: "[]", cards: "[]" });

  github.forget();
  await refreshCards(await scene.request(text, schedule, write), open);
  expect(scene.writes()).toEqual([]);
  expect(github.server.writes.filter((line) => !line.startsWith("DELETE"))).toEqual([]);
  github.forget();
  await refreshCards(await scene.request(text, schedule, write), open);
  await pushCards(await scene.request(text, schedule, write));
  expect([...github.server.writes, ...scene.writes()]).toEqual([]);
});
