import { OqeError } from "../ground/errors.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/** Keeps the cards in the GitHub repository and on the Hub up to date, from the receipts. */
export async function refreshCards(_request: UpkeepRequest): Promise<UpkeepResult> {
  throw new OqeError("BAD_INPUT", "command cards is not built yet");
}
