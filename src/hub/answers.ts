import * as v from "valibot";
import { OqeError } from "../ground/errors.ts";
import {
  count,
  flag,
  line,
  list,
  matching,
  object,
  parse,
  readJson,
  sha256,
} from "../ground/schema.ts";
import { isRepositoryId, pathFault, printable } from "./names.ts";

/** SHA-1 of a git object: a commit, or the blob of a file. */
export const gitId = (what: string) =>
  matching(/^[0-9a-f]{40}$/, `${what} of 40 hexadecimal digits`);

/** `<namespace>/<words>-<id>` of a collection. */
const slug = matching(/^[\w.-]+\/[\w.-]+$/, "<namespace>/<name> of a collection");

/** What a fine-grained token may do, by user, organization or repository. */
const scoped = list(object({ entity: object({ name: line }), permissions: list(line) }));

/** Schemas of the Hub's answers, with the fields that are used. */
export const answers = {
  /**
   * GET /api/whoami-v2. A token of an organization has no `orgs`, and only some tokens have a role.
   * Where roles and scopes are not as we know them, the Hub counts as not telling them.
   */
  account: object({
    name: line,
    orgs: v.optional(
      list(object({ name: line, roleInOrg: v.fallback(v.nullish(line), null) })),
      [],
    ),
    auth: object({
      accessToken: v.optional(
        object({ role: line, fineGrained: v.fallback(v.nullish(object({ scoped })), null) }),
      ),
    }),
  }),
  /** GET /api/models/…?expand=disabled */
  standing: object({ disabled: v.fallback(v.nullish(v.boolean()), null) }),
  /** GET /api/models/…/revision/…, by the field names of @huggingface/hub. */
  revision: object({
    /** A renamed repository has another id than the one in the request. */
    name: v.pipe(line, v.check(isRepositoryId, "a repository, <namespace>/<name>")),
    sha: gitId("a commit"),
  }),
  /**
   * GET /api/models/…/tree/…, and POST …/paths-info/…: files and folders. Unknown types are
   * ignored.
   */
  entries: list(v.looseObject({ type: line, path: v.string("a path") }, "an object")),
  /** An entry of type `file`. */
  file: object({
    path: v.string("a path"),
    size: count,
    oid: gitId("a blob"),
    lfs: v.nullish(object({ oid: sha256 })),
  }),
  /** POST /api/models/…/preupload/… */
  uploadModes: object({ files: list(object({ path: v.string("a path"), uploadMode: line })) }),
  /** GET /api/models/…/commits/…: newest first. */
  commits: list(object({ title: line, authors: list(object({ user: line })) })),
  /** GET /api/models/…/refs */
  refs: object({ tags: list(object({ name: line })) }),
  /** GET /api/models/…/discussions: without drafts of others, a page at a time. */
  discussions: object({
    count,
    start: count,
    discussions: list(
      object({
        num: count,
        title: v.string("text"),
        status: line,
        isPullRequest: flag,
        author: v.fallback(v.nullish(object({ name: line })), null),
      }),
    ),
  }),
  /** GET /api/collections: at most four items of each. */
  collections: list(
    object({
      slug,
      title: v.string("text"),
      description: v.nullish(v.string("text"), ""),
    }),
  ),
  /** POST /api/collections */
  newCollection: object({ slug }),
  /** GET /api/collections/… */
  collection: object({
    slug,
    items: list(
      object({
        _id: matching(/^[0-9a-f]{1,64}$/, "an id of hexadecimal digits"),
        type: line,
        id: line,
        note: v.nullish(object({ text: v.string("text") })),
      }),
    ),
  }),
  /** POST /<id>.git/info/lfs/objects/batch: an object without `upload` is in the storage. */
  batch: object({
    transfer: v.optional(line, "basic"),
    objects: list(
      object({
        oid: sha256,
        actions: v.nullish(object({ upload: v.nullish(v.unknown()) })),
        error: v.nullish(object({ message: line })),
      }),
    ),
  }),
  /** POST /oauth/token. The token's own form is checked where no error can show it. */
  exchange: object({ access_token: v.string("a token"), expires_in: count }),
  /** POST /api/models/…/commit/… */
  commit: object({ commitOid: gitId("a commit") }),
};

/** A file of a commit, as the Hub lists it. */
export interface TreeFile {
  /** Bytes. */
  readonly size: number;
  /** SHA-1 of the git blob (of the pointer, for LFS files). */
  readonly oid: string;
  /** SHA-256 of the content; null for files that git holds itself. */
  readonly sha256: string | null;
}

/**
 * An answer of the Hub about `subject`, as its schema describes it. Throws NETWORK, naming the
 * field.
 */
export function parseAnswer<const S extends v.GenericSchema>(
  schema: S,
  value: unknown,
  subject: string,
): v.InferOutput<S> {
  return parse(schema, value, document(subject));
}

/** The same from the answer's body. */
export async function readAnswer<const S extends v.GenericSchema>(
  schema: S,
  response: Response,
  subject: string,
): Promise<v.InferOutput<S>> {
  return parseAnswer(schema, readJson(await response.text(), document(subject)), subject);
}

/**
 * An entry of type `file`. Throws BAD_CHECKPOINT for a path that leaves its folder, else NETWORK.
 */
export function parseFile(
  entry: v.InferOutput<typeof answers.entries>[number],
  subject: string,
): [path: string, file: TreeFile] {
  const name = printable(entry.path);
  const fault = pathFault(entry.path);
  if (fault !== null)
    throw new OqeError(
      "BAD_CHECKPOINT",
      `${subject} lists the path "${name}": ${fault}`,
      "Report this repository.",
    );
  const { path, size, oid, lfs } = parseAnswer(answers.file, entry, `${subject}/${name}`);
  return [path, { size, oid, sha256: lfs?.oid ?? null }];
}

/** Throws NETWORK for an answer whose fields are right by themselves, but which cannot be true. */
export function contradiction(subject: string, reason: string): OqeError {
  const { where, code, hint } = document(subject);
  return new OqeError(code, `${where} ${reason}`, hint);
}

function document(subject: string) {
  return {
    where: `The Hub's answer about ${subject}`,
    code: "NETWORK",
    hint: "Check the Hub endpoint, then run again.",
  } as const;
}
