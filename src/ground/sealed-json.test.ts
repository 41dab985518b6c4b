import { expect, test } from "vitest";
import { readSealed, writeSealed } from "./sealed-json.ts";

const value = { loss: 0.5, names: ["a", "__proto__"], 7: null };
const sealed = writeSealed(value);

test("a sealed value reads back", () => {
  expect(readSealed(sealed)).toEqual(value);
  expect(readSealed(writeSealed({ ["__proto__"]: 1 }))).toEqual({ ["__proto__"]: 1 });
});

test.each([
  ["a digit", sealed.replace("0.5", "0.6")],
  ["a field", sealed.replace("loss", "boss")],
  ["the hash", sealed.replace(/"sha256":"./, '"sha256":"x')],
  ["the end", sealed.slice(0, -1)],
  ["a field twice", sealed.replace('"loss":0.5', '"loss":0.5,"loss":1')],
  ["all: nothing", ""],
  ["all: null", "null"],
  ["all: a list", "[1]"],
  ["the value: none", `{"sha256":"${"0".repeat(64)}"}`],
  ["the depth", `{"sha256":"0","value":${"[".repeat(1e6)}${"]".repeat(1e6)}}`],
])("a value with another %s is none", (_, text) => {
  expect(readSealed(text)).toBeUndefined();
});
