import * as v from "valibot";
import { agree, count, entries, matching, object, sha256 } from "../ground/schema.ts";

const mostDomains = 256;

export const domainName = matching(/^[\w. -]{1,64}$/, "a domain's name");

/** Rows of text as token ids. */
export const rowsIdentity = {
  /**
   * `bundled`, the name of a file, or `datasets/org/name@commit/path`. Never a path of the machine.
   */
  source: matching(
    /^(datasets\/[\w.-]+\/[\w.-]+@[0-9a-f]{40}\/[^\\:]+|[^/]{1,255})$/,
    "bundled, a file's name, or datasets/org/name@commit/path",
  ),
  /** Of the token ids, row after row, as little-endian uint32. */
  sha256,
  /** Rows, and tokens in each of them. */
  samples: count,
  length: count,
};

/**
 * Rows that went through the model. Known before any weight is read, so it is part of the recipe.
 */
export const calibrationRecordSchema = v.pipe(
  object({
    ...rowsIdentity,
    /** All tokens: samples × length. */
    tokens: count,
    /** Domain -> rows. */
    domains: entries(domainName, count),
  }),
  agree(function* ({ samples, length, tokens, domains }) {
    if (tokens !== samples * length) yield { at: ["tokens"], expected: "samples × length" };
    const rows = Object.values(domains);
    if (rows.length > mostDomains || rows.reduce((sum, one) => sum + one, 0) !== samples) {
      const expected = `rows of at most ${mostDomains} domains, ${samples} together`;
      yield { at: ["domains"], expected };
    }
  }),
);
export type CalibrationRecord = v.InferOutput<typeof calibrationRecordSchema>;
