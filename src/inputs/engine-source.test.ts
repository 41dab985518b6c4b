import { expect, test } from "vitest";
import { engineSource } from "./engine-source.ts";

const commit = "0123456789abcdef0123456789abcdef01234567";
const npm = () => ({ repository: "acme/oqe-publisher", ref: commit });
const of = (GITHUB_ACTION_REPOSITORY?: string, GITHUB_ACTION_REF?: string, installed = npm) => {
  const { engineRepository, engineRef } = engineSource(
    { GITHUB_ACTION_REPOSITORY, GITHUB_ACTION_REF },
    installed,
  );
  return [engineRepository, engineRef];
};

test("an Action is named as the workflow names it, else what npm installed", () => {
  expect(of("maker/oqe", "v2")).toEqual(["maker/oqe", "v2"]);
  expect(of("maker/oqe", commit)).toEqual(["maker/oqe", commit]);
  expect(of("maker/oqe", "odd ref;")).toEqual(["maker/oqe", null]);
  expect(of("maker/oqe")).toEqual(["maker/oqe", null]);
  expect(of()).toEqual(["acme/oqe-publisher", commit]);
  expect(of("no repository", "v2")).toEqual(["acme/oqe-publisher", commit]);
  expect(engineSource({}, () => null)).toEqual({ engineRepository: null, engineRef: null });
});
