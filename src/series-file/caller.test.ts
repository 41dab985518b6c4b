import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { callerInputs, callerSecrets, checkCaller } from "./caller.ts";
import { neededRights } from "./caller-rights.ts";
import { firstFiles } from "./first-files.ts";

const workflows = new URL("../../.github/workflows/", import.meta.url);
const commit = "0123456789abcdef0123456789abcdef01234567";
const path = ".github/workflows/oqe.yml";
const good = (await firstFiles({ repository: "acme/oqe-publisher", ref: commit })).get(path)!;

/** The faults of the file that `oqe init` writes, with one change: `level line: message`. */
function faults(from: string | RegExp, to: string): readonly string[] {
  const text = good.replace(from, to);
  expect(text).not.toBe(good);
  return (checkCaller(text) ?? []).map(
    ({ level, line, message }) => `${level} ${line}: ${message}`,
  );
}

/** Line of a text of the file, from 1. */
const lineOf = (text: string) => good.slice(0, good.indexOf(text)).split("\n").length;

test("rights, inputs and secrets are those that series.yml has", async () => {
  const { on, jobs } = parse(await readFile(new URL("series.yml", workflows), "utf8"));
  expect(Object.keys(on.workflow_call.inputs)).toEqual(callerInputs);
  expect(Object.keys(on.workflow_call.secrets)).toEqual(callerSecrets);
  const asked = new Map<string, string>();
  for (const { permissions } of Object.values<{ permissions: object }>(jobs))
    for (const [name, right] of Object.entries(permissions))
      if (asked.get(name) !== "write") asked.set(name, right);
  expect(Object.fromEntries(neededRights.map(({ name, right }) => [name, right]))).toEqual(
    Object.fromEntries(asked),
  );
});

