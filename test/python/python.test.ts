import { expect, test } from "vitest";
import { findPython } from "./python.ts";

test("a Python is found that has all modules, and none that lacks one", () => {
  expect(findPython("json", "os")).toMatchObject({ path: expect.any(String) });
  const missing = () => findPython("json", "no_such_module");
  if (process.env.CI === "true") expect(missing).toThrow(/no Python with json and no_such_module/);
  else expect(missing()).toEqual({ reason: expect.stringContaining("json and no_such_module") });
});
