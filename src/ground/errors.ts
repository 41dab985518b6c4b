import { inspect } from "node:util";

/** What went wrong, as a word that troubleshooting and tests can name. One code = one section of docs/errors.md. */
export type ErrorCode =
  | "BAD_INPUT" // an option or flag that cannot be read: unknown tier, illegal repo name, a path that leaves its folder
  | "UNSUPPORTED_MODEL" // a model_type without a role table, or a tensor that no role names
  | "ALREADY_QUANTIZED" // the base holds quantized weights
  | "BAD_CHECKPOINT" // truncated, lying or contradictory safetensors, index or config
  | "BAD_MEASUREMENT" // a sensitivity that says nothing (all zeros, flat, not finite), or of another model, engine or kernel
  | "MISSING_FILE" // the base lacks a file that the MLX repo must carry (config, tokenizer)
  | "UNAUTHORIZED" // 401: no token, or one that the Hub does not know
  | "FORBIDDEN" // 403: the token lacks a right
  | "GATED" // the base asks for its terms to be accepted first
  | "NOT_FOUND" // no such repository, revision or folder
  | "NOT_OURS" // an existing repository or folder without our receipt
  | "CONFLICT" // somebody else's commit came between
  | "NETWORK" // the Hub did not answer, or not sensibly, after every retry
  | "DISK" // no room, or the folder cannot be written
  | "PROOF" // what was measured of a tier is not what its gate asks for, or what its receipt says
  | "TEMPLATE" // a card template names a fact that does not exist, or does not parse
  | "KERNEL" // the WebAssembly kernel trapped or cannot be loaded
  | "INTERNAL"; // a bug of ours

/**
 * The one error class: `message` says what, where, expected and got; `hint` says what to do next.
 * Entries print both and exit with 1; a stack trace is for bugs only (`INTERNAL`).
 */
export class OqeError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, hint = "", cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "OqeError";
    this.code = code;
    this.hint = hint;
  }
}

/** What an entry prints of a failure. Anything but an OqeError is a bug of ours and says so; its stack only on request. */
export function describeFailure(
  error: unknown,
  debug: boolean,
): { message: string; hint: string; details: string } {
  const details = debug && error instanceof Error ? `${inspect(error)}\n` : "";
  if (error instanceof OqeError)
    return { message: `${error.message} [${error.code}]`, hint: error.hint, details };
  const message = error instanceof Error ? error.message : String(error);
  return {
    message: `unexpected failure: ${message} [INTERNAL]`,
    hint: "This is a bug of oqe-publisher. Run again with OQE_DEBUG=1 and report what it prints.",
    details,
  };
}
