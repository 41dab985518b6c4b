import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

/** The rooms from top to bottom (docs/architecture.md). An import may skip rows downwards, never point up. */
const rows = [
  ["action.ts", "cli.ts"],
  ["entry/"],
  ["pipeline.ts"],
  ["series/"],
  ["github/", "inputs/"],
  ["card/"],
  ["chart/", "template/"],
  ["receipt/"],
  ["hub/", "local-hub/"],
  ["sensitivity/"],
  ["evaluation/"],
  ["quantize/"],
  ["plan/"],
  ["base/"],
  ["mlx/"],
  ["calibration/"],
  ["models/"],
  ["checkpoint/"],
  ["kernel/"],
  ["ground/"],
];
const src = fileURLToPath(new URL("../src/", import.meta.url));
const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter(
  (path) => path.endsWith(".ts") && !path.endsWith(".test.ts") && !path.endsWith(".d.ts"),
);

function rowOf(path: string): number {
  return rows.findIndex((row) =>
    row.some((place) => path === place || (place.endsWith("/") && path.startsWith(place))),
  );
}

describe("the house", () => {
  test("every file has a room", () => {
    expect(files.filter((path) => rowOf(path) === -1)).toEqual([]);
  });

  test("nothing imports upwards, and rooms on one floor do not import each other", () => {
    const wrong: string[] = [];
    for (const path of files) {
      for (const [, target] of readFileSync(join(src, path), "utf8").matchAll(
        /(?:from|import\()\s*"(\.[^"]+)"/g,
      )) {
        const resolved = normalize(join(dirname(path), target!));
        if (resolved.startsWith("..")) continue; // package.json, the kernel's package
        const room = (file: string) => (file.includes("/") ? file.split("/")[0] : file);
        const sameRoom = room(path) === room(resolved) && path.includes("/");
        if (!sameRoom && rowOf(resolved) <= rowOf(path)) wrong.push(`${path} imports ${resolved}`);
      }
    }
    expect(wrong).toEqual([]);
  });

  test("one idea a file: none is longer than 300 lines", () => {
    const long = files.filter(
      (path) => readFileSync(join(src, path), "utf8").split("\n").length > 300,
    );
    expect(long).toEqual([]);
  });
});
