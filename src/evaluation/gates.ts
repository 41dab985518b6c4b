import { OqeError } from "../ground/errors.ts";
import { type Gate, type GateName, gateNames } from "./evaluation-types.ts";

/** A limit for every gate. */
export type Limits = Readonly<Record<GateName, number>>;

/** Input of one gate: tier -> limit. The key `all` applies to tiers that are not named. */
export type GateInput = Readonly<Record<string, number>>;
export type GateInputs = Readonly<Record<GateName, GateInput>>;

/**
 * Default limits by least bits per weight. They stop broken tiers, not small ones. The KL limits
 * are over ten times the KL of tuned tiers of the embedded model, which loses more at 4 bits than a
 * large one. Even an untrained model passes the other limits, although its most likely tokens are
 * nearly tied.
 */
const defaults: readonly (readonly [leastBpw: number, Limits])[] = [
  [7.5, { "max-kl": 0.02, "min-same-top": 0.85, "min-router-agreement": 0.95 }],
  [6, { "max-kl": 0.05, "min-same-top": 0.7, "min-router-agreement": 0.9 }],
  [5.2, { "max-kl": 0.1, "min-same-top": 0.55, "min-router-agreement": 0.85 }],
  [4.3, { "max-kl": 0.2, "min-same-top": 0.4, "min-router-agreement": 0.8 }],
  [0, { "max-kl": 0.6, "min-same-top": 0.25, "min-router-agreement": 0.7 }],
];

/** The limits of a tier: those of the inputs, else the defaults for its size. */
export function limitsOf(
  inputs: GateInputs,
  { tier, bpw }: { readonly tier: string; readonly bpw: number },
): Limits {
  const [, own] = defaults.find(([least]) => bpw >= least)!;
  const limit = (gate: GateName) => inputs[gate][tier] ?? inputs[gate].all ?? own[gate];
  return Object.fromEntries(gateNames.map((gate) => [gate, limit(gate)])) as Limits;
}

/** Compares figures with their limits. A model without routers has no gate for them. */
export function judge(
  figures: {
    readonly meanKl: number;
    readonly sameTop: number;
    readonly routerAgreement: number | null;
  },
  limits: Partial<Limits>,
): Gate[] {
  const values: Readonly<Record<GateName, number | null>> = {
    "max-kl": figures.meanKl,
    "min-same-top": figures.sameTop,
    "min-router-agreement": figures.routerAgreement,
  };
  return gateNames.flatMap((gate) => {
    const [value, limit] = [values[gate], limits[gate]];
    if (value === null || limit === undefined) return [];
    return [{ gate, limit, value, passed: gate === "max-kl" ? value <= limit : value >= limit }];
  });
}

const words: Readonly<Record<GateName, readonly [what: string, bound: string]>> = {
  "max-kl": ["mean KL", "at most"],
  "min-same-top": ["share of positions with the same likeliest token", "at least"],
  "min-router-agreement": ["router agreement", "at least"],
};

/** A line for every failed gate: `mean KL is 0.31; gate max-kl requires at most 0.2`. */
export function describeFailures(gates: readonly Gate[]): string[] {
  return gates
    .filter(({ passed }) => !passed)
    .map(
      ({ gate, value, limit }) =>
        `${words[gate][0]} is ${value}; gate ${gate} requires ${words[gate][1]} ${limit}`,
    );
}

/**
 * Parses a gate's input: one number for all tiers, limits by tier as `oQ4e=0.05, oQ8e=0.002`, or
 * both. Empty text means the defaults. Throws BAD_INPUT for a number outside the gate's range, a
 * tier that is not in `tiers`, and a limit given twice.
 */
export function parseGate(gate: GateName, text: string, tiers: readonly string[]): GateInput {
  const most = gate === "max-kl" ? Number.MAX_VALUE : 1;
  const range = most === 1 ? "from 0 to 1" : "of 0 or more";
  const limits: Record<string, number> = {};
  for (const word of text.split(/[\s,]+/).filter((part) => part !== "")) {
    const [, named, value = ""] = /^(?:([^=]+)=)?([^=]*)$/.exec(word) ?? [];
    const tier =
      named === undefined
        ? "all"
        : tiers.find((known) => known.toLowerCase() === named.toLowerCase());
    const limit = Number(value);
    if (tier === undefined) {
      throw bad(gate, `"${named}" is not a tier; known are ${tiers.join(", ")}`);
    }
    if (!/^\d*\.?\d+(e-?\d+)?$/i.test(value) || !(limit <= most)) {
      throw bad(gate, `"${word}" is not a limit: expected a number ${range}`);
    }
    if (Object.hasOwn(limits, tier))
      throw bad(gate, `two limits for ${tier === "all" ? "all tiers" : tier}`);
    limits[tier] = limit;
  }
  return limits;
}

function bad(gate: GateName, what: string): OqeError {
  const example =
    gate === "max-kl" ? "0.05, or oQ4e=0.05,oQ8e=0.002" : "0.9, or oQ4e=0.8,oQ8e=0.98";
  return new OqeError("BAD_INPUT", `${gate}: ${what}`, `For example ${example}.`);
}
