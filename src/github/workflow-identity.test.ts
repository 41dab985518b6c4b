import { afterEach, expect, test, vi } from "vitest";
import { createRepo, startHub } from "../../test/support/local-hub.ts";
import { connectForTest } from "../../test/support/scripted-server.ts";
import { readIdentity } from "./workflow-identity.ts";

afterEach(() => void vi.unstubAllEnvs());

const id = "acme/Tiny-oQ4e";
const github = {
  GITHUB_REPOSITORY: "ada/models",
  GITHUB_REF: "refs/heads/main",
  GITHUB_WORKFLOW_REF: "ada/models/.github/workflows/publish.yml@refs/heads/main",
};

test("a job with id-token: write gets a token of the Hub, and every secret is masked", async () => {
  const publisher = { repository: "ada/models", branch: "main", workflow: "publish.yml" };
  const local = await startHub({ publishers: { [id]: [publisher] } });
  await createRepo(local, id);
  const run = { repository: "ada/models", ref: "refs/heads/main", workflow: "publish.yml" };
  for (const [name, value] of Object.entries({ ...github, ...local.identityOf(run) }))
    vi.stubEnv(name, value);
  const lines: string[] = [];
  const print = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    lines.push(String(text));
    return true;
  });
  const { hub } = connectForTest(local.url, { token: readIdentity(process.env) });
  await hub.checkWrite(id).finally(() => print.mockRestore());
  const masked = lines.filter((line) => line.startsWith("::add-mask::"));
  expect(masked.some((line) => line.includes("hf_jwt_"))).toBe(true);
  expect(masked.some((line) => line.includes("::eyJ"))).toBe(true);
});

test("a job without the permission has no identity; the workflow is the caller's file", () => {
  expect(readIdentity(github)).toBeNull();
  const offered = { ACTIONS_ID_TOKEN_REQUEST_URL: "http://127.0.0.1/?a=b" };
  expect(readIdentity({ ...github, ...offered })).toMatchObject({
    repository: "ada/models",
    workflow: "publish.yml",
    ref: "refs/heads/main",
  });
  expect(readIdentity(offered)?.workflow).toBeNull();
});
