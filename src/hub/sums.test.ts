import { describe, expect, test } from "vitest";
import { parseSums, sha256Of, writeSums } from "./sums.ts";

const [a, b] = [sha256Of("a"), sha256Of(new Uint8Array([98]))];
const text = `${a}  config.json\n${b}  sub/b c.txt\n`;

test("sums are written in the format of sha256sum, sorted by path, and read back", () => {
  const sums = new Map([
    ["sub/b c.txt", b],
    ["config.json", a],
  ]);
  expect(writeSums(sums)).toBe(text);
  expect(parseSums(text)).toEqual(new Map([...sums].reverse()));
});

describe("sums that somebody changed are none:", () => {
  test.each([
    ["nothing", ""],
    ["no last newline", text.slice(0, -1)],
    ["a comment", `# mine\n${text}`],
    ["another order", `${b}  sub/b c.txt\n${a}  config.json\n`],
    ["a file twice", `${a}  config.json\n${b}  config.json\n`],
    ["a short hash", text.slice(1)],
    ["capital letters", text.replace(a, a.toUpperCase())],
    ["Windows lines", text.replaceAll("\n", "\r\n")],
    ["a path that leaves its folder", `${a}  ../x\n`],
  ])("%s", (_, changed) => expect(parseSums(changed)).toBeNull());
});
