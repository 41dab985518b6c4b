import type { TreePath } from "./yaml-tree.ts";

/** What is wrong with a workflow that calls series.yml. */
export interface CallerFault {
  /** `error`: GitHub refuses it, or a job fails. `warning`: something is not done. */
  readonly level: "error" | "warning";
  readonly path: TreePath;
  readonly what: string;
  readonly hint: string;
}
