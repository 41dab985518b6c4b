import type { Report } from "../ground/report.ts";
import type { Inputs } from "../inputs/inputs.ts";

type StageInputs = Pick<Inputs, "policy" | "sensitivity" | "tiers" | "dryRun" | "until">;

/**
 * The stages that a command may go through, in order, by the first words of their names. A run that
 * finds work done leaves some out. `asksToMeasure`: whether `oqe plan` does.
 */
export function stagesOf(
  command: string,
  inputs: StageInputs,
  asksToMeasure = true,
): readonly string[] {
  const { policy, sensitivity, tiers, dryRun, until } = inputs;
  const readsOnly = dryRun || until === "measured";
  const measures = policy === "measured" && sensitivity === null;
  const rows = ["Draw the rows"];
  const measuring = ["Estimate the run", ...(measures ? ["Measure"] : [])];
  const open = "Open the base model";
  switch (command) {
    case "plan":
      return measures && asksToMeasure ? [open, ...rows, ...measuring] : [];
    case "sensitivity":
      return [open, ...rows, "Estimate the run", "Measure"];
    case "quantize":
      return [open, ...rows, ...measuring, "Quantize"];
    case "publish":
      return [
        ...(readsOnly ? [] : ["Check the token"]),
        ...[open, ...rows, "Look at the tier repositories"],
        ...(dryRun ? [] : ["Check the cards"]),
        ...measuring,
        ...(until === "measured" ? [] : [until === "ahead" ? "Tune ahead" : "Quantize"]),
        ...tiers.map(() => "Publish"),
      ];
    case "verify":
      return [
        ...["Open the target", open, "Check the files against the receipt", ...rows],
        ...["Estimate the run", "Evaluate"],
      ];
    default:
      return [];
  }
}

/** The same report; the names of its stages say which of all they are: `Measure (7 of 12)`. */
export function numberStages(report: Report, stages: readonly string[]): Report {
  let next = 0;
  const numbered = (name: string) => {
    const at = stages.findIndex(
      (one, i) => i >= next && (name === one || name.startsWith(`${one} `)),
    );
    if (at === -1) return name;
    next = at + 1;
    return `${name} (${next} of ${stages.length})`;
  };
  return { ...report, stage: (name, run) => report.stage(numbered(name), run) };
}