describe("checkCaller", () => {
  test("finds nothing in the file that `oqe init` writes, nor in the variants of docs/github.md", () => {
    expect(checkCaller(good)).toEqual([]);
    const releases = good
      .replace(/ {2}schedule:\n.*\n/, "")
      .replace(/ {2}repository_d.*\n.*\n/, "");
    expect(releases).not.toMatch(/schedule|repository_dispatch/);
    expect(checkCaller(releases)).toEqual([]);
    expect(checkCaller(good.replace(`@${commit}`, "@v1"))).toEqual([]);
    expect(
      checkCaller(good.replace(/ {6}hub-token.*/, "      HF_TOKEN: ${" + "{ secrets.A }}")),
    ).toEqual([]);
    expect(checkCaller(good.replace(/secrets:\n.*/, "secrets: inherit"))).toEqual([]);
    const key = (name: string) => `      ${name}: ${"$"}{{ secrets.A }}\n`;
    const app = key("app-client-id") + key("app-private-key");
    expect(checkCaller(good.replace("secrets:\n", `secrets:\n${app}`))).toEqual([]);
    expect(
      checkCaller(good.replace(/permissions:\n( {6}.*\n)+/, "permissions: write-all\n")),
    ).toEqual([]);
  });

  test.each([
    "jobs: {}",
    "[]",
    "",
    "a: [",
    "jobs: { a: { uses: b/c/.github/workflows/d.yml@v1 } }",
  ])("of %j says that it calls another workflow or none", (text) => {
    expect(checkCaller(text)).toBeNull();
  });

  test.each(neededRights)(
    "$name: $right: a missing or lesser line is an error",
    ({ name, right }) => {
      const line = `${name}: ${right}`;
      const job = lineOf("permissions:\n      actions");
      expect(faults(`      ${line}\n`, "")).toEqual([
        `error ${job}: jobs.series.permissions: the line \`${line}\` is missing, so GitHub starts no job of this file`,
      ]);
      expect(faults(line, `${name}: read`)).toEqual([
        `error ${lineOf(line)}: jobs.series.permissions.${name}: the line \`${line}\` is missing, so GitHub starts no job of this file`,
      ]);
    },
  );

  test("rights of the file count where the job has none; without any, all lines are named", () => {
    const without = good.replace(/ {4}permissions:\n( {6}.*\n)+/, "");
    expect(checkCaller(without)).toHaveLength(neededRights.length);
    expect(checkCaller(without.replace("permissions: {}", "permissions: write-all"))).toEqual([]);
    expect(checkCaller(without.replace("permissions: {}\n", ""))).toMatchObject([
      {
        level: "error",
        message: expect.stringMatching(/^jobs\.series: permissions are missing/),
        hint: expect.stringContaining("issues: write, pull-requests: write"),
      },
    ]);
  });

  test.each([
    ["17 3 * * 1", "17 3 * *", "error", "expected five fields"],
    ["17 3 * * 1", "17 25 * * 1", "error", "hour: expected 0 to 23"],
    ["17 3 * * 1", "*/2 * * * *", "warning", "runs 2 min apart"],
  ])("a schedule of %j as %j", (from, to, level, says) => {
    const at = lineOf("cron:");
    expect(faults(from, to)).toEqual([
      expect.stringContaining(`${level} ${at}: on.schedule[0].cron: "${to}": ${says}`),
    ]);
  });

  test("a schedule without cron, or with an unknown time zone", () => {
    expect(faults("- cron:", "- crom:")).toEqual([
      expect.stringMatching(/^error \d+: on\.schedule\[0\]: cron is missing$/),
    ]);
    const zoned = (zone: string) => `17 3 * * 1"\n      timezone: "${zone}`;
    expect(faults("17 3 * * 1", zoned("Europe/Berlin"))).toEqual([]);
    expect(faults("17 3 * * 1", zoned("Mars/Base"))).toEqual([
      expect.stringMatching(/^error \d+: on\.schedule\[0\]\.timezone: "Mars\/Base" is not a time/),
    ]);
  });

  test.each<[string, string | RegExp, string, RegExp]>([
    [
      "a placeholder as owner",
      "uses: acme/",
      "uses: OWNER/",
      /^error \d+: jobs\.series\.uses: "OWNER" is a pl/,
    ],
    [
      "a placeholder in brackets",
      "uses: acme/",
      "uses: <owner>/",
      /uses: "<owner>" is a placeholder/,
    ],
    ["a placeholder as commit", `@${commit}`, "@REF", /uses: "REF" is a placeholder/],
    ["a branch", `@${commit}`, "@main", /^warning \d+: jobs\.series\.uses: "main" is not pinned/],
    ["half a commit", `@${commit}`, `@${commit.slice(0, 12)}`, /^error .* is not a whole commit/],
    ["no commit", `@${commit}`, "", /^error .* names no @commit or @tag/],
    ["an unknown input", "dry-run: $", "dry-rum: $", /^error .*with\.dry-rum: is not an input of/],
    ["an unknown secret", "hub-token: $", "hub_token: $", /^error .*hub_token: is not a secret of/],
    [
      "half of a GitHub App",
      "secrets:\n",
      "secrets:\n      app-client-id: ${" + "{ secrets.A }}\n",
      /^error .*app-client-id: is passed without app-private-key/,
    ],
    ["no secrets", / {4}secrets:\n.*\n/, "", /^warning .*jobs\.series: no Hub token is passed/],
    ["no pull requests", / {2}pull_request:\n.*\n/, "", /^warning .*on: pull_request is missing/],
    [
      "nothing by hand",
      / {2}workflow_dispatch:\n( {4}.*\n)+/,
      "",
      /workflow_dispatch is missing: n/,
    ],
    [
      "no push",
      / {2}push:\n( {4}.*\n)+/,
      "",
      /^warning .*on: push is missing: tags make no release/,
    ],
    [
      "no tags",
      / {4}tags:.*\n/,
      "",
      /^warning .*on\.push: tags are missing: a tag makes no release/,
    ],
    ["no branches", / {4}branches:.*\n/, "", /^warning .*on\.push: branches are missing: merged/],
    [
      "no cards",
      '"cards/**", "series.yml"',
      '"series.yml"',
      /on\.push\.paths: "cards\/\*\*" is miss/,
    ],
    [
      "cards taken out",
      '"series.yml"]\n  sch',
      '"series.yml", "!cards/**"]\n  sch',
      /cards are not/,
    ],
    [
      "no series file",
      '"cards/**", "series.yml"',
      '"cards/**"',
      /paths: "series\.yml" is missing: a/,
    ],
    [
      "another series file",
      "dry-run: $",
      "series-file: my.yml\n      dry-run: $",
      /"my\.yml" is m/,
    ],
    [
      "strangers' secrets",
      "pull_request:\n",
      "pull_request_target: {}\n  pull_request:\n",
      /^error .*str/,
    ],
    ["no YAML", "jobs:", "jobs: [", /^error \d+: not valid YAML/],
  ])("%s", (_, from, to, says) => {
    expect(faults(from, to)).toContainEqual(expect.stringMatching(says));
  });

  test("never quotes a secret that is written out", () => {
    const told = faults(/hub-token: .*/, "hub-token: hf_abcdefghijklmnop");
    expect(told).toEqual([
      expect.stringMatching(
        /^error \d+: jobs\.series\.secrets\.hub-token: a secret is written out/,
      ),
    ]);
    expect(
      JSON.stringify(checkCaller(good.replace(/hub-token: .*/, "hub-token: hf_abcd"))),
    ).not.toMatch(/hf_abcd/);
  });

  test("of a hostile file says one thing, and ends", () => {
    const call = "jobs: { a: { uses: ./.github/workflows/series.yml } }";
    const bomb = ["a: &a [x]"];
    for (let k = 1; k < 30; k++)
      bomb.push(`a${k}: &a${k} [${Array(9).fill(k === 1 ? "*a" : `*a${k - 1}`)}]`);
    for (const text of [`${bomb.join("\n")}\n${call}`, `x: ${"[".repeat(50_000)}\n${call}`]) {
      expect(checkCaller(text)).toMatchObject([{ level: "error", line: expect.any(Number) }]);
    }
    expect(checkCaller(`on: push\n${call.replace("a:", '"__proto__":')}`)).not.toBeNull();
  });
});
