import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { app } from "./support/github-app.ts";
import { smallest } from "./support/models.ts";
import { act, events, type Told, workflowScene } from "./support/workflow-scene.ts";

const scene = workflowScene();
const slow = { timeout: 600_000 };

const model = (name: string) => `  - base-model: base/${name}
    name: ${name}
    tiers: [oQ8e]
    method: rounded
    verify: false
`;
const series = (...names: readonly string[]) =>
  `defaults: { namespace: acme, runner: ubuntu-latest }\nmodels:\n${names.map(model).join("")}`;

const caller = ".github/workflows/oqe.yml";
/** The lines that docs/github.md adds to the caller. */
const lines = `      app-client-id: \${{ secrets.APP_CLIENT_ID }}
      app-private-key: \${{ secrets.APP_PRIVATE_KEY }}
`;
const secrets = { APP_CLIENT_ID: app.clientId, APP_PRIVATE_KEY: app.privateKey };

/** The account that opened each pull request, by its branch. */
async function openers() {
  const pulls = await scene.github.person<{ head: { ref: string }; user: { login: string } }[]>(
    ...(["GET", "/pulls?state=open"] as const),
  );
  return Object.fromEntries(pulls.map(({ head, user }) => [head.ref, user.login]));
}

function expectNoSecrets({ output }: Told) {
  for (const secret of [app.token, "keyOfThisTestOnly", "ghs_tokenOfThisJobOnly"])
    expect(output).not.toContain(secret);
}

// The tests are one story: each finds what the one before left.
describe.skipIf(act === null && process.env.CI !== "true")("a GitHub App", () => {
  test("is not asked without its secrets: the job's own token opens", slow, async () => {
    await scene.write("series.yml", series("small"));
    const told = await scene.run(events.dispatch());
    expect(told.code, told.output).toBe(0);
    expect(scene.github.apps.asked).toEqual([]);
    expect(await openers()).toEqual({ "oqe/cards/small": "github-actions[bot]" });
    expectNoSecrets(told);
  });

  test(
    "opens the card pull request and makes the release, where the job may not",
    slow,
    async () => {
      const text = await readFile(`${scene.repository}/${caller}`, "utf8");
      await scene.write(caller, text.replace("    secrets:\n", `    secrets:\n${lines}`));
      await scene.hub.seed("base/other", smallest.llama!);
      await scene.write("series.yml", series("small", "other"));
      await scene.github.person("POST", "/git/refs", {
        ref: "refs/tags/v1.0.0",
        sha: await scene.github.ref("heads/main"),
      });
      // So nothing of this can be the job's own token.
      scene.github.mayOpenPullRequests = false;
      scene.github.permissions.contents = "read";
      const told = await scene.run(events.tag("v1.0.0"), { secrets });
      expect(told.code, told.output).toBe(0);
      expect(await openers()).toEqual({
        "oqe/cards/small": "github-actions[bot]",
        "oqe/cards/other": app.login,
      });
      const release = await scene.github.person("GET", "/releases/tags/v1.0.0");
      expect(release).toMatchObject({ draft: false, author: { login: app.login } });
      const asked = scene.github.apps.asked.map((rights) => Object.keys(rights).join(" "));
      expect(asked.sort()).toEqual(["contents", "contents pull_requests"]);
      expectNoSecrets(told);
      const again = await scene.run(events.tag("v1.0.0"), { secrets });
      expect([again.code, again.writes], again.output).toEqual([0, []]);
    },
  );
});
