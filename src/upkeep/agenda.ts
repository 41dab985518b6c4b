import type { GitHubEvent } from "../github/event.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import { findModel } from "../series-file/series-file.ts";
import type { SeriesFile, SeriesModel } from "../series-file/series-types.ts";

/** What an event asks for. */
export interface Agenda {
  /**
   * `make`: make what is not current. `release`: the same, for a tag. `comment`: only tell, on this
   * pull request. `none`: nothing.
   */
  readonly task: "make" | "release" | "comment" | "none";
  /** The models to look at. */
  readonly models: readonly SeriesModel[];
  /**
   * Names of the models whose cards changed. Merged ones are to be sent to the Hub, those of a pull
   * request to be checked.
   */
  readonly changedCards: readonly string[];
}

/**
 * What the event asks for. `paths`: the files that it changed; null: not known, so any may have
 * changed. `callers`: the workflows that call series.yml. Throws BAD_INPUT for a model that is not
 * in the file, CONFLICT for a tag that was moved.
 */
export function agendaOf(
  event: GitHubEvent,
  {
    file,
    paths,
    callers = [],
  }: {
    readonly file: SeriesFile;
    readonly paths: readonly string[] | null;
    readonly callers?: readonly string[];
  },
  report: Pick<Report, "info" | "warn">,
): Agenda {
  const all = { models: file.models, changedCards: [] };
  const changes = paths === null || paths.includes(file.name);
  switch (event.kind) {
    case "tag":
      if (event.forced) throw movedTag(event.tag);
      return { task: "release", ...all };
    case "schedule":
      return { task: "make", ...all };
    case "workflow_dispatch":
      return { task: "make", models: chosen(file, event.inputs.series ?? ""), changedCards: [] };
    case "repository_dispatch":
      return { task: "make", models: ofBase(file, event.repository, report), changedCards: [] };
    case "push": {
      if (!event.isDefaultBranch) return nothing;
      const changedCards = cardsIn(paths, file, report);
      if (changes) return { task: "make", models: file.models, changedCards };
      return { ...nothing, changedCards };
    }
    case "pull_request": {
      const changedCards = cardsIn(paths, file, report);
      if (changes) return { task: "comment", models: file.models, changedCards };
      const isCaller = callers.some((path) => paths?.includes(path));
      const tells = changedCards.length > 0 || isCaller;
      return tells ? { ...nothing, task: "comment", changedCards } : nothing;
    }
    case "other":
      report.info(`nothing is done for the event ${event.name}`);
      return nothing;
  }
}

const nothing: Agenda = { task: "none", models: [], changedCards: [] };

function movedTag(tag: string): OqeError {
  return new OqeError(
    "CONFLICT",
    `the tag ${tag} was moved to another commit, and a release is of one commit for good`,
    "Push a new tag. Move the old one back if others use it.",
  );
}

/** Models by name, separated by commas; all for an empty text. */
function chosen(file: SeriesFile, names: string): readonly SeriesModel[] {
  const words = names.split(/[\s,]+/).filter((word) => word !== "");
  return words.length === 0 ? file.models : words.map((name) => findModel(file, name));
}

/** The models of a base that moved; all if the sender names none. */
function ofBase(
  { name, models }: SeriesFile,
  repository: string | null,
  report: Pick<Report, "info">,
): readonly SeriesModel[] {
  if (repository === null) return models;
  const idOf = ({ inputs }: SeriesModel) =>
    (inputs["base-model"] ?? "").replace(/^hf:\/\/|@.*$/g, "").toLowerCase();
  const found = models.filter((model) => idOf(model) === repository.toLowerCase());
  if (found.length === 0) report.info(`${repository} is the base of no model of ${name}`);
  return found;
}

/** The models whose cards changed: `cards/<name>/…`. */
function cardsIn(
  paths: readonly string[] | null,
  { name: file, models }: SeriesFile,
  report: Pick<Report, "warn">,
): readonly string[] {
  const names = models.map(({ name }) => name);
  if (paths === null) return names;
  const changed = paths.flatMap((path) => /^cards\/([^/]+)\//.exec(path)?.[1] ?? []);
  const folders = [...new Set(changed)];
  const stray = folders.filter((folder) => !names.includes(folder));
  if (stray.length > 0) {
    const list = stray.slice(0, 10).map((folder) => JSON.stringify(folder));
    report.warn(`cards/ has folders of no model of ${file}, which are left alone: ${list}`);
  }
  return names.filter((name) => folders.includes(name));
}
