import { OqeError } from "../ground/errors.ts";
import { type Gate, type GateName, gateNames } from "./evaluation-types.ts";

/** A limit for every gate. */
export type Limits = Readonly<Record<GateName, number>>;

/** What a run was told of one gate: tier -> limit, and under `all` the limit of those that are not named. */
export type GateInput = Readonly<Record<string, number>>;
export type GateInputs = Readonly<Record<GateName, GateInput>>;

/**
 * Limits by the bits per weight that a tier has at least. They are there to stop what went wrong, not what is merely small: the KL is
 * more than ten times what tuning leaves on the embedded model, whose 4 bits cost it far more than they cost a large one. The shares are
 * such that even an untrained model passes, whose likeliest token is hardly likelier than the next.
 */
const defaults: readonly (readonly [leastBpw: number, Limits])[] = [
  [7.5, { "max-kl": 0.02, "min-same-top": 0.85, "min-router-agreement": 0.95 }],
  [6, { "max-kl": 0.05, "min-same-top": 0.7, "min-router-agreement": 0.9 }],
  [5.2, { "max-kl": 0.1, "min-same-top": 0.55, "min-router-agreement": 0.85 }],
  [4.3, { "max-kl": 0.2, "min-same-top": 0.4, "min-router-agreement": 0.8 }],
  [0, { "max-kl": 0.6, "min-same-top": 0.25, "min-router-agreement": 0.7 }],
];

/** The limits of a tier: what the inputs say of it, else the default of its size. */
export function limitsOf(
  inputs: GateInputs,
  { tier, bpw }: { readonly tier: string; readonly bpw: number },
): Limits {
  const [, own] = defaults.find(([least]) => bpw >= least)!;
  const limit = (gate: GateName) => inputs[gate][tier] ?? inputs[gate].all ?? own[gate];
  return Object.fromEntries(gateNames.map((gate) => [gate, limit(gate)])) as Limits;
}

/** The figures held against their limits, as far as there are any. A model without routers has no gate for them. */
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
  "min-router-agreement": ["share of the base's routes that were kept", "at least"],
};

/** `mean KL is 0.31; gate max-kl asks for at most 0.2`: a line for every gate that was not passed. */
export function describeFailures(gates: readonly Gate[]): string[] {
  return gates
    .filter(({ passed }) => !passed)
    .map(
      ({ gate, value, limit }) =>
        `${words[gate][0]} is ${value}; gate ${gate} asks for ${words[gate][1]} ${limit}`,
    );
}

/**
 * Reads a gate's input: one number for all tiers, or limits by tier as `oQ4e=0.05, oQ8e=0.002`, or both. Empty: the defaults.
 * Throws BAD_INPUT for what is no number in the gate's range, a tier that is not among `tiers`, and a limit given twice.
 */
export function parseGate(gate: GateName, text: string, tiers: readonly string[]): GateInput {
  const most = gate === "max-kl" ? Number.MAX_VALUE : 1;
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
      throw bad(
        gate,
        `"${word}" is no limit: expected a number${most === 1 ? " from 0 to 1" : ", not negative"}`,
      );
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
