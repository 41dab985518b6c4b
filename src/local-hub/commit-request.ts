import * as v from "valibot";
import { count, list, matching, object, oneOf, sha256 } from "../ground/schema.ts";
import { refuse } from "./errors.ts";
import { parseBody } from "./exchange.ts";

const mostFiles = 1000;
const text = v.string("text");
const path = v.string("a path");

/** Body of a preupload request. `sample` is the start of the file in base64. */
export const preuploadRequest = object({
  files: list(object({ path, size: count, sample: text }), mostFiles),
  gitAttributes: v.nullish(text),
});

const header = object({
  summary: v.pipe(
    text,
    v.check((summary) => summary.trim() !== "", "text that is not empty"),
  ),
  description: v.nullish(text, ""),
  /** A commit id, or its first digits. */
  parentCommit: v.nullish(matching(/^[0-9a-f]{5,40}$/, "a commit id in hex, or its first digits")),
});

const regularFile = object({
  path,
  content: text,
  encoding: v.nullish(oneOf(["utf-8", "base64"]), "utf-8"),
});
export type RegularFile = v.InferOutput<typeof regularFile>;

const lfsFile = object({
  path,
  oid: sha256,
  size: v.nullish(count),
  algo: v.nullish(oneOf(["sha256"])),
});
export type LfsFile = v.InferOutput<typeof lfsFile>;

/** One line of a commit request. */
const line = v.variant(
  "key",
  [
    v.object({ key: v.literal("header"), value: header }),
    v.object({ key: v.literal("file"), value: regularFile }),
    v.object({ key: v.literal("lfsFile"), value: lfsFile }),
    v.object({ key: v.literal("deletedFile"), value: object({ path }) }),
    v.object({ key: v.literal("deletedFolder"), value: object({ path }) }),
  ],
  "header, file, lfsFile, deletedFile or deletedFolder",
);
type Line = v.InferOutput<typeof line>;
export type Operation = Exclude<Line, { key: "header" }>;

/** A commit request: newline-delimited JSON, the header first. Throws 400, naming the field. */
export function parseCommit(body: string) {
  const lines = body.split("\n").filter((one) => one.trim() !== "");
  const [first, ...rest] = lines.map((one) => parseBody(one, line));
  if (first?.key !== "header") throw refuse.badRequest("The first line must be the header");
  const operations = rest.filter((one) => one.key !== "header");
  if (operations.length < rest.length) throw refuse.badRequest("A commit has one header");
  return { header: first.value, operations };
}
