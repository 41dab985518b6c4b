import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  choicesOf,
  commandTable,
  flagNames,
  inputFlags,
  ownFlags,
} from "../src/entry/command-table.ts";
import { runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";

const has = (shell: string) => spawnSync(shell, ["-c", "true"]).status === 0;

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
  for (const shell of ["bash", "zsh", "fish"]) {
    const { code, stdout } = await runCli(["completion", shell]);
    expect(code).toBe(0);
    await writeFile(join(folder, shell), stdout);
    await writeFile(join(folder, `${shell}-text`), stdout);
  }
});
afterAll(() => removeFolder(folder));

/** Readline takes `=` for a word of its own, and completes the last one. */
const words = (line: string) => line.split(" ").flatMap((word) => word.split(/(?==)|(?<==)/));

/** What each shell offers for the last word of a line, which is perhaps empty. */
const shells: Readonly<Record<string, (line: string) => readonly string[]>> = {
  bash: (line) => {
    const list = words(line).map((word) => `'${word}'`);
    const script = `source '${folder}/bash'
COMP_WORDS=(${list.join(" ")}); COMP_CWORD=${list.length - 1}
compopt() { COMPREPLY+=("<$*>"); }
_oqe && printf '%s\\n' "\${COMPREPLY[@]}"`;
    return output("bash", ["--norc", "-euc", script]);
  },
  fish: (line) =>
    output("fish", ["-N", "-c", `source '${folder}/fish'; complete -C '${line}'`]).map((text) =>
      text.split("\t")[0]!.replace(/^--[\w-]+=/, ""),
    ),
};

function output(shell: string, args: readonly string[]): readonly string[] {
  const options = { encoding: "utf8", cwd: folder, timeout: 30_000 } as const;
  const { stdout, stderr } = spawnSync(shell, args, options);
  expect(stderr).toBe("");
  return stdout.split("\n").filter((text) => text !== "");
}

describe.each(Object.keys(shells))("completion of %s", (shell) => {
  const complete = shells[shell]!;
  const asked = test.skipIf(!has(shell));
  const names = commandTable.map(({ name }) => name);

  asked("offers every command, and those that begin with what is typed", () => {
    expect(complete("oqe ")).toEqual(expect.arrayContaining([...names]));
    expect(complete("oqe pu")).toEqual(["publish"]);
  });

  asked("offers each flag of a command and its negation, and none of another's", () => {
    for (const command of commandTable) {
      const offered = complete(`oqe ${command.name} --`);
      const own = flagNames(command).map((name) => `--${name}`);
      expect([...offered].sort()).toEqual([...new Set([...own, "--help"])].sort());
    }
  });

  asked("offers the values of a flag that has some", () => {
    for (const command of commandTable)
      for (const row of [...ownFlags(command), ...inputFlags(command)]) {
        const choices = choicesOf(row);
        if (choices.length === 0) continue;
        const offered = complete(`oqe ${command.name} x --${row.name} `);
        expect([...offered].sort()).toEqual([...choices].sort());
      }
    expect(complete("oqe plan --method=tu")).toEqual(["tuned"]);
  });

  asked("offers files for an argument, and the shells for its own", () => {
    expect(complete("oqe completion ")).toEqual(expect.arrayContaining(["bash", "zsh", "fish"]));
    const files = complete("oqe card bash-");
    expect(files).toEqual(shell === "bash" ? ["<-o default>"] : ["bash-text"]);
  });
});

describe("completion of zsh", () => {
  const script = async () => (await runCli(["completion", "zsh"])).stdout;

  test("has each command with its flags", async () => {
    const text = await script();
    for (const command of commandTable) {
      const [, own = ""] =
        new RegExp(`^ {6}${command.name}\\)\\n([\\s\\S]*?);;$`, "m").exec(text) ?? [];
      const listed = [...own.matchAll(/^ +'--([\w-]+)/gm)].map(([, name]) => name);
      expect(listed).toEqual(
        [...ownFlags(command), ...inputFlags(command)].flatMap(({ name }) =>
          flagNames(command).includes(`no-${name}`) ? [name, `no-${name}`] : [name],
        ),
      );
    }
    expect(text).toContain(":method:(rounded tuned)'");
  });

  test.skipIf(!has("zsh"))("is a script of zsh that completes a command", () => {
    expect(output("zsh", ["-n", `${folder}/zsh`])).toEqual([]);
    // Keys typed in a terminal of its own: Tab completes, Ctrl-A and # make it a comment.
    const typed = `zmodload zsh/zpty
zpty z zsh -fi
zpty -w z "PS1=; unset zle_bracketed_paste; autoload -Uz compinit; compinit -u -D; source ${folder}/zsh; echo ready\\$((1 + 1))"
zpty -r -m z line '*ready2*'
zpty -w -n z $'oqe pub\\t --no-ver\\t'
zpty -w -n z $'\\x01#\\n'
zpty -w z "echo done\\$((1 + 1))"
zpty -r -m z all '*done2*'
print -r -- "$all"`;
    const text = output("zsh", ["-fc", typed]).join("\n");
    expect(text).toMatch(/publish/);
    expect(text).toMatch(/--no-verify/);
  });
});
