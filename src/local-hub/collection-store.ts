import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { flag, line, list, object, oneOf, parse, readJson } from "../ground/schema.ts";
import { refuse } from "./errors.ts";
import { sha256Of, storedFile } from "./history.ts";
import { writeAtomically } from "./objects.ts";

const item = object({
  id: line,
  type: oneOf(["model", "dataset"]),
  /** The id of a repository. */
  repository: line,
  note: v.nullable(v.string("text")),
});
export type CollectionItem = v.InferOutput<typeof item>;

const collection = object({
  slug: line,
  namespace: line,
  title: v.string("text"),
  description: v.string("text"),
  private: flag,
  /** In the order in which the Hub shows them. */
  items: list(item),
});
export type Collection = v.InferOutput<typeof collection>;

/** All collections are one file: `made` counts those that were ever made. */
const stored = object({
  made: v.pipe(v.number("a number"), v.safeInteger("a whole number")),
  collections: list(collection),
});

/** The collections of a store, in memory and on disk. Changes are made one at a time. */
export class CollectionStore {
  readonly #file: string;
  #made = 0;
  #collections: readonly Collection[] = [];
  #tail: Promise<unknown> = Promise.resolve();

  private constructor(file: string) {
    this.#file = file;
  }

  static async open(folder: string): Promise<CollectionStore> {
    const store = new CollectionStore(join(folder, ".hub", "collections.json"));
    const text = await readFile(store.#file, "utf8").catch(() => null);
    if (text === null) return store;
    const file = storedFile(store.#file);
    const { made, collections } = parse(stored, readJson(text, file), file);
    store.#made = made;
    store.#collections = collections;
    return store;
  }

  all(): readonly Collection[] {
    return this.#collections;
  }

  /** Throws 404 for an unknown slug. The Hub goes by the id at its end. */
  get(slug: string): Collection {
    const found = this.#collections.find((one) => one.slug.slice(-24) === slug.slice(-24));
    if (found === undefined) throw refuse.noCollection(slug);
    return found;
  }

  /** Throws 409, naming the slug, for a title that the namespace has already. */
  create(given: Omit<Collection, "slug" | "items">): Promise<Collection> {
    return this.#change(async () => {
      const { namespace, title } = given;
      const same = this.#collections.find(
        (one) => one.namespace === namespace && one.title === title,
      );
      if (same) throw refuse.conflict("This collection already exists", { slug: same.slug });
      const words = title.toLowerCase().match(/[a-z0-9]+/g) ?? ["collection"];
      const id = sha256Of(`${namespace}/${title}/${this.#made++}`).slice(0, 24);
      const made = { ...given, slug: `${namespace}/${words.join("-")}-${id}`, items: [] };
      await this.#save([...this.#collections, made]);
      return made;
    });
  }

  /** Replaces a collection by what `edit` makes of it. */
  update(slug: string, edit: (now: Collection) => Collection): Promise<Collection> {
    return this.#change(async () => {
      const now = this.get(slug);
      const next = edit(now);
      await this.#save(this.#collections.map((one) => (one === now ? next : one)));
      return next;
    });
  }

  remove(slug: string): Promise<void> {
    return this.#change(async () => {
      const now = this.get(slug);
      await this.#save(this.#collections.filter((one) => one !== now));
    });
  }

  async #save(collections: readonly Collection[]): Promise<void> {
    const text = JSON.stringify({ made: this.#made, collections }, null, 1);
    await writeAtomically(this.#file, `${text}\n`);
    this.#collections = collections;
  }

  #change<T>(run: () => Promise<T>): Promise<T> {
    const mine = this.#tail.then(run, run);
    this.#tail = mine.catch(() => {});
    return mine;
  }
}
