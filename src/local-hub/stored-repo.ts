import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import {
  count,
  entries,
  flag,
  line,
  list,
  object,
  oneOf,
  parse,
  readJson,
} from "../ground/schema.ts";
import { goesToLfs, initialAttributes, largestRegularFile } from "./attributes.ts";
import { checkout, filesBelow, realFile } from "./checkout.ts";
import {
  type Commit,
  decodeCommit,
  encodeCommit,
  type FileEntry,
  gitId,
  lfsEntry,
  regularEntry,
  sortTree,
  storedFile,
  type Tree,
} from "./history.ts";
import { datasetsRoot } from "./names.ts";
import { exists, Objects, writeAtomically } from "./objects.ts";

/** A pull request or discussion. `head` is null for a discussion without changes. */
const discussion = object({
  num: count,
  title: v.string("text"),
  description: v.string("text"),
  author: line,
  isPullRequest: flag,
  status: oneOf(["draft", "open", "closed", "merged"]),
  /** Commit of main that the pull request starts from. */
  base: v.nullable(gitId),
  head: v.nullable(gitId),
  mergeCommit: v.nullable(gitId),
});
export type Discussion = v.InferOutput<typeof discussion>;

/**
 * Everything of a repository that changes. It is one file, so that one rename changes the state.
 */
const repoState = object({
  private: flag,
  /** Name -> commit. */
  branches: entries(line, gitId),
  tags: entries(line, object({ commit: gitId, message: v.string("text") })),
  discussions: list(discussion),
});
export type RepoState = v.InferOutput<typeof repoState>;

/**
 * One repository: its state in memory and on disk. All changes go through `Store.change`, one at a
 * time.
 */
export class StoredRepo {
  /**
   * `<namespace>/<name>`, of a dataset `datasets/<namespace>/<name>`: key of the store and address.
   */
  readonly id: string;
  readonly isDataset: boolean;
  /** The id in answers: without `datasets/`. */
  readonly apiId: string;
  readonly namespace: string;
  readonly objects: Objects;
  /** Files that are not complete yet; cleared on start. */
  readonly aside: string;
  readonly #history: string;
  readonly #visible: string;
  readonly #commits = new Map<string, Commit>();
  #state: RepoState = { private: false, branches: {}, tags: {}, discussions: [] };

