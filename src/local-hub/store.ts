import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../ground/disk.ts";
import { initialAttributes } from "./attributes.ts";
import { refuse } from "./errors.ts";
import {
  type Commit,
  type FileEntry,
  makeCommit,
  sameTree,
  sortTree,
  type Tree,
} from "./history.ts";
import { datasetsRoot, isLegalId, isLegalName } from "./names.ts";
import { exists } from "./objects.ts";
import { StoredRepo } from "./stored-repo.ts";
import { type MovedRef, movedRefs, refsOf } from "./webhooks.ts";

/**
 * All repositories of one folder. `<folder>/<org>/<name>/` has the files of main, for people to
 * read. `<folder>/.hub/<org>/<name>/` has objects, commits and refs. For a dataset it is
 * `datasets/<org>/<name>/` in both. A readable folder without a history becomes a repository when
 * the store opens.
 */
export class Store {
  readonly folder: string;
  /** Called after each change of a repository that moved refs. */
  onMoved: (repo: StoredRepo, moved: readonly MovedRef[]) => void = () => {};
  readonly #repos = new Map<string, StoredRepo>();
  readonly #tails = new Map<string, Promise<unknown>>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(folder: string): Promise<Store> {
    const store = new Store(folder);
    await makeFolder(join(folder, ".hub"));
    for (const id of await store.#idsOnDisk()) {
      const repo = new StoredRepo(id, folder);
      if (await repo.hasHistory()) await repo.load();
      else await store.#import(repo);
      if (repo.resolve("main")) store.#repos.set(id, repo);
    }
    return store;
  }

  /** Legal `<org>/<name>` folders, with a history or without. */
  async #idsOnDisk(): Promise<string[]> {
    const ids = new Set<string>();
    for (const root of [join(this.folder, ".hub"), this.folder]) {
      for (const id of [
        ...(await idsBelow(root, "")),
        ...(await idsBelow(root, `${datasetsRoot}/`)),
      ])
        ids.add(id);
    }
    return [...ids].sort();
  }

  async #import(repo: StoredRepo): Promise<void> {
    await repo.clear();
    const folder = join(this.folder, repo.id);
    if (!(await exists(folder))) return;
    const commit = makeCommit([], await repo.takeFolder(folder, true), {
      title: "Import",
      author: "local",
    });
    await repo.addCommit(commit);
    await repo.markShown(commit);
    await repo.setState({
      private: false,
      branches: { main: commit.id },
      tags: {},
      discussions: [],
    });
  }

  get(id: string): StoredRepo | undefined {
    return this.#repos.get(id);
  }

  /** Every repo, by id. */
  all(): StoredRepo[] {
    return [...this.#repos.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /**
   * Runs the changes of one repository one after another. Readers see the state before or after a
   * change.
   */
  async change<T>(id: string, run: () => Promise<T>): Promise<T> {
    const key = id.toLowerCase();
    const before = this.#tails.get(key) ?? Promise.resolve();
    const watched = () => this.#watch(id, run);
    const mine = before.then(watched, watched);
    const tail = mine.catch(() => {});
    this.#tails.set(key, tail);
    try {
      return await mine;
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key);
    }
  }

  async #watch<T>(id: string, run: () => Promise<T>): Promise<T> {
    const known = this.get(id);
    const old = known ? refsOf(known) : new Map<string, string>();
    const result = await run();
    const repo = this.get(id);
    const moved = repo ? movedRefs(old, refsOf(repo)) : [];
    if (repo && moved.length > 0) this.onMoved(repo, moved);
    return result;
  }

  /**
   * Creates a repository with `.gitattributes` and `files`. Throws 409 if the id exists in any
   * case.
   */
  async create(
    id: string,
    isPrivate: boolean,
    files: ReadonlyMap<string, Uint8Array>,
    url: string,
  ): Promise<StoredRepo> {
    return this.change(id, async () => {
      const taken = this.all().find((repo) => repo.id.toLowerCase() === id.toLowerCase());
      if (taken)
        throw refuse.conflict("You already created this model repo", { url: `${url}/${taken.id}` });
      const repo = new StoredRepo(id, this.folder);
      await repo.clear();
      const tree: [string, FileEntry][] = [];
      for (const [path, bytes] of new Map([
        [".gitattributes", Buffer.from(initialAttributes)],
        ...files,
      ])) {
        tree.push([path, await repo.addRegular(bytes)]);
      }
      await this.#start(repo, sortTree(tree), isPrivate);
      return repo;
    });
  }

  async #start(repo: StoredRepo, tree: Tree, isPrivate: boolean): Promise<Commit> {
    const commit = makeCommit([], tree, { title: "initial commit", author: "local" });
    await repo.addCommit(commit);
    await repo.setState({
      private: isPrivate,
      branches: { main: commit.id },
      tags: {},
      discussions: [],
    });
    this.#repos.set(repo.id, repo);
    return commit;
  }

  /**
   * Commits to main of `id` exactly the files of `folder`. Creates the repository if it is missing.
   */
  async seed(id: string, folder: string): Promise<Commit> {
    return this.change(id, async () => {
      const known = this.get(id);
      const repo = known ?? new StoredRepo(id, this.folder);
      const tree = await repo.takeFolder(folder, false);
      if (!known) return this.#start(repo, tree, false);
      const head = repo.resolve("main")!;
      if (sameTree(head.tree, tree)) return head;
      const commit = makeCommit([head], tree, { title: "Seed", author: "local" });
      await repo.addCommit(commit);
      await repo.setState({ ...repo.state, branches: { ...repo.state.branches, main: commit.id } });
      return commit;
    });
  }

  async remove(id: string): Promise<void> {
    await this.change(id, async () => {
      const repo = this.get(id);
      if (!repo) throw refuse.noRepository(true);
      this.#repos.delete(id);
      await repo.destroy();
    });
  }
}

async function idsBelow(root: string, prefix: string): Promise<string[]> {
  const found: string[] = [];
  if (!(await exists(join(root, prefix)))) return found;
  for (const namespace of await foldersIn(join(root, prefix))) {
    if (!isLegalName(namespace)) continue;
    for (const name of await foldersIn(join(root, prefix, namespace)))
      found.push(`${prefix}${namespace}/${name}`);
  }
  return found.filter(isLegalId);
}

async function foldersIn(path: string): Promise<string[]> {
  const items = await readdir(path, { withFileTypes: true });
  return items.filter((item) => item.isDirectory()).map((item) => item.name);
}
