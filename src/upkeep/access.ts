import { OqeError } from "../ground/errors.ts";
import type { UpkeepRequest, UpkeepResult } from "./upkeep-types.ts";

/** Checks that the Hub token may write every repository that is to be made. */
export async function checkAccess(_request: UpkeepRequest): Promise<UpkeepResult> {
  throw new OqeError("BAD_INPUT", "command access is not built yet");
}
