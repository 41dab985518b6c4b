import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cli, runCli } from "./support/cli-run.ts";
import { byArchitecture, removeFolder, scratchFolder } from "./support/models.ts";

/** Runs a command in a terminal of so many columns, and prints what it wrote there. */
const terminal = `
import fcntl, os, pty, struct, sys, termios
child, handle = pty.fork()
if child == 0:
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    try:
        text = os.read(handle, 65536)
    except OSError:
        break
    if not text:
        break
    os.write(1, text)
os.waitpid(child, 0)
`;
const hasPython = spawnSync("python3", ["-c", "import pty"]).status === 0;

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

/** What a command writes to a terminal of that kind. */
function inTerminal(args: readonly string[], environment: Record<string, string>, columns = 100) {
  const env = { PATH: process.env.PATH ?? "", HOME: folder, TERM: "xterm", ...environment };
  const command = ["-c", terminal, String(columns), process.execPath, cli, ...args];
  const { stdout } = spawnSync("python3", command, { env, encoding: "utf8", cwd: folder });
  return stdout.replaceAll("\r\n", "\n");
}

let runs = 0;
/** A rounded run. */
const rounding = () => {
  const out = ["--out", `${folder}/${runs++}`, "--method", "rounded", "--verify", "false"];
  return ["quantize", byArchitecture.llama!, ...out];
};
const plain = { NO_COLOR: "1" };
const esc = "\u001b";

test.skipIf(!hasPython)("a supervised run has a live line in a terminal", () => {
  const text = inTerminal(rounding(), plain);
  expect(text).toContain("\r\u001b[KQuantize (4 of 4)\n\rQuantize (4 of 4)  0 s\u001b[K");
  expect(text).toMatch(/ {2}oqe-publisher \S+ took \d+ s and \S+ GB of memory at most\.\n/);
  expect(text).toMatch(
    /\ntier +GB +bpw +mean KL +same top +verdict +result\noQ8e +\S+ +8\.50 +– +– +– +written/,
  );
});

test.skipIf(!hasPython)("a dumb terminal gets whole lines", () => {
  const text = inTerminal(rounding(), { TERM: "dumb" });
  expect(text).toContain("\nQuantize (4 of 4)\n  ");
  expect(text).not.toContain("\r");
  expect(text).not.toContain(esc);
});

test.skipIf(!hasPython).each([80, 120])(
  "no line of a screen is wider than %i columns",
  (columns) => {
    const calls = [["--help"], ["plan", byArchitecture.llama!], ["publish", "--help"], rounding()];
    for (const args of calls) {
      const text = inTerminal(args, plain, columns);
      // The live line is written again and again, each time from the first column.
      const lines = text.split(/\n|\r/).map((line) => line.replaceAll(`${esc}[K`, ""));
      expect(lines.filter((line) => line.length > columns && !line.includes("/"))).toEqual([]);
    }
  },
);

test.skipIf(!hasPython)(
  "colors are for a terminal, and NO_COLOR and FORCE_COLOR decide",
  async () => {
    const wrong = ["plam", "x"];
    const red = `${esc}[31merror:${esc}[39m "plam" is not a command`;
    expect(inTerminal(wrong, {})).toContain(red);
    expect(inTerminal(wrong, plain)).toMatch(/^error: "plam"/);
    expect(inTerminal(wrong, { NO_COLOR: "" })).toContain(red);
    expect(inTerminal(wrong, { FORCE_COLOR: "0" })).toMatch(/^error: "plam"/);
    expect(inTerminal(["--help"], {})).toContain(`${esc}[1mCommands:${esc}[22m`);
    expect((await runCli(wrong)).stderr).toMatch(/^error: "plam"/);
    expect((await runCli(wrong, { FORCE_COLOR: "1" })).stderr).toContain(red);
    expect((await runCli(wrong, { FORCE_COLOR: "1", NO_COLOR: "1" })).stderr).not.toContain(esc);
    expect((await runCli(["--help"], { FORCE_COLOR: "1" })).stdout).toContain(`${esc}[1mCommands:`);
  },
);

test.skipIf(!hasPython)("--quiet leaves the result alone", () => {
  const text = inTerminal([...rounding(), "--quiet"], plain);
  expect(text).toMatch(/^llama\ntier +GB /);
  expect(text).not.toContain(esc);
});
