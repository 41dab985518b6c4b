import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { copyModel, editConfig, removeFolder, smallest } from "./support/models.ts";
import { act, events, type Told, workflowScene } from "./support/workflow-scene.ts";

const scene = workflowScene();
const slow = { timeout: 600_000 };
const hubToken = "hf_tokenOfThisTestOnly";
const expression = (text: string) => `\${{ ${text} }}`;

/** What somebody would write to run something, to set an output or to see a token. */
const attacks = () => [
  `$(touch ${scene.scratch}/pwned)`,
  `\`touch ${scene.scratch}/pwned\``,
  `"; touch ${scene.scratch}/pwned; "`,
  "::set-output name=mode::release",
  "::add-mask::a",
  "x\n::set-output name=mode::release\n::stop-commands::x",
  "x\r\n::error::pwned",
  expression("secrets.HF_TOKEN"),
  expression("toJSON(secrets)"),
  "<img src=x onerror=alert(1)>|[a](javascript:alert(1))",
];

/** Nothing ran, no output of ours was set by the text, and no token is in the log. */
function expectHarmless({ output }: Told) {
  expect(existsSync(`${scene.scratch}/pwned`), output).toBe(false);
  for (const secret of [hubToken, "ghs_tokenOfThisJobOnly"]) expect(output).not.toContain(secret);
  // act shows a command that it obeys behind a gear.
  const obeyed = [...output.matchAll(/⚙ +(.*)/g)].map(([, command]) => command!);
  for (const command of obeyed) expect(command).not.toMatch(/mode=release|stop-commands|pwned/);
  expect(output).not.toMatch(/❗ +::error::pwned/);
}

describe.skipIf(act === null && process.env.CI !== "true")("the shipped workflows", () => {
  let number: number;
  const fork = () => events.pullRequest(number, { ref: "evil", repository: "evil/series" });
  const good = `models:
  - { base-model: base/small, namespace: acme, method: rounded, tiers: oQ8e, verify: false }
`;

  beforeAll(async () => {
    const sha = await scene.github.ref("heads/main");
    await scene.github.person("POST", "/git/refs", { ref: "refs/heads/evil", sha });
    await scene.github.personCommits("evil", "series.yml", good);
    const pull = { head: "evil", base: "main", title: attacks()[0] };
    number = (await scene.github.person<{ number: number }>("POST", "/pulls", pull)).number;
    scene.github.permissions = { ...scene.github.permissions, "pull-requests": "read" };
  });

  test("a fork's series.yml is data: it runs, sets and writes nothing", slow, async () => {
    const keys = ["name", "runner", "environment", "namespace", "base-model", "tiers", "max-kl"];
    for (const [k, value] of attacks().entries()) {
      const own = {
        "base-model": "base/small",
        namespace: "acme",
        [keys[k % keys.length]!]: value,
      };
      await scene.write("series.yml", `models:\n  - ${JSON.stringify(own)}\n`);
      const told = await scene.run(fork(), { token: "" });
      expect(told.code, value).not.toBe(0);
      expect(told.output).toMatch(/::error.*series\.yml/);
      expectHarmless(told);
      expect(told.writes).toEqual([]);
    }
  });

  test("keys, comments and anchors of a fork's series.yml are data too", slow, async () => {
    for (const value of [attacks()[0]!, attacks()[5]!, expression("github.token")]) {
      await scene.write("series.yml", `${JSON.stringify(value)}: 1\n${good}`);
      const told = await scene.run(fork(), { token: "" });
      expect(told.code).not.toBe(0);
      expectHarmless(told);
      expect(told.writes).toEqual([]);
    }
  });

  test("from a fork the plan is in the summary alone", slow, async () => {
    await scene.write("series.yml", good);
    const told = await scene.run(fork(), { token: "" });
    expect(told.code, told.output).toBe(0);
    expect(told.output).toContain("small-oQ8e");
    expect(told.output).not.toMatch(/Access|Measure|Seal|Report/);
    expectHarmless(told);
    expect(await scene.github.person("GET", `/issues/${number}/comments`)).toEqual([]);
    expect(told.writes).toEqual([]);
  });

  test("a tag's name reaches no shell", slow, async () => {
    const tag = `v1$(touch\${IFS}${scene.scratch}/pwned)`;
    const told = await scene.run(events.tag(tag));
    expectHarmless(told);
    expect(told.writes).toEqual(["POST /repos/acme/series/issues"]); // the check failed
  });

  test(
    "config, front matter and file names of a base reach no shell and no output",
    slow,
    async () => {
      const model = await copyModel(smallest.llama!, "hostile");
      const lines = attacks().map((value) => JSON.stringify(value));
      await editConfig(model, (config) => {
        const [first, ...others] = attacks();
        Object.assign(config, { architectures: others, transformers_version: first });
        for (const attack of attacks()) config[attack] = attack;
      });
      const tags = lines.map((line) => `  - ${line}`).join("\n");
      const front = `---\nlicense: ${lines[3]}\nlicense_name: ${lines[5]}\ntags:\n${tags}\n---\n`;
      await writeFile(`${model}/README.md`, `${front}\n${attacks().join("\n")}\n`);
      // A file's name has no `/`, so a shell takes the place from a variable.
      await writeFile(`${model}/LICENSE$(touch $PWNED).txt`, "x");
      await writeFile(`${model}/::set-output name=mode::release`, "x");
      await scene.hub.seed("base/hostile", model);
      await removeFolder(dirname(model));
      await scene.write("series.yml", good.replace("base/small", "base/hostile"));
      scene.github.permissions = { ...scene.github.permissions, "pull-requests": "write" };
      const environment = { PWNED: `${scene.scratch}/pwned` };
      const told = await scene.run(events.schedule(), { environment });
      expect(told.code, told.output).toBe(0);
      expectHarmless(told);
    },
  );
});
