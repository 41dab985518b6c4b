import { OqeError } from "../ground/errors.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/** Finds what is to be made, from the event, the series file and the receipts on the Hub. */
export async function checkSeries(_request: UpkeepRequest): Promise<UpkeepResult> {
  throw new OqeError("BAD_INPUT", "command check is not built yet");
}
