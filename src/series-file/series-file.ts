import { OqeError } from "../ground/errors.ts";
import type { InputName } from "../inputs/input-table.ts";

/** One model of the series file, defaults applied. */
export interface SeriesModel {
  /** Unique in the file: names branch, cards folder, collection, issue and concurrency group. */
  readonly name: string;
  /** Where the model is in the file, for messages: `series.yml:12`. */
  readonly place: string;
  /** A label, or the labels of a self-hosted runner. */
  readonly runner: string | readonly string[];
  readonly timeoutMinutes: number;
  /** GitHub environment of the jobs that write; empty: none. */
  readonly environment: string;
  readonly collection: boolean;
  readonly hubPullRequest: boolean;
  /** The text of each input that the file gives. */
  readonly inputs: Readonly<Partial<Record<InputName, string>>>;
}

export interface SeriesFile {
  /** As messages name it: `series.yml`. */
  readonly name: string;
  readonly models: readonly SeriesModel[];
}

/** Reads and checks a series file. Throws BAD_INPUT. */
export async function readSeriesFile(file: {
  readonly path: string;
  readonly name: string;
}): Promise<SeriesFile> {
  throw new OqeError("BAD_INPUT", `${file.name}: reading the series file is not built yet`);
}

/** The model of that name. Throws BAD_INPUT. */
export function findModel(file: SeriesFile, name: string): SeriesModel {
  const found = file.models.find((model) => model.name === name);
  if (found !== undefined) return found;
  throw new OqeError("BAD_INPUT", `${file.name} has no model "${name}"`);
}
