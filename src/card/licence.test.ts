import { expect, test } from "vitest";
import { nemotronReceipt } from "../../test/support/receipts.ts";
import { checkFrontMatter } from "../local-hub/front-matter.ts";
import type { Inherited } from "../receipt/receipt.ts";
import { frontMatter, serializeFrontMatter } from "./front-matter.ts";
import { licenceMetadata, licenceWarnings } from "./licence.ts";

const receipt = nemotronReceipt();
const card = `https://huggingface.co/${receipt.base.id}/blob/${receipt.base.revision}/README.md`;
const file = { LICENSE: { bytes: 1, sha256: "0".repeat(64) } };
const of = (inherited: Inherited, changes: Partial<typeof receipt.base> = {}, files = {}) => ({
  ...receipt,
  base: { ...receipt.base, ...changes, inherited },
  files,
});
const other = (name: string, link = card) => ({
  license: "other",
  license_name: name,
  license_link: link,
});

test.each<[Inherited, ReturnType<typeof licenceMetadata>, warned: boolean]>([
  [{}, {}, false],
  [{ license: "mit" }, { license: "mit" }, false],
  [{ license: "Apache-2.0" }, { license: "apache-2.0" }, false],
  [{ license: "Apache 2.0" }, { license: "apache-2.0" }, false],
  [{ license: "my-company-license-1.0" }, other("my-company-license-1.0"), true],
  [{ license: "My Company's License" }, other("my-company-s-license"), true],
  [{ license: "other" }, other("license-of-the-base"), true],
  [{ license: "Other", licenseName: "Terms" }, other("terms"), true],
  [{ license: "other", licenseName: "my-terms" }, other("my-terms"), true],
  [{ license: "other", licenseName: "漢字" }, other("license-of-the-base"), true],
  [{ licenseName: "my-terms" }, other("my-terms"), true],
  [{ licenseLink: "https://a.b/c" }, other("license-of-the-base", "https://a.b/c"), true],
  [
    { license: "other", licenseName: "t", licenseLink: "https://a.b/c" },
    other("t", "https://a.b/c"),
    false,
  ],
  [{ license: "other", licenseName: "t", licenseLink: "" }, other("t"), true],
])("the licence %j becomes %j", (inherited, expected, warned) => {
  const facts = of(inherited);
  expect(licenceMetadata(facts)).toEqual(expected);
  const warnings = licenceWarnings(facts);
  expect(warnings).toHaveLength(warned ? 1 : 0);
  if (warned) expect(warnings[0]).toContain(expected.license_link);
  const { errors } = checkFrontMatter(serializeFrontMatter(frontMatter(facts)));
  expect(errors).toEqual([]);
});

test("the warning names the licences, not the word that stands for them", () => {
  const [warning] = licenceWarnings(of({ license: "other", licenseName: "mit apache-2.0" }));
  expect(warning).toContain('("mit apache-2.0")');
});

test("a licence file of the tier is linked before the base's card", () => {
  expect(licenceMetadata(of({ license: "other" }, {}, file))).toEqual(
    other("license-of-the-base", "LICENSE"),
  );
});

test("a base in a folder has no card to link to: its licence file, or no licence", () => {
  const inherited = { license: "my-terms" };
  expect(licenceMetadata(of(inherited, { id: null }, file))).toEqual(other("my-terms", "LICENSE"));
  expect(licenceMetadata(of(inherited, { id: null }))).toEqual({});
  expect(licenceWarnings(of(inherited, { id: null }))[0]).toMatch(/state no licence/);
  expect(licenceMetadata(of({ license: "mit" }, { id: null }))).toEqual({ license: "mit" });
});
