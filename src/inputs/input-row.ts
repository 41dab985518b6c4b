import type { InputKind } from "./input-kinds.ts";

/** A command of `oqe` that reads inputs. */
export type InputCommand = "plan" | "sensitivity" | "quantize" | "publish" | "verify" | "check";

/** An input that has an effect only with this method, policy or toggle. */
export type Condition = "tuned" | "measured" | "evaluated";

/**
 * One input of the Action, and a flag of every command in `commands`. action.yml,
 * docs/inputs.md, docs/inputs.schema.json, the flags and the help are made from these rows.
 */
export interface InputRow extends InputKind<unknown> {
  readonly name: string;
  readonly group: "Model" | "Tiers" | "Tuning" | "Evaluation" | "Run" | "Command";
  readonly commands: readonly InputCommand[];
  /** Those that take it without using it, so that a call can be repeated with another command. */
  readonly ignoredBy?: readonly InputCommand[];
  /** Text used when the input is absent or empty. */
  readonly default: string;
  /** The default in action.yml, where it is an expression of the workflow. */
  readonly expression?: string;
  /** The Action needs a value, unless it works on models of the series file. */
  readonly required?: true;
  /** A model of the series file cannot have it: it belongs to the workflow. */
  readonly workflow?: true;
  readonly only?: Condition;
  /** The series file may write it as a list, or as a table of keys and values. */
  readonly form?: "list" | "table";
  /** A value, for help and docs. Default: one of its choices. */
  readonly example?: string;
  /** For docs/inputs.md, action.yml and help: Markdown, without a final stop. */
  readonly doc: string;
  /** The same for `oqe verify`, where it means something else. */
  readonly verifyDoc?: string;
  /** The same as a key of the series file. */
  readonly seriesDoc?: string;
}

/** Commands that make tiers take the same inputs, so that a call can be repeated with another. */
export const making = ["plan", "quantize", "publish"] as const;
export const measuring = [...making, "sensitivity"] as const;
export const everyCommand = [...measuring, "verify"] as const;
/** Commands that read from the Hub. */
export const reading = [...everyCommand, "check"] as const;
/** Commands that make no tier. */
export const foreseeing = ["plan", "sensitivity"] as const;

const conditions: Readonly<Record<Condition, string>> = {
  tuned: "Only with method `tuned`",
  measured: "Only with policy `measured`",
  evaluated: "Only with `verify: true`",
};

type Described = Pick<InputRow, "doc" | "only" | "required">;

/** The row's text, and the condition under which it has an effect or is needed. */
export function describeInput({ doc, only, required }: Described): string {
  if (required) return `${doc}. Required, unless the model is in the series file`;
  return only === undefined ? doc : `${doc}. ${conditions[only]}`;
}
