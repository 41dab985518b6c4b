import type { InputName } from "../inputs/input-table.ts";
import type { Runner } from "./runner.ts";

/** One model of the series file, defaults applied. */
export interface SeriesModel {
  /** Unique in the file: names branch, cards folder, collection, issue and concurrency group. */
  readonly name: string;
  /** Where the model is in the file, for messages: `series.yml:12`. */
  readonly place: string;
  /** What `runs-on` of its jobs is: text, a list or an object. */
  readonly runner: Runner;
  readonly timeoutMinutes: number;
  /** GitHub environment of the jobs that write; empty: none. */
  readonly environment: string;
  /** Whether a Hub collection lists the tiers. */
  readonly collection: boolean;
  /** The text of each input that the file gives. */
  readonly inputs: Readonly<Partial<Record<InputName, string>>>;
}

export interface SeriesFile {
  /** As messages name it: `series.yml`. */
  readonly name: string;
  readonly models: readonly SeriesModel[];
}