  constructor(id: string, folder: string) {
    this.id = id;
    this.isDataset = id.startsWith(`${datasetsRoot}/`);
    this.apiId = this.isDataset ? id.slice(datasetsRoot.length + 1) : id;
    this.namespace = this.apiId.split("/")[0]!;
    this.#history = join(folder, ".hub", id);
    this.#visible = join(folder, id);
    this.aside = join(this.#history, "aside");
    this.objects = new Objects(join(this.#history, "objects"), this.aside);
  }

  get state(): RepoState {
    return this.#state;
  }

  commit(id: string): Commit | undefined {
    return this.#commits.get(id);
  }

  /** The commits that a revision was made from, along first parents, newest first. */
  history(revision: string): string[] {
    const ids: string[] = [];
    for (let at = this.resolve(revision); at; at = this.#commits.get(at.parents[0] ?? ""))
      ids.push(at.id);
    return ids;
  }

  /** The one commit whose id starts with `prefix`. */
  commitByPrefix(prefix: string): Commit | undefined {
    const found = [...this.#commits.values()].filter((commit) => commit.id.startsWith(prefix));
    return found.length === 1 ? found[0] : undefined;
  }

  /** The commit that a branch, tag, `HEAD`, `refs/…` or full commit id names. */
  resolve(revision: string): Commit | undefined {
    const { branches, tags, discussions } = this.#state;
    const own = <T>(record: Readonly<Record<string, T>>, key: string) =>
      Object.hasOwn(record, key) ? record[key] : undefined;
    const name = revision === "HEAD" ? "main" : revision.replace(/^refs\/(heads|tags)\//, "");
    const pull = /^refs\/pr\/(\d+)$/.exec(revision);
    const id = pull
      ? discussions.find((discussion) => discussion.num === Number(pull[1]))?.head
      : (own(branches, name) ?? own(tags, name)?.commit ?? revision);
    return id ? this.#commits.get(id) : undefined;
  }

  async load(): Promise<void> {
    await rm(this.aside, { recursive: true, force: true });
    const folder = join(this.#history, "commits");
    for (const name of await readdir(folder)) {
      if (!name.endsWith(".json")) continue;
      const path = join(folder, name);
      const commit = decodeCommit(await readFile(path, "utf8"), path);
      this.#commits.set(commit.id, commit);
    }
    const file = storedFile(join(this.#history, "state.json"));
    this.#state = parse(repoState, readJson(await readFile(file.where, "utf8"), file), file);
    await this.#show();
  }

  /** Writes a new commit to disk. Nothing refers to it yet. */
  async addCommit(commit: Commit): Promise<void> {
    if (this.#commits.has(commit.id)) return;
    await writeAtomically(
      join(this.#history, "commits", `${commit.id}.json`),
      encodeCommit(commit),
    );
    this.#commits.set(commit.id, commit);
  }

  /** Writes the next state to disk. From then on its commits, branches and tags exist. */
  async setState(next: RepoState): Promise<void> {
    await writeAtomically(join(this.#history, "state.json"), `${JSON.stringify(next, null, 1)}\n`);
    this.#state = next;
    // The change is on disk. If the readable folder cannot follow (disk full, a file in use), the
    // next start repeats it.
    await this.#show().catch((error) =>
      console.error(`${this.#visible} does not show ${this.id}: ${error}`),
    );
  }

  /**
   * Updates the readable folder to main. The file `shown` names its commit: after a crash the next
   * start repeats it.
   */
  async #show(): Promise<void> {
    const head = this.resolve("main");
    if (!head) return;
    const marker = join(this.#history, "shown");
    const shown = await readFile(marker, "utf8").then(
      (text) => text.trim(),
      () => "",
    );
    if (shown === head.id && (await exists(this.#visible))) return;
    const previous = (await exists(this.#visible))
      ? (this.#commits.get(shown)?.tree ?? null)
      : null;
    const to = { folder: this.#visible, objects: this.objects, aside: this.aside };
    await checkout(to, previous, head.tree);
    await writeAtomically(marker, `${head.id}\n`);
  }

  /**
   * Copies a folder's files to the objects. The folder's own `.gitattributes` decides what is LFS.
   */
  async takeFolder(folder: string, mayLink: boolean): Promise<Tree> {
    const paths = await filesBelow(folder);
    const attributes = paths.includes(".gitattributes")
      ? await readFile(join(folder, ".gitattributes"), "utf8")
      : initialAttributes;
    const entries: [string, FileEntry][] = [];
    for (const path of paths)
      entries.push([path, await this.#takeFile(join(folder, path), path, attributes, mayLink)]);
    return sortTree(entries);
  }

  async #takeFile(
    file: string,
    path: string,
    attributes: string,
    mayLink: boolean,
  ): Promise<FileEntry> {
    const source = await realFile(file);
    const { size } = await stat(source);
    if (goesToLfs(attributes, path) || size >= largestRegularFile) {
      const hashed = await this.objects.take(source, mayLink);
      return lfsEntry(hashed.sha256, hashed.size);
    }
    const bytes = await readFile(source);
    return this.addRegular(bytes);
  }

  async addRegular(bytes: Uint8Array): Promise<FileEntry> {
    const entry = regularEntry(bytes);
    if ((await this.objects.size(entry.sha256)) === null)
      await this.objects.put(bytes, entry.sha256);
    return entry;
  }

  /**
   * Records that the readable folder has the files of `commit`, because it was made from that
   * folder.
   */
  async markShown(commit: Commit): Promise<void> {
    await writeAtomically(join(this.#history, "shown"), `${commit.id}\n`);
  }

  async hasHistory(): Promise<boolean> {
    return exists(join(this.#history, "state.json"));
  }

  /** Removes a history that a crash left without a state. */
  async clear(): Promise<void> {
    await rm(this.#history, { recursive: true, force: true });
  }

  /**
   * Removes the repository. After a crash before the rename, the next start restores the readable
   * folder.
   */
  async destroy(): Promise<void> {
    await rm(this.#visible, { recursive: true, force: true });
    const removed = `${this.#history}.${randomUUID()}.removed`;
    await rename(this.#history, removed);
    await rm(removed, { recursive: true, force: true });
  }
}
