import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { hashes, id, published, series, startPush, writeFolder } from "../../test/support/push.ts";
import { thrown } from "../../test/support/scripted-server.ts";
import { retryLimits } from "./patience.ts";

/** Answers with status 200 that are not the Hub's. */
const garbage: [string, (right: string) => string][] = [
  ["a login page", () => "<!DOCTYPE html><title>Sign in to the network</title>"],
  ["half of a document", (right) => right.slice(0, Math.floor(right.length / 2))],
  ["nothing", () => ""],
  ["JSON of another shape", () => '{"status":"ok"}'],
  ["null", () => "null"],
  ["other bytes of the same length", (right) => "x".repeat(right.length)],
];

/** The first `times` answers to matching requests are replaced after the Hub did its work. */
function replacing(match: RegExp, replace: (right: string) => string, times: number) {
  let left = times;
  const send: typeof fetch = async (input, init) => {
    const response = await fetch(input, init);
    if (left === 0 || !match.test(`${init?.method ?? "GET"} ${input}`)) return response;
    left--;
    return new Response(replace(await response.text()), { status: 200 });
  };
  return send;
}

const routes: [string, RegExp][] = [
  ["the account", /whoami/],
  ["a revision", /GET .*\/revision\//],
  ["a listing", /GET .*\/tree\//],
  ["the creation", /repos\/create/],
  ["the preupload", /\/preupload\//],
  ["the batch", /objects\/batch/],
  ["the commit", /\/commit\//],
];

describe.each(routes)("in place of the answer about %s", (_route, match) => {
  it.each(garbage)("%s is asked for again", async (name, replace) => {
    if (match.source.includes("create") && name === "JSON of another shape") return; // it is unread
    const { hub, ask, local } = await startPush({}, { fetch: replacing(match, replace, 2) });
    await hub.identify();
    const folder = await writeFolder("a", series);
    expect(await hub.push(await ask(folder))).toMatchObject({
      outcome: "published",
      commit: local.head(id),
    });
    expect(published(local)).toEqual(await hashes(folder));
  });
});

// Main shows a commit, whatever answers the request for it.
const others = routes.filter(([, match]) => !match.source.includes("commit"));

describe.each(others)("in place of the answer about %s", (_route, match) => {
  it("a login page that stays ends the run with one clear message", async () => {
    const page = () => "<html>Sign in</html>";
    const { hub, ask, local, requests } = await startPush(
      {},
      { fetch: replacing(match, page, Number.POSITIVE_INFINITY) },
    );
    const failure = await thrown(
      (async () => {
        await hub.identify();
        await hub.push(await ask(await writeFolder("a", series)));
      })(),
    );
    const hint = expect.stringContaining("login page");
    expect(published(local)).toEqual({});
    expect(requests.length).toBeLessThan(5 * retryLimits.attempts);
    expect(failure).toMatchObject({
      code: "NETWORK",
      message: expect.stringMatching(/failed after 8 attempts\..*got 20 bytes .*"<html>Sign in/),
      hint,
    });
  });
});

it("a login page in place of weights is asked for again", async () => {
  const match = /GET .*\/resolve\/.*safetensors/;
  const page = () => "<html>Sign in</html>";
  const { hub, push } = await startPush({}, { fetch: replacing(match, page, 2) });
  const folder = await writeFolder("a", series);
  await push(folder);
  const path = "model-00002-of-00002.safetensors";
  const source = await (await hub.open(id)).open(path);
  const bytes = await readFile(join(folder, path));
  expect(Buffer.from(await source.read(0, source.size)).equals(bytes)).toBe(true);
});
