import { spawnSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cli } from "./support/cli-run.ts";
import { byArchitecture, removeFolder, scratchFolder } from "./support/models.ts";

/** Runs a command in a terminal of 100 columns, and prints what it wrote there. */
const terminal = `
import fcntl, os, pty, struct, sys, termios
child, handle = pty.fork()
if child == 0:
    fcntl.ioctl(2, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    os.execvp(sys.argv[1], sys.argv[1:])
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

/** What a rounded run writes to a terminal of that kind. */
function run(TERM: string): string {
  const out = ["--out", `${folder}/${TERM}`, "--method", "rounded", "--verify", "false"];
  const command = [process.execPath, cli, "quantize", byArchitecture.llama!, ...out];
  const env = { PATH: process.env.PATH ?? "", TERM };
  const { stdout } = spawnSync("python3", ["-c", terminal, ...command], { env, encoding: "utf8" });
  return stdout.replaceAll("\r\n", "\n");
}

test.skipIf(!hasPython)("a supervised run has a live line in a terminal", () => {
  const text = run("xterm");
  expect(text).toContain("\r\u001b[KQuantize (4 of 4)\n\rQuantize (4 of 4)  0 s\u001b[K");
  expect(text).toContain("\r\u001b[Ktier ");
  expect(text).toMatch(/ {2}oqe-publisher \S+ took \d+ s and \S+ GB of memory at most\.\n$/);
});

test.skipIf(!hasPython)("a dumb terminal gets whole lines", () => {
  const text = run("dumb");
  expect(text).toContain("\nQuantize (4 of 4)\n  ");
  expect(text).not.toContain("\r");
  expect(text).not.toContain("\u001b");
});
