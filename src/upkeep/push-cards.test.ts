import { rm, symlink } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { cardScene, hubToken } from "../../test/support/card-scene.ts";
import { addFile, call } from "../../test/support/local-hub.ts";
import { evaluatedReceipt } from "../../test/support/receipts.ts";
import { inRepository } from "../card/facts.ts";
import { renderCard } from "../card/render.ts";
import { parseSums, writeSums } from "../hub/sums.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { writeReceipt } from "../receipt/receipt-file.ts";
import { readResults } from "../series/result-file.ts";
import { pushCards } from "./push-cards.ts";

const scene = cardScene();
const receipts = { oQ8e: evaluatedReceipt("oQ8e"), oQ4e: evaluatedReceipt("oQ4e") };
const [first, second] = [receipts.oQ8e.repository, receipts.oQ4e.repository];
const inGitHub = (receipt: Receipt, notes?: string) =>
  renderCard(receipt, { place: inRepository(receipt), ...(notes !== undefined && { notes }) });
const old = "---\nlibrary_name: mlx\n---\n# A card of an earlier version\n";
const notes = "\nRuns well.\r\n";

/** Both tiers are published with a card of an earlier version; their new ones were just merged. */
beforeEach(async () => {
  await rm(scene.workspace, { recursive: true, force: true });
  for (const [tier, receipt] of Object.entries(receipts)) {
    await scene.publish(receipt, old);
    await scene.write(`cards/nano/${tier}.md`, await inGitHub(receipt, notes));
  }
  scene.forget();
});

