import { OqeError } from "../ground/errors.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/** Publishes the GitHub release of a tag. */
export async function publishRelease(_request: UpkeepRequest): Promise<UpkeepResult> {
  throw new OqeError("BAD_INPUT", "command release is not built yet");
}
