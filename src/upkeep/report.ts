import { OqeError } from "../ground/errors.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/** Opens, updates or closes one issue per model, from the results of the run. */
export async function reportResults(_request: UpkeepRequest): Promise<UpkeepResult> {
  throw new OqeError("BAD_INPUT", "command report is not built yet");
}
