import { inspect } from "node:util";
import { isOutOfMemory, isSystemError, reasonOf } from "./reasons.ts";

/** Kinds of failures. Each code has a section of the same name in docs/errors.md. */
export type ErrorCode =
  | "BAD_INPUT" // a command, flag or input that cannot be used
  | "UNSUPPORTED_MODEL" // a model_type without a role table, or a tensor that no role names
  | "ALREADY_QUANTIZED" // the base holds quantized weights
  | "BAD_CHECKPOINT" // truncated or contradictory safetensors, index or config
  | "BAD_SENSITIVITY" // a sensitivity without information, or of another model or engine
  | "MISSING_FILE" // the base lacks a file that the MLX repository needs (config, tokenizer)
  | "UNAUTHORIZED" // 401: no token, or one that the Hub does not know
  | "FORBIDDEN" // 403: the token lacks a right
  | "GATED" // the terms of the base must be accepted first
  | "NOT_FOUND" // no such repository, revision or folder
  | "NOT_OURS" // an existing repository or folder without our receipt
  | "CONFLICT" // the repository changed during the run
  | "NETWORK" // no usable answer of the Hub
  | "DISK" // the disk is full, or a folder cannot be used
  | "MEMORY" // the run needs more memory than there is
  | "TIME" // the run stopped, as time-limit says
  | "GATE" // a tier failed its gate, differs from its receipt, or is worse than the published one
  | "TEMPLATE" // a card template names an unknown fact, or does not parse
  | "KERNEL" // the WebAssembly kernel trapped or cannot be loaded
  | "INTERNAL"; // a bug of this program

/** Advice for a run that needs less memory. */
export const memoryHint =
  "Use fewer calibration rows (calibration-samples 64), shorter ones (calibration-length 128), " +
  "fewer threads (workers 2) or one tier per run (tiers oQ4e). " +
  "NODE_OPTIONS=--max-old-space-size=8192 gives Node a heap of 8 GB.";

/** What to do about an error that has no better hint. */
const usualHints: Readonly<Record<ErrorCode, string>> = {
  BAD_INPUT: "docs/inputs.md and oqe <command> --help list what is allowed.",
  UNSUPPORTED_MODEL: "Check that config and weights belong together, or add the architecture.",
  ALREADY_QUANTIZED: "Name the unquantized original.",
  BAD_CHECKPOINT: "Download the model again. If the error stays, report it to the model's authors.",
  BAD_SENSITIVITY: "Make the file again with `oqe sensitivity`, or leave sensitivity out.",
  MISSING_FILE: "Complete the base, or name the repository that has the file.",
  UNAUTHORIZED: "Set hub-token or HF_TOKEN.",
  FORBIDDEN: "Use a token with write access to the namespace.",
  GATED: "Accept the terms on the model's page.",
  NOT_FOUND: "Check the name and the endpoint.",
  NOT_OURS: "Choose another place, or set overwrite.",
  CONFLICT: "Look at the repository's history, then run again.",
  NETWORK: "Check the connection and the endpoint, then run again.",
  DISK: "Free disk space, or choose another folder.",
  MEMORY: memoryHint,
  TIME: "What is finished is kept. Run again with the same inputs to go on.",
  GATE: "Read the figures in the tier's receipt.",
  TEMPLATE: "Correct the template.",
  KERNEL: "Please report the command or workflow, and the model.",
  INTERNAL:
    "Please report the command or workflow, the model, and the output of a run with OQE_DEBUG=1.",
};

/**
 * The one error class. `message` says what is wrong, where, what was expected and what was found.
 * `hint` says what to do next. The entries print both.
 */
export class OqeError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;

  constructor(code: ErrorCode, message: string, hint = usualHints[code], cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "OqeError";
    this.code = code;
    this.hint = hint;
  }
}

/** Exit codes of `oqe`, as docs/errors.md and the help list them. 0 is success. */
export const exitCodes = { failure: 1, usage: 2, gate: 3, time: 4, stopped: 130 } as const;

export interface Failure {
  readonly message: string;
  readonly hint: string;
  /** Stack traces, for a bug report; empty unless asked for. */
  readonly details: string;
  readonly exitCode: number;
}

/** The part of a failure that an entry prints. The text of foreign errors is in `details` only. */
export function describeFailure(error: unknown, debug: boolean): Failure {
  const known = asKnown(error);
  const details = debug ? `${inspect(error)}\n` : "";
  return {
    message: known.message.replace(/\n|$/, ` [${known.code}]$&`), // a difference may follow
    hint: known.hint,
    details,
    exitCode: exitCodeOf(known.code),
  };
}

function exitCodeOf(code: ErrorCode): number {
  if (code === "BAD_INPUT") return exitCodes.usage;
  if (code === "TIME") return exitCodes.time;
  return code === "GATE" ? exitCodes.gate : exitCodes.failure;
}

/** The error, or what an error that no code of ours expected means to people. */
export function asKnown(error: unknown): OqeError {
  if (error instanceof OqeError) return error;
  if (isOutOfMemory(error)) return outOfMemory("the run", error);
  if (isSystemError(error)) {
    const { path, syscall } = error;
    const what = path ?? syscall ?? "the system";
    const hint = "Check that the path exists, and that this user may read and write there.";
    return new OqeError("DISK", `${what}: ${reasonOf(error)}`, hint, error);
  }
  const what = "a bug in oqe-publisher stopped the run";
  return new OqeError("INTERNAL", what, usualHints.INTERNAL, error);
}

/** `what` needed more memory than the process can have. */
export function outOfMemory(what: string, cause?: unknown): OqeError {
  return new OqeError("MEMORY", `${what} needs more memory than there is`, memoryHint, cause);
}
