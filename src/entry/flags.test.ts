import { expect, it } from "vitest";
import { OqeError } from "../ground/errors.ts";
import { parseFlags } from "./flags.ts";

const alone = "Give --overwrite alone for true, and leave it out for false.";

it.each([
  [["x", "--overwrite=false"], "--overwrite takes no value", alone],
  [["x", "--overwrite", "false"], "--overwrite takes no value", alone],
  [["x", "--overwrite", "True", "--json"], "--overwrite takes no value", alone],
  [["x", "--method"], "--method has no value", "oqe <command> --help"],
  [["x", "--method", "--json"], "--method has no value", "--method=-1"],
  [["x", "--colour"], "Unknown option '--colour'", "oqe <command> --help"],
])("refuses %j", (argv, message, hint) => {
  const failure = (() => {
    try {
      return parseFlags(argv);
    } catch (error) {
      return error;
    }
  })();
  expect(failure).toBeInstanceOf(OqeError);
  expect(failure).toMatchObject({
    code: "BAD_INPUT",
    message,
    hint: expect.stringContaining(hint),
  });
});

it("reads a switch, a value and a folder named like neither", () => {
  const { flags, positionals } = parseFlags(["plan", "--json", "./false", "--verify", "false"]);
  expect(flags).toMatchObject({ json: true, verify: "false" });
  expect(positionals).toEqual(["plan", "./false"]);
});
