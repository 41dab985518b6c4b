import { createHash } from "node:crypto";
import type { GitHub } from "./client.ts";

interface Entry {
  readonly type: string;
  readonly sha: string;
}

type Files = ReadonlyMap<string, string | Uint8Array | null>;

/** Compares files with a git tree on GitHub. It reads the folders that the files lie in, once. */
export class TreeReader {
  readonly #github: GitHub;
  readonly #trees = new Map<string, Promise<ReadonlyMap<string, Entry>>>();

  constructor(github: GitHub) {
    this.#github = github;
  }

  /** The files that are not in the tree just like that. A removed file that is absent is. */
  async differences(tree: string, files: Files): Promise<Files> {
    const found = new Map<string, string | Uint8Array | null>();
    for (const [path, content] of files) {
      const there = await this.#blobAt(tree, path.split("/"));
      if (there !== (content === null ? null : blobHash(content))) found.set(path, content);
    }
    return found;
  }

  /** The bytes of a file; null if there is none. */
  async content(tree: string, path: string): Promise<Uint8Array | null> {
    const file_sha = await this.#blobAt(tree, path.split("/"));
    if (file_sha === null) return null;
    const { rest, at } = this.#github;
    const { data } = await rest.git.getBlob({ ...at, file_sha });
    return Buffer.from(data.content, data.encoding === "base64" ? "base64" : "utf8");
  }

  /** Hash of the file at a path of a tree; null if there is none. */
  async #blobAt(tree: string, [name = "", ...below]: readonly string[]): Promise<string | null> {
    const entry = (await this.#read(tree)).get(name);
    if (entry === undefined) return null;
    if (below.length === 0) return entry.type === "blob" ? entry.sha : null;
    return entry.type === "tree" ? this.#blobAt(entry.sha, below) : null;
  }

  #read(sha: string): Promise<ReadonlyMap<string, Entry>> {
    const known = this.#trees.get(sha) ?? this.#ask(sha);
    this.#trees.set(sha, known);
    return known;
  }

  async #ask(tree_sha: string): Promise<ReadonlyMap<string, Entry>> {
    const { rest, at } = this.#github;
    const { data } = await rest.git.getTree({ ...at, tree_sha });
    return new Map(data.tree.map(({ path = "", type = "", sha = "" }) => [path, { type, sha }]));
  }
}

/** The name that git gives to a file's content. */
function blobHash(content: string | Uint8Array): string {
  const bytes = Buffer.from(content as string);
  return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}
