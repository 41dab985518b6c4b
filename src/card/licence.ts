import { licenceIds } from "../ground/licences.ts";
import type { Receipt } from "../receipt/receipt.ts";
import { webAddress } from "./markdown.ts";

/** Licence fields of a card's metadata. The Hub demands name and link where `license` is other. */
export interface LicenceMetadata {
  readonly license?: string;
  readonly license_name?: string;
  readonly license_link?: string;
}

type Facts = Pick<Receipt, "base" | "files">;

/**
 * The licence that the base's card states, as metadata that the Hub accepts. A licence that the Hub
 * would reject becomes `other` with a name and a link: the base's own link, its licence file, or
 * its card. Empty if the base states no licence, or if there is nothing to link to (a base in a
 * folder).
 */
export function licenceMetadata(facts: Facts): LicenceMetadata {
  const { license, licenseName, licenseLink } = facts.base.inherited;
  if (license === undefined && licenseName === undefined && licenseLink === undefined) return {};
  const link = resolveLink(facts);
  const id = knownId(license);
  if (id !== null && id !== "other") {
    return {
      license: id,
      ...(licenseName !== undefined && { license_name: slug(licenseName) }),
      ...(link !== null && { license_link: link }),
    };
  }
  const fallback = link ?? licenceFile(facts) ?? baseCard(facts);
  if (fallback === null) return {};
  const given = licenseName ?? (id === null ? license : undefined);
  return {
    license: "other",
    license_name: slug(given ?? "") || "license-of-the-base",
    license_link: fallback,
  };
}

/** A warning if a tier's card cannot state the licence as the base's card does; otherwise empty. */
export function licenceWarnings(facts: Facts): string[] {
  const { license, licenseName, licenseLink } = facts.base.inherited;
  const base = facts.base.id ?? facts.base.name;
  const stated =
    license === "other" ? (licenseName ?? license) : (license ?? licenseName ?? licenseLink);
  if (stated === undefined) return [];
  const { license: written, license_link: link } = licenceMetadata(facts);
  const quoted = JSON.stringify(stated);
  const problem = `the card of ${base} states a licence that the Hub does not accept (${quoted})`;
  if (written === undefined)
    return [`${problem}, and there is nothing to link to: the tiers' cards state no licence`];
  const asStated = license === "other" && licenseName !== undefined && resolveLink(facts) !== null;
  if (written !== "other" || asStated) return [];
  return [`${problem}: the tiers' cards say "other" with a link to ${link}`];
}

/** The Hub's spelling of a licence; null if the Hub does not know it. */
function knownId(license: string | undefined): string | null {
  const id = license?.trim().toLowerCase().replace(/\s+/g, "-") ?? "";
  return licenceIds.has(id) ? id : null;
}

/**
 * A licence's name in the characters that the Hub uses for names: `a-z`, digits, dot and hyphen.
 */
function slug(name: string): string {
  const hyphenated = name.toLowerCase().replace(/[^a-z0-9.]+/g, "-");
  return hyphenated.replace(/^-+|-+$/g, "").slice(0, 96);
}

/**
 * The address of the base's licence: a web address as it is, LICENSE or LICENSE.md where the tier
 * has that file. Any other path means the base's file at the pinned commit. null: no usable link.
 */
function resolveLink({ base, files }: Facts): string | null {
  const given = base.inherited.licenseLink?.replace(/^\.\//, "");
  if (given === undefined || given === "") return null;
  if (webAddress(given) !== null) return webAddress(given);
  if (/^LICENSE(\.md)?$/.test(given) && Object.hasOwn(files, given)) return given;
  const segments = given.split("/");
  const isPath = !/[\\:\p{C}]/u.test(given) && segments.every((part) => !/^\.{0,2}$/.test(part));
  return isPath ? fileOfBase(base, segments.map(encodeURIComponent).join("/")) : null;
}

/** The Hub's two names of a licence file, where the tier has one of them. */
function licenceFile({ files }: Facts): string | null {
  return ["LICENSE", "LICENSE.md"].find((name) => Object.hasOwn(files, name)) ?? null;
}

function baseCard({ base }: Facts): string | null {
  return fileOfBase(base, "README.md");
}

function fileOfBase({ id, revision }: Receipt["base"], path: string): string | null {
  return id === null ? null : `https://huggingface.co/${id}/blob/${revision}/${path}`;
}
