import { describe, expect, it } from "vitest";
import { OqeError } from "../ground/errors.ts";
import {
  checkRepositoryId,
  checkRepositoryName,
  checkRevision,
  encodePath,
  pathFault,
  printable,
} from "./names.ts";

describe("repository names", () => {
  it.each(["Acme/Model-oQ8e", "01-ai/Yi-1.5", "_x/_", "a/b.c_d-e", `n/${"x".repeat(96)}`])(
    "accepts %s",
    (id) => {
      expect(checkRepositoryId(id)).toBe(id);
    },
  );

  it.each([
    ["", "model"],
    ["acme", ""],
    ["acme", "x".repeat(97)],
    ["acme", "../x"],
    ["..", "x"],
    ["acme", "a b"],
    ["acme", "a--b"],
    ["acme", "a..b"],
    ["acme", "-a"],
    ["acme", "a-"],
    [".acme", "a"],
    ["acme", "a."],
    ["acme", "a.git"],
    ["acme", "ä"],
    ["acme", "a\n::set-env name=x::y"],
    ["acme", "a?b"],
    ["acme", "a%2fb"],
    ["acme", "a/b"],
  ])("refuses %s/%s", (namespace, name) => {
    const check = () => checkRepositoryName(namespace, name);
    expect(check).toThrow(OqeError);
    expect(check).toThrow(/^[^\n]+$/);
  });

  it.each(["model", "a/b/c", "", "/", "a/"])("refuses the id %j", (id) => {
    expect(() => checkRepositoryId(id)).toThrow(OqeError);
  });
});

describe("revisions", () => {
  it.each(["main", "v1.0", "refs/pr/3", "0123456789012345678901234567890123456789", "feature/x"])(
    "accepts %s",
    (name) => {
      expect(checkRevision(name)).toBe(name);
    },
  );

  it.each([
    "",
    "a b",
    "../main",
    "a..b",
    "-x",
    "a?b",
    "a\nb",
    "/a",
    "a/",
    "a.lock",
    "x".repeat(256),
    "a@{1}",
  ])("refuses %j", (name) => {
    expect(() => checkRevision(name)).toThrow(OqeError);
  });
});

describe("file paths", () => {
  it.each(["a", "a/b.json", ".gitattributes", "sub dir/ä.txt", "a..b"])("accepts %s", (path) => {
    expect(pathFault(path)).toBeNull();
  });

  it.each([
    "",
    "/a",
    "a//b",
    "a/",
    "../a",
    "a/../b",
    "./a",
    "a\\b",
    "C:a",
    ".git/config",
    "a/.GIT/x",
    "a\nb",
    "\0",
  ])("refuses %j", (path) => {
    expect(pathFault(path)).toBeTypeOf("string");
  });

  it("encodes every segment", () => {
    expect(encodePath("a b/c#?.txt")).toBe("a%20b/c%23%3F.txt");
  });
});

it("prints text from outside as one short line", () => {
  expect(printable("a\r\n::error::x\u2028y")).toBe("a ::error::x y");
  expect(printable("x".repeat(300), 10)).toBe(`${"x".repeat(10)}…`);
});
