import { afterAll, beforeAll, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import { OqeError } from "../ground/errors.ts";
import { silentReport } from "../ground/report.ts";
import type { Hub, PushRequest } from "../hub/hub-types.ts";
import { newTraffic } from "../hub/traffic.ts";
import { publishTiers } from "./publish.ts";
import type { TierState } from "./published.ts";
import type { TierDraft } from "./recipes.ts";

const empty: TierState = {
  exists: false,
  head: null,
  files: new Map(),
  sums: null,
  receipt: null,
  card: null,
  kept: [],
  proposal: null,
  notes: "\n",
};

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

function draftOf(tier: string, baseName = "Base"): TierDraft {
  const { plan: _, series: __, sensitivity: ___, ...recipe } = nemotronReceipt();
  const base = { ...recipe.base, name: baseName };
  const name = `Base-${tier}`;
  return { tier, place: folder, recipe: { ...recipe, base, name, repository: `acme/${name}` } };
}

const unused = () => Promise.reject(new Error("unexpected call"));
const hub: Hub = {
  endpoint: "https://hub",
  access: "token",
  traffic: newTraffic(),
  identify: unused,
  open: unused,
  openDatasetFile: unused,
  checkWrite: unused,
  inspect: async () => ({ ...empty, head: "now" }),
  validateCard: unused,
  readBranch: async () => null,
  describeBranch: unused,
  stage: unused,
  removeBranch: async () => {},
  inspectProposal: unused,
  readTag: unused,
  tag: unused,
  refreshCollection: unused,
  push: unused,
  amend: unused,
};

const refuse = () => Promise.reject(new OqeError("FORBIDDEN", "no right"));

function publishingOf(drafts: readonly TierDraft[], push: Hub["push"], occasion = "") {
  return {
    hub: { ...hub, push },
    drafts,
    states: new Map(drafts.map((draft) => [draft, empty])),
    pending: drafts,
    made: drafts.map(({ recipe: { name } }) => ({
      receipt: { ...nemotronReceipt(), name },
      sums: new Map([["config.json", "f00d"]]),
    })),
    ...{ isPrivate: false, readsOnly: false, proposes: false, keepsBetter: false },
    reached: null,
    report: silentReport,
    occasion,
  };
}

test("the first failure ends the publishing, and later tiers are listed as failed", async () => {
  let pushes = 0;
  const push = () => {
    pushes++;
    return refuse();
  };
  const drafts = [draftOf("oQ8e"), draftOf("oQ4e")];
  const { tiers, failure } = await publishTiers(publishingOf(drafts, push));
  expect(tiers.map(({ tier, outcome, commit }) => [tier, outcome, commit])).toEqual([
    ["oQ8e", "failed", "now"],
    ["oQ4e", "failed", "now"],
  ]);
  expect({ pushes, failure }).toMatchObject({ pushes: 1, failure: { code: "FORBIDDEN" } });
});

test("names from outside become one short line of the commit", async () => {
  const requests: PushRequest[] = [];
  const push = async (request: PushRequest) => {
    requests.push(request);
    return { outcome: "published", commit: "c", url: "u" } as const;
  };
  const draft = draftOf("oQ4e", `two\r\nlines ${"x".repeat(300)}`);
  const occasion = "tag v1\u2028of acme/models";
  const { tiers, failure } = await publishTiers(publishingOf([draft], push, occasion));
  expect({ outcome: tiers[0]!.outcome, failure }).toEqual({ outcome: "published", failure: null });
  const { title, description, expected } = requests[0]!;
  expect(expected).toEqual(new Map([["config.json", "f00d"]])); // not by the folder, which is empty
  expect(title).toMatch(/^Publish oQ4e of two lines x+…$/);
  expect(title).toHaveLength(200);
  expect(description).toMatch(/, for tag v1 of acme\/models$/);
  expect(title + description).not.toMatch(/[\r\n\u2028]/);
});

test("a dry run that makes tiers to be staged says so, because nothing is staged", async () => {
  const outcomes = async (more: object) => {
    const publishing = { ...publishingOf([draftOf("oQ4e")], unused), ...more };
    return (await publishTiers(publishing)).tiers.map(({ outcome }) => outcome);
  };
  const reached = { reached: "staged" } as const;
  expect(await outcomes(reached)).toEqual(["staged"]);
  expect(await outcomes({ ...reached, readsOnly: true })).toEqual(["dry-run"]);
  expect(await outcomes({ reached: "unfinished", readsOnly: true })).toEqual(["unfinished"]);
});
