import type { OqeError } from "../ground/errors.ts";
import type { ActionInputs } from "../inputs/action-inputs.ts";
import type { Inputs } from "../inputs/inputs.ts";
import type { Dependencies } from "../pipeline.ts";
import type { SeriesFile, SeriesModel } from "../series-file/series-types.ts";

/** What a command that works on all models of the series file is given. */
export interface UpkeepRequest extends Dependencies {
  readonly asked: ActionInputs;
  readonly file: SeriesFile;
  /** Why there is no series file to be read: `file` has no models. Only `report` runs then. */
  readonly unreadable?: OqeError | null;
  /** The inputs of one model. Throws BAD_INPUT, with the model's place in the file. */
  readonly inputsOf: (model: SeriesModel) => Inputs;
  /** The variables that GitHub sets: GITHUB_REPOSITORY, GITHUB_EVENT_PATH and others. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The tokens of a run, to be kept out of what others read. */
export function tokensOf({ hubToken, githubToken }: ActionInputs): readonly string[] {
  return [hubToken, githubToken].filter((token) => token !== null);
}

export interface UpkeepResult {
  /** Outputs of the Action, by name. */
  readonly outputs: Readonly<Record<string, string>>;
  /** For the job summary: Markdown. Empty: none. */
  readonly summary: string;
  /** What failed; null if nothing did. The entry writes outputs and summary first. */
  readonly failure: unknown;
  /** Whether what was asked for waits for other jobs or for people. Default: false. */
  readonly waits?: boolean;
}
