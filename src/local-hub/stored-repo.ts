import { randomUUID } from "node:crypto";
import { readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { goesToLfs, initialAttributes, largestRegularFile } from "./attributes.ts";
import { checkout, filesBelow, realFile } from "./checkout.ts";
import {
  type Commit,
  decodeCommit,
  encodeCommit,
  type FileEntry,
  lfsEntry,
  regularEntry,
  sortTree,
  type Tree,
} from "./history.ts";
import { datasetsRoot } from "./names.ts";
import { exists, Objects, writeAtomically } from "./objects.ts";

/** A pull request or discussion. `head` is null for a discussion without changes. */
export interface Discussion {
  readonly num: number;
  readonly title: string;
  readonly description: string;
  readonly author: string;
  readonly isPullRequest: boolean;
  readonly status: "draft" | "open" | "closed" | "merged";
  /** Commit of main that the pull request starts from. */
  readonly base: string | null;
  readonly head: string | null;
  readonly mergeCommit: string | null;
}

/** Everything of a repo that changes; saved as one file, so one rename moves it from state to state. */
export interface RepoState {
  readonly private: boolean;
  readonly branches: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, { readonly commit: string; readonly message: string }>>;
  readonly discussions: readonly Discussion[];
}

/** One repo: its state in memory and on disk. Changes go through `Store.change`, which lets one in at a time. */
export class StoredRepo {
  /** `<namespace>/<name>`, of a dataset with `datasets/` before it: its key here and its address. */
  readonly id: string;
  readonly isDataset: boolean;
  /** The id as the API tells it: without that prefix. */
  readonly apiId: string;
  readonly namespace: string;
  readonly objects: Objects;
  /** Uploads and renames in the making; cleared on start. */
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
      const commit = decodeCommit(await readFile(join(folder, name), "utf8"));
      this.#commits.set(commit.id, commit);
    }
    this.#state = JSON.parse(
      await readFile(join(this.#history, "state.json"), "utf8"),
    ) as RepoState;
    await this.#show();
  }

  /** Makes a new commit durable without pointing at it yet. */
  async addCommit(commit: Commit): Promise<void> {
    if (this.#commits.has(commit.id)) return;
    await writeAtomically(
      join(this.#history, "commits", `${commit.id}.json`),
      encodeCommit(commit),
    );
    this.#commits.set(commit.id, commit);
  }

  /** Moves to the next state: the moment at which a commit, branch or tag exists. */
  async setState(next: RepoState): Promise<void> {
    await writeAtomically(join(this.#history, "state.json"), `${JSON.stringify(next, null, 1)}\n`);
    this.#state = next;
    // The change has happened by now. A readable folder that cannot follow (no room, a file held open) is made good on start.
    await this.#show().catch((error) =>
      console.error(`${this.#visible} does not show ${this.id}: ${error}`),
    );
  }

  /** Brings the readable folder to main. `shown` names the commit it shows, so that a crash in between is made good on start. */
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
    await checkout(this.#visible, previous, head.tree, this.objects, this.aside);
    await writeAtomically(marker, `${head.id}\n`);
  }

  /** Reads a folder's files into objects. What is LFS follows the folder's own `.gitattributes`, as a commit would. */
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

  /** Says that the readable folder already shows `commit`: it was made from that folder. */
  async markShown(commit: Commit): Promise<void> {
    await writeAtomically(join(this.#history, "shown"), `${commit.id}\n`);
  }

  async hasHistory(): Promise<boolean> {
    return exists(join(this.#history, "state.json"));
  }

  /** Forgets a history that a crash left without a state. */
  async clear(): Promise<void> {
    await rm(this.#history, { recursive: true, force: true });
  }

  /** Removes the repo. Until the rename of the history a crash leaves the whole repo: the readable folder is made anew from it. */
  async destroy(): Promise<void> {
    await rm(this.#visible, { recursive: true, force: true });
    const removed = `${this.#history}.${randomUUID()}.removed`;
    await rename(this.#history, removed);
    await rm(removed, { recursive: true, force: true });
  }
}
