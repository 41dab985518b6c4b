import { expect, it } from "vitest";
import { plainPaint } from "../ground/color.ts";
import { OqeError } from "../ground/errors.ts";
import { parseCommandLine } from "./command-line.ts";

const page = { write: () => {}, columns: 80, paint: plainPaint };
const alone = "Give --overwrite alone for true, and --no-overwrite for false.";

it.each([
  [["publish", "x", "--overwrite=false"], "--overwrite takes no value", alone],
  [["publish", "x", "--overwrite", "false"], "--overwrite takes no value", alone],
  [["publish", "x", "--overwrite", "True", "--json"], "--overwrite takes no value", alone],
  [["publish", "x", "--no-overwrite", "--overwrite"], "--overwrite is given more", "once"],
  [["plan", "x", "--method"], "--method has no value", "oqe <command> --help"],
  [["plan", "x", "--method", "--json"], "--method has no value", "--method=--json"],
  [["plan", "x", "--colour"], "Unknown option '--colour'", "oqe plan --help"],
  [["plan", "x", "-x"], "Unknown option '-x'", "oqe plan --help"],
  [["card", "x", "--tiers", "oQ4e"], "oqe card does not take --tiers", "oqe card --help"],
  [["--tiers", "oQ4e", "plan", "x"], "--tiers stands before the command", "oqe plan <model>"],
  [["plam", "x", "--json"], '"plam" is not a command', "Did you mean oqe plan?"],
])("refuses %j", (argv, message, hint) => {
  const failure = (() => {
    try {
      return parseCommandLine(argv, page);
    } catch (error) {
      return error;
    }
  })();
  expect(failure).toBeInstanceOf(OqeError);
  expect(failure).toMatchObject({
    code: "BAD_INPUT",
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });
});

it("reads a switch, a value and a folder named like neither", () => {
  const line = parseCommandLine(["plan", "--json", "./false", "--verify", "false"], page)!;
  expect(line.flags).toEqual({ json: true, verify: "false" });
  expect(line.positionals).toEqual(["./false"]);
  expect(line.command.name).toBe("plan");
});

it("reads the negation of every boolean, of an input as its text", () => {
  const argv = ["publish", "m", "--no-verify", "--no-dry-run", "--no-json", "-q"];
  expect(parseCommandLine(argv, page)!.flags).toEqual({
    ...{ verify: "false", "dry-run": false, json: false, quiet: true },
  });
});

it("takes a value that begins with a hyphen behind =, and words behind --", () => {
  const argv = ["plan", "--workers=-1", "--", "-odd name"];
  const { flags, positionals } = parseCommandLine(argv, page)!;
  expect(flags).toEqual({ workers: "-1" });
  expect(positionals).toEqual(["-odd name"]);
});
