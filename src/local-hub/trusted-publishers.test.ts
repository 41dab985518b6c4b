import { expect, test } from "vitest";
import {
  addFile,
  call,
  commit,
  createRepo,
  refusal,
  startHub,
} from "../../test/support/local-hub.ts";
import type { LocalHub, WorkflowRun } from "./local-hub.ts";

const run: WorkflowRun = {
  repository: "ada/models",
  ref: "refs/heads/main",
  workflow: "publish.yml",
};
const publisher = { repository: "ada/models", branch: "main", workflow: "publish.yml" };
const clock = { now: 1_700_000_000_000 };

async function start() {
  clock.now = 1_700_000_000_000;
  const publishers = { "acme/m": [publisher] };
  const hub = await startHub({ publishers, now: () => clock.now, tokenLifetime: 600 });
  for (const id of ["acme/m", "acme/other"]) await createRepo(hub, id);
  return hub;
}

async function identity(hub: LocalHub, of = run, audience = "https://huggingface.co") {
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } =
    hub.identityOf(of);
  const answer = await fetch(`${url}&audience=${encodeURIComponent(audience)}`, {
    headers: { Authorization: `Bearer ${bearer}` },
  });
  return ((await answer.json()) as { value: string }).value;
}

const exchange = (hub: LocalHub, subject_token: string, more: object = {}) =>
  call(hub, "POST /oauth/token", {
    token: null,
    json: {
      grant_type: "urn:ietf:params:oauth:grant-type:token-exchange",
      subject_token_type: "urn:ietf:params:oauth:token-type:id_token",
      subject_token,
      resource: "acme/m",
      ...more,
    },
  });

test("a trusted workflow gets a token that writes to one repository until it expires", async () => {
  const hub = await start();
  const answer = await exchange(hub, await identity(hub));
  const { access_token: token, ...rest } = (await answer.json()) as { access_token: string };
  expect(rest).toEqual({ token_type: "bearer", expires_in: 600 });
  expect(token).toMatch(/^hf_jwt_/);
  const file = [addFile("a.txt", "1")];
  expect((await commit(hub, "acme/m", file, { token })).status).toBe(200);
  expect((await commit(hub, "acme/other", file, { token })).status).toBe(403);
  expect((await createRepo(hub, "acme/new", token)).status).toBe(403);
  clock.now += 600_000;
  expect((await commit(hub, "acme/m", [addFile("a.txt", "2")], { token })).status).toBe(401);
});

test("another workflow, repository, branch, audience, age or signature gets nothing", async () => {
  const hub = await start();
  const refused = async (token: string, more: object = {}) => {
    const { status, error } = await refusal(await exchange(hub, token, more));
    return [status, error];
  };
  const grant = [400, "invalid_grant"];
  for (const other of [
    { workflow: "other.yml" },
    { repository: "eve/models" },
    { ref: "refs/heads/try" },
    { ref: "refs/tags/main" },
  ])
    expect(await refused(await identity(hub, { ...run, ...other }))).toEqual(grant);
  const good = await identity(hub);
  expect(await refused(await identity(hub, run, "https://hub.example"))).toEqual(grant);
  expect(await refused(good, { resource: "acme/other" })).toEqual(grant);
  expect(await refused(good, { resource: "acme/none" })).toEqual(grant);
  expect(await refused(`${good}x`)).toEqual(grant);
  const [head, , signature] = good.split(".");
  const forged = Buffer.from('{"aud":"https://huggingface.co"}').toString("base64url");
  expect(await refused([head, forged, signature].join("."))).toEqual(grant);
  expect(await refused(good, { grant_type: "password" })).toEqual([400, "invalid_request"]);
  expect(await refused(good, { resource: null })).toEqual([400, "invalid_request"]);
  clock.now += 301_000;
  expect(await refused(good)).toEqual(grant);
});

test("the identity endpoint needs the job's own request token", async () => {
  const hub = await start();
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url } = hub.identityOf(run);
  const answer = await fetch(`${url}&audience=x`, { headers: { Authorization: "Bearer guess" } });
  expect(answer.status).toBe(401);
});
