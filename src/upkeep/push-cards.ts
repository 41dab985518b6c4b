import { OqeError } from "../ground/errors.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/** Sends merged cards and their pictures, and only them, to the Hub. */
export async function pushCards(_request: UpkeepRequest): Promise<UpkeepResult> {
  throw new OqeError("BAD_INPUT", "command push-cards is not built yet");
}
