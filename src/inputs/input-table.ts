import { commandInputs } from "./command-inputs.ts";
import { evaluationInputs } from "./evaluation-inputs.ts";
import { modelInputs, tierInputs } from "./model-inputs.ts";
import { runInputs, tuningInputs } from "./run-inputs.ts";

/** Every input, in the order of action.yml. */
export const inputTable = [
  ...modelInputs,
  ...tierInputs,
  ...tuningInputs,
  ...evaluationInputs,
  ...runInputs,
  ...commandInputs,
] as const;

export type InputName = (typeof inputTable)[number]["name"];

/** The value of each input by itself, before inputs are combined. */
export type InputValues = {
  readonly [R in (typeof inputTable)[number] as R["name"]]: ReturnType<R["parse"]>;
};
