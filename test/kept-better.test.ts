import { afterAll, beforeAll, expect, test } from "vitest";
import { openDependencies } from "../src/entry/dependencies.ts";
import { silentReport } from "../src/ground/report.ts";
import { parseSums, sha256Of, writeSums } from "../src/hub/sums.ts";
import { parseInputs } from "../src/inputs/inputs.ts";
import { type LocalHub, type SeenRequest, startLocalHub } from "../src/local-hub/local-hub.ts";
import { publishModel } from "../src/pipeline.ts";
import { parseReceipt, writeReceipt } from "../src/receipt/receipt-file.ts";
import { isHubWrite } from "./support/hub-writes.ts";
import { addFile, commit } from "./support/local-hub.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

/** A tier is made again, because its base moved. */
const id = "acme/tiny-oQ4e";
const notes = "\r\nRuns well here. \n\n```sh\nls\n```\n";

let folder: string;
let hub: LocalHub;
let seen: SeenRequest[] = [];
beforeAll(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({ folder: `${folder}/hub`, onRequest: (one) => seen.push(one) });
  await hub.seed("base/tiny", smallest.llama!);
});
afterAll(async () => {
  await hub.close();
  await removeFolder(folder);
});

const values: Readonly<Record<string, string>> = {
  ...{ "base-model": "base/tiny", namespace: "acme", tiers: "oQ4e", method: "rounded" },
  ...{ policy: "oq", "evaluation-samples": "4" },
};
const text = async (path: string) => (await fetch(`${hub.url}/${id}/resolve/main/${path}`)).text();

async function publish(keepsBetter: boolean, more: Readonly<Record<string, string>> = {}) {
  const read = (name: string) => ({ ...values, "work-dir": `${folder}/work`, ...more })[name] ?? "";
  const inputs = parseInputs(read, { HF_ENDPOINT: hub.url, HF_TOKEN: "hf_good" });
  const dependencies = openDependencies(inputs, silentReport, "");
  return publishModel(inputs, { ...dependencies, keepsBetter });
}

/** Somebody with a better engine left these files, and wrote notes in the card. */
async function improve(): Promise<void> {
  const receipt = parseReceipt(await text("oqe-receipt.json"), "x");
  const evaluation = { ...receipt.evaluation!, meanKl: 1e-6, meanKlError: 1e-7, gates: [] };
  const markers = "<!-- oqe:notes -->\n<!-- /oqe:notes -->";
  const card = (await text("README.md")).replace(
    markers,
    markers.replace("\n", () => notes),
  );
  expect(card).toContain(notes);
  const changed = {
    "oqe-receipt.json": writeReceipt({ ...receipt, evaluation }),
    "README.md": card,
  };
  const sums = new Map(parseSums(await text("SHA256SUMS")));
  for (const [path, content] of Object.entries(changed)) sums.set(path, sha256Of(content));
  const files = { ...changed, SHA256SUMS: writeSums(sums) };
  const lines = Object.entries(files).map(([path, content]) => addFile(path, content));
  expect((await commit(hub, id, lines, { token: "hf_good" })).status).toBe(200);
}

test("a run that nobody watches does not replace a tier by a worse one", async () => {
  expect(await publish(true)).toMatchObject({ failure: null, comparisons: [] });
  await improve();
  const moved = addFile("notice.txt", "a new commit of the base");
  expect((await commit(hub, "base/tiny", [moved], { token: "hf_base" })).status).toBe(200);
  const head = hub.head(id);
  seen = [];

  const { tiers, failure, comparisons } = await publish(true);
  expect(tiers).toMatchObject([{ tier: "oQ4e", outcome: "kept", commit: head }]);
  expect(failure).toMatchObject({ code: "GATE", message: expect.stringMatching(/worse than/) });
  expect(comparisons).toMatchObject([{ tier: "oQ4e", isWorse: true }]);
  expect(comparisons[0]!.table).toMatch(/\| Mean KL \| 0\.00000100 ± 0\.00000010 \| 0\.\d+ ± /);
  expect(seen.filter(isHubWrite)).toEqual([]);
  expect(hub.head(id)).toBe(head);
});

test("a run that a person starts does, and the new card has the notes of the old one", async () => {
  const { tiers, failure, comparisons } = await publish(false);
  expect({ failure, comparisons }).toEqual({ failure: null, comparisons: [] });
  expect(tiers).toMatchObject([{ outcome: "published" }]);
  expect(await text("README.md")).toContain(`<!-- oqe:notes -->${notes}<!-- /oqe:notes -->\n`);
  const sums = parseSums(await text("SHA256SUMS"))!;
  expect(sums.get("README.md")).toBe(sha256Of(await text("README.md")));
  expect((await publish(false)).tiers).toMatchObject([{ outcome: "unchanged" }]);
});

test("a card with broken markers is not overwritten, unless told to", async () => {
  const broken = (await text("README.md")).replace("<!-- /oqe:notes -->\n", "");
  const sums = new Map(parseSums(await text("SHA256SUMS")));
  const files = {
    "README.md": broken,
    SHA256SUMS: writeSums(sums.set("README.md", sha256Of(broken))),
  };
  const lines = Object.entries(files).map(([path, content]) => addFile(path, content));
  await commit(hub, id, lines, { token: "hf_good" });
  seen = [];
  await expect(publish(false)).rejects.toMatchObject({
    code: "BAD_INPUT",
    message: expect.stringMatching(
      /acme\/tiny-oQ4e\/README\.md is not over[\s\S]*^\+<!-- \/oqe:notes/m,
    ),
  });
  expect(seen.filter(isHubWrite)).toEqual([]);
  expect((await publish(false, { overwrite: "true", tiers: "oQ4e" })).failure).toBeNull();
});