test("a card, its pictures and SHA256SUMS are sent in one commit each, and nothing else", async () => {
  const [before, heads] = [scene.main(first), [scene.hub.head(first), scene.hub.head(second)]];
  const { failure, summary } = await pushCards(scene.request());
  expect(failure).toBeNull();
  expect(summary).toMatch(/\*\*nano\*\*: \[acme\/NVIDIA.*changed `README\.md`, `SHA256SUMS`/);
  expect(scene.writes.filter((line) => line.includes("/commit/"))).toEqual([
    `POST /api/models/${first}/commit/main`,
    `POST /api/models/${second}/commit/main`,
  ]);
  const after = scene.main(first);
  const changed = Object.keys(after).filter((path) => after[path] !== before[path]);
  expect(changed.sort()).toEqual(["README.md", "SHA256SUMS"]);
  expect(await scene.text(first, "README.md")).toBe(await renderCard(receipts.oQ8e, { notes }));
  const sums = parseSums(await scene.text(first, "SHA256SUMS"))!;
  const { SHA256SUMS: _, ".gitattributes": _a, ...listed } = after;
  expect(Object.fromEntries(sums)).toEqual(listed);
  expect([scene.hub.head(first), scene.hub.head(second)]).not.toEqual(heads);
  expect(scene.warnings).toEqual([]);

  scene.forget();
  const again = await pushCards(scene.request());
  expect(again).toMatchObject({ failure: null, summary: expect.stringContaining("unchanged") });
  expect(scene.writes).toEqual([]);
});

test("each model leaves a result for the report, with the failure and without a token", async () => {
  const asked = { command: "push-cards" } as const;
  const resultOf = async () => (await readResults(scene.workDir)).results;
  await pushCards(scene.request(asked));
  const good = { series: "nano", command: "push-cards", complete: true, failure: null };
  expect(await resultOf()).toMatchObject([good]);
  await scene.write("cards/nano/oQ4e.md", `<!-- oqe:notes --> ${hubToken}`);
  const { failure } = await pushCards(scene.request(asked));
  expect(failure).toMatchObject({ code: "BAD_INPUT" });
  const [bad] = await resultOf();
  expect(bad).toMatchObject({ ...good, complete: false, failure: { code: "BAD_INPUT" } });
  expect(bad!.failure!.message).toContain("cards/nano/oQ4e.md");
  expect(JSON.stringify(bad)).not.toContain(hubToken);
  // The entry leaves that of a run for one model.
  await rm(scene.workDir, { recursive: true });
  await pushCards(scene.request({ ...asked, series: "nano" }));
  expect(await resultOf()).toEqual([]);
});

test("a dry run and a run for other models write nothing", async () => {
  const dry = await pushCards(scene.request({ dryRun: true }));
  expect(dry.summary).toMatch(/dry run; would change `README\.md`, `SHA256SUMS`/);
  expect(await pushCards(scene.request({ models: ["other"] }))).toMatchObject({ summary: "" });
  expect(scene.writes).toEqual([]);
});

test("a picture that the receipt has no figures for is removed in the same commit", async () => {
  const [before, oldSums] = [scene.main(second), await scene.text(second, "SHA256SUMS")];
  expect(before).toHaveProperty("oqe-kl.svg");
  const plain = { ...receipts.oQ4e, evaluation: null, evaluationRows: null, otherTiers: [] };
  await scene.publish(plain, old); // its pictures stay where they were
  const sums = parseSums(oldSums)!;
  const listed = new Map([...sums, ...parseSums(await scene.text(second, "SHA256SUMS"))!]);
  await scene.change(second, addFile("SHA256SUMS", writeSums(listed)));
  await scene.write("cards/nano/oQ4e.md", await inGitHub(plain));
  const head = scene.hub.head(second);
  scene.forget();
  expect((await pushCards(scene.request())).failure).toBeNull();
  expect(scene.hub.head(second)).not.toBe(head);
  const pictures = Object.keys(scene.main(second)).filter((path) => /\.(svg|png)$/.test(path));
  expect(pictures.sort()).toEqual(["oqe-bits-dark.png", "oqe-bits.png", "oqe-bits.svg"]);
  expect(parseSums(await scene.text(second, "SHA256SUMS"))!.has("oqe-kl.svg")).toBe(false);
});

test("what a person changed outside the markers is told, and made from the receipt again", async () => {
  const card = await inGitHub(receipts.oQ4e, notes);
  const edited = card.replace("license: other", "license: mit").replace("## Use", "## How to use");
  await scene.write("cards/nano/oQ4e.md", edited);
  expect((await pushCards(scene.request())).failure).toBeNull();
  expect(await scene.text(second, "README.md")).toBe(await renderCard(receipts.oQ4e, { notes }));
  expect(scene.warnings).toEqual([expect.stringMatching(/^cards\/nano\/oQ4e\.md differs/)]);
  expect(scene.warnings[0]).toMatch(/^-license: mit$/m);
  expect(scene.warnings[0]).toMatch(/^\+## Use$/m);
});

describe("nothing is written to any tier if", () => {
  /** The second tier is at fault: the first one must not be changed either. */
  async function expectRefused(code: string, says: RegExp): Promise<void> {
    const heads = [scene.hub.head(first), scene.hub.head(second)];
    scene.forget();
    const { failure, summary } = await pushCards(scene.request());
    expect(failure).toMatchObject({ code, message: expect.stringMatching(says) });
    expect(summary).toMatch(new RegExp(`^- \\*\\*nano\\*\\*: failed: .*\\(${code}\\)$`, "m"));
    expect(scene.writes).toEqual([]);
    expect([scene.hub.head(first), scene.hub.head(second)]).toEqual(heads);
  }

  test.each([
    ["its card on the Hub was edited by others", "README.md", `${old}Mine.\n`],
    ["a picture was edited", "oqe-bits.svg", "<svg id='a'/>"],
    ["a picture of the card was edited", "oqe-bits.png", "PNG"],
    ["another file of ours was edited", "config.json", "{ }"],
  ])("%s", async (_, path, text) => {
    await scene.change(second, addFile(path, text));
    await expectRefused("NOT_OURS", new RegExp(`as oqe-publisher left them: ${path}`));
  });

  test("the list of files is gone", async () => {
    await scene.change(second, { key: "deletedFile", value: { path: "SHA256SUMS" } });
    await expectRefused("NOT_OURS", /has no SHA256SUMS/);
  });

  test("the repository was deleted", async () => {
    const [organization, name] = second.split("/");
    const json = { type: "model", organization, name };
    const answer = await call(scene.hub, "DELETE /api/repos/delete", {
      json,
      token: "hf_tokenOfThisTestOnly",
    });
    expect(answer.status).toBe(200);
    await expectRefused("NOT_FOUND", /cards\/nano\/oQ4e\.md cannot be sent: .* has no receipt/);
  });

  test("the receipt is that of another repository", async () => {
    const { oQ4e } = receipts;
    const copy = { ...oQ4e, repository: oQ4e.repository.replace("acme", "other") };
    await scene.change(second, addFile("oqe-receipt.json", writeReceipt(copy)));
    await expectRefused("NOT_OURS", /the receipt of acme\/.* is that of other\//);
  });

  test("its markers are broken", async () => {
    const card = await inGitHub(receipts.oQ4e, notes);
    await scene.write("cards/nano/oQ4e.md", card.replace("<!-- oqe:notes -->\n", ""));
    await expectRefused("BAD_INPUT", /oQ4e\.md is not overwritten[\s\S]*^\+<!-- oqe:notes -->$/m);
  });

  test("its file is not UTF-8, or a link", async () => {
    await scene.write("cards/nano/oQ4e.md", new Uint8Array([0x61, 0xff]));
    await expectRefused("BAD_INPUT", /oQ4e\.md is not UTF-8/);
    const path = join(scene.workspace, "cards/nano/oQ4e.md");
    await rm(path);
    await symlink("/etc/hostname", path);
    await expectRefused("BAD_INPUT", /oQ4e\.md is no plain file/);
  });

  test("the Hub refuses its front matter", async () => {
    const { base } = receipts.oQ4e;
    const inherited = { ...base.inherited, language: [""] };
    const odd = { ...receipts.oQ4e, base: { ...base, inherited } };
    await scene.publish(odd, old);
    await scene.write("cards/nano/oQ4e.md", await inGitHub(odd));
    await expectRefused("TEMPLATE", /the Hub refuses the metadata of .*-oQ4e/);
  });

  test("main of the Hub moved meanwhile", async () => {
    const request = scene.request();
    const hub = request.connect();
    const moving = {
      ...hub,
      validateCard: async (text: string) => {
        await scene.change(first, addFile("others.txt", String(Math.random())));
        return hub.validateCard(text);
      },
    };
    const { failure } = await pushCards({ ...request, connect: () => moving });
    expect(failure).toMatchObject({ code: "CONFLICT" });
    expect(await scene.text(first, "README.md")).toBe(old);
  });
});

test("a card that nobody keeps in the GitHub repository is left alone", async () => {
  await rm(join(scene.workspace, "cards/nano/oQ4e.md"));
  expect((await pushCards(scene.request())).failure).toBeNull();
  expect(await scene.text(second, "README.md")).toBe(old);
  expect(await scene.text(first, "README.md")).not.toBe(old);
});

test("with hub-pull-request cards are proposed on the Hub, and a second run writes nothing", async () => {
  const heads = [scene.hub.head(first), scene.hub.head(second)];
  const request = scene.request();
  const inputsOf = (model: Parameters<typeof request.inputsOf>[0]) => ({
    ...request.inputsOf(model),
    hubPullRequest: true,
  });
  const { failure, summary } = await pushCards({ ...request, inputsOf });
  expect(failure).toBeNull();
  expect(summary).toMatch(/\[proposed\]\(.*\/discussions\/1\): `README\.md`, `SHA256SUMS`/);
  expect([scene.hub.head(first), scene.hub.head(second)]).toEqual(heads);
  const card = scene.hub.files(first, "refs/pr/1").get("README.md")!;
  expect(card.sha256).not.toBe(scene.hub.files(first).get("README.md")!.sha256);
  scene.forget();
  expect((await pushCards({ ...request, inputsOf })).failure).toBeNull();
  expect(scene.writes).toEqual([]);
});
