import { roleOfModule } from "../models/module-role.ts";
import type { TensorKind } from "../quantize/tuning-record.ts";
import { tuningSettings } from "../quantize/tuning-settings.ts";
import type { Receipt } from "../receipt/receipt.ts";

/** Names of the kinds of matrices in the card's tables. Only some experts have a gate. */
export function kindWords({ model, plan }: Receipt): Readonly<Record<TensorKind, string>> {
  const isGate = (path: string) => {
    const role = roleOfModule(model.modelType, path);
    return role?.part === "experts" && role.projection === "gate";
  };
  const gate = Object.keys(plan.modules).some(isGate) ? " and gate" : "";
  return { ...kinds, "experts (up)": `routed experts, up projection${gate}` };
}

const kinds: Readonly<Record<Exclude<TensorKind, "experts (up)">, string>> = {
  embeddings: "embeddings",
  head: "output head",
  attention: "attention",
  mamba: "Mamba-2",
  "gated DeltaNet": "gated DeltaNet",
  mlp: "MLP",
  "shared experts": "shared experts",
  "latent projections": "latent projections",
  "experts (down)": "routed experts, down projection",
};

/** How a table that is embeddings and head at once was tuned; empty if there is none. */
export function tiedWords({ model, tuning, sensitivity }: Receipt): string {
  if (!model.tiedHead || tuning?.kinds.embeddings === undefined) return "";
  const tied = sensitivity?.tied ?? null;
  const mix = tied?.mix ?? tuningSettings.tiedMix;
  const share = (part: number) => `${Math.round(100 * part)} %`;
  const reason =
    tied === null
      ? "No other share was tried."
      : `Of the shares ${tied.tried.map((one) => share(one.mix)).join(", ")}, this one had the ` +
        "least KL with the table alone at 4 bits.";
  return (
    "The embeddings are also the output head, so one table is tuned for both uses. Its H is the " +
    `sum of the head's with a share of ${share(mix)} and of that of looking rows up with ` +
    `${share(1 - mix)}, each divided by its trace. ${reason}`
  );
}

/** Which activations the Hessians use. */
export function propagationWords({ options }: Receipt): string {
  return options.propagation === "sequential"
    ? "The inputs come from this tier's own quantized blocks, so each block is tuned on the " +
        "errors before it."
    : "The inputs come from the unquantized base model, so one Hessian serves every tier.";
}
