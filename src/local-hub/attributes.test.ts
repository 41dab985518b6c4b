import { expect, test } from "vitest";
import { goesToLfs, initialAttributes, looksLikeText, trackInLfs } from "./attributes.ts";

test.each([
  ["model.safetensors", true],
  ["sub/model-00001-of-00002.safetensors", true],
  ["weights.npz", true],
  ["saved_model/variables/x", true],
  ["events.tfevents.123", true],
  ["config.json", false],
  ["tokenizer.json", false],
  ["model.safetensors.index.json", false],
  ["README.md", false],
])("a new repo: %s", (path, lfs) => {
  expect(goesToLfs(initialAttributes, path)).toBe(lfs);
});

test("the last matching pattern decides; comments and other attributes do not count", () => {
  const text =
    "# *.txt filter=lfs\n*.bin filter=lfs -text\n/keep/*.bin -filter\n*.md text\n[ab]?.dat filter=lfs\n[!x].one filter=lfs\n";
  const lfs = (path: string) => goesToLfs(text, path);
  expect(
    [
      "a.txt",
      "a.bin",
      "d/a.bin",
      "keep/a.bin",
      "a.md",
      "a1.dat",
      "c1.dat",
      "y.one",
      "x.one",
    ].filter(lfs),
  ).toEqual(["a.bin", "d/a.bin", "a1.dat", "y.one"]);
});

test("files without a matching pattern get their own line, with any name", () => {
  const paths = ["tokenizer.json", "a b/c*[1].json", "model.safetensors"];
  const after = trackInLfs(initialAttributes, paths);
  expect(after.slice(initialAttributes.length).split("\n")).toHaveLength(3);
  for (const path of paths) expect([path, goesToLfs(after, path)]).toEqual([path, true]);
  expect(goesToLfs(after, "a b/cX1.json")).toBe(false);
  expect(trackInLfs(after, paths)).toBe(after);
  expect(trackInLfs("*.a text", ["b"])).toBe("*.a text\nb filter=lfs diff=lfs merge=lfs -text\n");
});

test("text is UTF-8 without NUL, even if the sample ends inside a character", () => {
  expect(looksLikeText(Buffer.from("grün"))).toBe(true);
  expect(looksLikeText(Buffer.from("grün").subarray(0, 3))).toBe(true);
  expect(looksLikeText(Buffer.from("a\0b"))).toBe(false);
  expect(looksLikeText(Buffer.from([0x61, 0xff, 0x62]))).toBe(false);
});
