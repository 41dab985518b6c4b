import { expect, test } from "vitest";
import { sha256Of } from "../hub/sums.ts";
import { drawPlaceholder } from "./drawing.ts";
import { darkened } from "./palette.ts";
import { drawPng } from "./png.ts";

const picture = (words: string) => drawPlaceholder(words);
const draw = async (words: string, theme: "light" | "dark" = "light") =>
  sha256Of(await drawPng(picture(words), theme));

test("a PNG has twice the pixels of its picture", async () => {
  const png = Buffer.from(await drawPng(picture("abc"), "light"));
  expect(png.toString("latin1", 1, 4)).toBe("PNG");
  expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([880, 160]);
});

test("letters are drawn: other words, other pixels; a letter that the font lacks is a box", async () => {
  const [a, b, none, box, other] = await Promise.all([
    draw("one"),
    draw("two"),
    draw(""),
    draw("\u5b57"),
    draw("\u6587"),
  ]);
  expect(new Set([a, b, none]).size).toBe(3);
  expect(box).not.toBe(none);
  expect(other).not.toBe(none);
});

test("the same picture gives the same bytes, after any others", async () => {
  const first = await draw("one", "dark");
  await Promise.all([draw("x"), draw("y", "dark")]);
  expect(await draw("one", "dark")).toBe(first);
  expect(await draw("one")).not.toBe(first);
});

test("dark colours take the place of light ones, and no style sheet is left", () => {
  const dark = darkened(picture("one"));
  expect(dark).not.toMatch(/<style>|#ffffff|#d1d9e0|#59636e/);
  expect(dark).toMatch(/fill="#0d1117" stroke="#3d444d"/);
});

test("a text that is no picture is an error, and the next picture is drawn", async () => {
  await expect(drawPng("<svg", "light")).rejects.toThrow();
  await expect(drawPng("", "light")).rejects.toThrow();
  expect(await draw("one")).toBe(await draw("one"));
});
