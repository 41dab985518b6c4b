import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { copyModel, removeFolder, smallest } from "./support/models.ts";
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
  expect(output).not.toMatch(/^[^|]*::error::pwned/m);
}

describe.skipIf(act === null && process.env.CI !== "true")("the shipped workflows", () => {
  const fork = () => events.pullRequest(7, { ref: "evil", repository: "evil/series" });
  const good = "models: [{ base-model: base/small, namespace: acme, method: rounded }]\n";

  beforeAll(async () => {
    scene.github.permissions = { ...scene.github.permissions, "pull-requests": "read" };
  });

  test(
    "a fork's series.yml is data: it runs nothing, sets nothing, writes nothing",
    slow,
    async () => {
      const values = attacks();
      const keys = ["name", "runner", "environment", "namespace", "base-model", "tiers", "max-kl"];
      const text = `models:\n${values
        .map((value, k) => {
          const own = {
            "base-model": "base/small",
            namespace: "acme",
            [keys[k % keys.length]!]: value,
          };
          return `  - ${JSON.stringify(own)}`;
        })
        .join("\n")}\n`;
      await scene.write("series.yml", text);
      const told = await scene.run(fork(), { token: "" });
      expect(told.code).not.toBe(0); // every value is refused
      expect(told.output).toMatch(/::error::.*series\.yml/);
      expectHarmless(told);
      expect(told.writes).toEqual([]);
    },
  );

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
    expect(await scene.github.person("GET", "/issues/7/comments").catch(() => [])).toEqual([]);
  });

  test("a tag's name reaches no shell", slow, async () => {
    const tag = `v1$(touch\${IFS}${scene.scratch}/pwned)`;
    const told = await scene.run(events.tag(tag));
    expectHarmless(told);
    expect(told.writes).toEqual([]);
  });

  test(
    "config, front matter and file names of a base reach no shell and no output",
    slow,
    async () => {
      const model = await copyModel(smallest.llama!, "hostile");
      const lines = attacks().map((value) => JSON.stringify(value));
      const tags = lines.map((line) => `  - ${line}`).join("\n");
      const front = `---\nlicense: ${lines[3]}\nlicense_name: ${lines[5]}\ntags:\n${tags}\n---\n`;
      await writeFile(`${model}/README.md`, `${front}\n${attacks().join("\n")}\n`);
      await writeFile(`${model}/LICENSE$(touch pwned).txt`, "x");
      await writeFile(`${model}/::set-output name=mode::release`, "x");
      await scene.hub.seed("base/hostile", model);
      await removeFolder(dirname(model));
      await scene.write("series.yml", good.replace("base/small", "base/hostile"));
      const told = await scene.run(events.schedule());
      expectHarmless(told);
    },
  );
});
