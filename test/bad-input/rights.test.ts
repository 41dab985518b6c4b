import { describe, expect, test } from "vitest";
import type { LocalHubUser } from "../../src/local-hub/local-hub.ts";
import { rounded, runCli } from "../support/cli-run.ts";
import { byArchitecture } from "../support/models.ts";
import { refusalScene } from "../support/refusal.ts";

/** Tokens that cannot publish. A run must end before it quantizes, and write nothing. */
const users: Record<string, LocalHubUser> = {
  hf_owner: { name: "ada", organizations: ["acme"], role: "write" },
  hf_reader: { name: "bob", organizations: ["acme"], role: "write", roles: { acme: "read" } },
  hf_outsider: { name: "eve", role: "write" },
  hf_narrow: {
    name: "ada",
    organizations: ["acme"],
    role: "write",
    scopes: { ada: ["repo.write"] },
  },
  hf_looking: {
    ...{ name: "ada", organizations: ["acme"], role: "write" },
    scopes: { acme: ["repo.content.read"] },
  },
  hf_other: {
    ...{ name: "ada", organizations: ["acme"], role: "write" },
    scopes: { "acme/another": ["repo.write"] },
  },
  hf_enough: {
    ...{ name: "ada", organizations: ["acme"], role: "write" },
    scopes: { acme: ["repo.write"] },
  },
  hf_one: {
    ...{ name: "ada", organizations: ["acme"], role: "write" },
    scopes: { "acme/tiny-oQ4e": ["repo.write"] },
  },
};
const scene = refusalScene(
  async ({ hub }) => {
    await hub.seed("base/tiny", byArchitecture.llama!);
  },
  { users },
);

const publish = (token: string, ...more: string[]) =>
  runCli(
    [
      ...["publish", "base/tiny", "--namespace", "acme", "--tiers", "oQ4e", ...rounded],
      ...["--work-dir", `${scene.folder}/work`, ...more],
    ],
    { HF_ENDPOINT: scene.hub.url, HF_TOKEN: token },
  );

async function expectRefused(token: string, says: RegExp): Promise<void> {
  const head = scene.hub.head("acme/tiny-oQ4e");
  // The recipe is another one, so that there would be something to do.
  const { code, stderr } = await publish(token, "--rounding", "mlx");
  expect(code).toBe(1);
  expect(stderr).toMatch(says);
  expect(stderr).toContain("[FORBIDDEN]");
  expect(stderr).not.toMatch(/^Quantize/m);
  expect(scene.hub.head("acme/tiny-oQ4e")).toBe(head);
}

test.each([
  ["hf_reader", /bob may only read in the organization acme/],
  ["hf_narrow", /the fine-grained token of ada has no write access to repositories of acme/],
  ["hf_looking", /the fine-grained token of ada has no write access to repositories of acme/],
  ["hf_one", /the fine-grained token may not create acme\/tiny-oQ4e/],
])("%s is refused by what the Hub says of the token", (token, says) => expectRefused(token, says));

describe("for a repository that exists", () => {
  test("a right to the organization is enough, and so is one to it alone", async () => {
    expect((await publish("hf_enough")).code).toBe(0);
    expect((await publish("hf_one", "--rounding", "mlx")).code).toBe(0);
    expect((await publish("hf_owner")).code).toBe(0);
  });

  test.each(["hf_other", "hf_outsider"])("%s is refused by the repository", async (token) => {
    await expectRefused(token, /The token may not write acme\/tiny-oQ4e/);
  });

  test("one that is disabled is refused", async () => {
    const body = { id: "acme/tiny-oQ4e", disabled: true };
    const action = { status: 200, body };
    scene.hub.faults.push({ match: /GET .*acme\/tiny-oQ4e\?expand/, times: 1, action });
    await expectRefused("hf_owner", /acme\/tiny-oQ4e is disabled: the Hub takes no commits to it/);
  });

  test("a Hub that cannot be asked is a warning", async () => {
    const action = { status: 404, body: { error: "no such page" } };
    scene.hub.faults.push({ match: /auth-check/, times: 1, action });
    const { code, stderr } = await publish("hf_owner", "--rounding", "mlx");
    expect(code).toBe(0);
    expect(stderr).toContain("does not tell whether a token may write to a repository");
  });
});
