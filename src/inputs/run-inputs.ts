import { methods, propagations, repairs } from "../quantize/tuning-record.ts";
import {
  choice,
  count,
  optionalCount,
  optionalSize,
  optionalTime,
  parsed,
  plain,
  several,
  toggle,
} from "./input-kinds.ts";
import { everyCommand, foreseeing, type InputRow, measuring, reading } from "./input-row.ts";
import { parseText } from "./input-values.ts";

export const tuningInputs = [
  {
    name: "method",
    group: "Tuning",
    commands: measuring,
    ignoredBy: ["sensitivity"],
    default: "tuned",
    ...choice(...methods),
    doc:
      "`tuned` tunes each matrix with the Hessian of its own inputs, from calibration text. " +
      "`rounded` rounds each matrix by itself and reads no text",
  },
  {
    name: "rounding",
    group: "Tuning",
    commands: measuring,
    ignoredBy: foreseeing,
    default: "stored",
    ...choice("stored", "mlx"),
    doc:
      "`stored` chooses codes for scale and bias as they are stored. `mlx` gives the bytes " +
      "of stock `mx.quantize` and needs method `rounded`",
  },
  {
    name: "calibration",
    group: "Tuning",
    commands: everyCommand,
    default: "",
    example: "datasets/org/name/rows.txt",
    only: "tuned",
    ...parsed("<text>", (text) => parseText("calibration", text)),
    doc:
      "Calibration text or chats: a file, or `datasets/org/name[@revision]/path` on the Hub. " +
      "Empty means the bundled text",
    verifyDoc:
      "Text that the tier was tuned on, to check that the evaluation rows share no passage " +
      "with it. Empty means the receipt's, if it is bundled or on the Hub",
  },
  {
    name: "calibration-samples",
    group: "Tuning",
    commands: measuring,
    default: "128",
    example: "64",
    only: "tuned",
    ...count("<rows>", 1, 4096),
    doc: "Calibration rows, 1 to 4096",
  },
  {
    name: "calibration-length",
    group: "Tuning",
    commands: measuring,
    default: "256",
    example: "512",
    only: "tuned",
    ...count("<tokens>", 16, 8192),
    doc: "Tokens per calibration row, 16 to 8192",
  },
  {
    name: "propagation",
    group: "Tuning",
    commands: measuring,
    ignoredBy: foreseeing,
    default: "reference",
    only: "tuned",
    ...choice(...propagations),
    doc:
      "Activations that a block is tuned on: those of the base model (`reference`), or " +
      "those behind the tier's own quantized blocks (`sequential`)",
  },
  {
    name: "repair",
    group: "Tuning",
    form: "list",
    commands: measuring,
    ignoredBy: foreseeing,
    default: "router,rounding",
    example: "none",
    only: "tuned",
    ...several(...repairs),
    doc:
      "Corrections for errors that build up from layer to layer, as a list or `none`. " +
      "`router` fits the unquantized router gates to the base's logits again. `rounding` " +
      "protects the directions that later routers read. `residual` corrects the errors of " +
      "earlier blocks and needs `propagation: sequential`",
  },
] as const satisfies readonly InputRow[];

export const runInputs = [
  {
    name: "hub-endpoint",
    group: "Run",
    workflow: true,
    commands: reading,
    default: "",
    example: "http://127.0.0.1:8080",
    ...plain("<url>"),
    doc: "Address of the Hub. Empty means `HF_ENDPOINT`, or the public Hub if that is not set",
  },
  {
    name: "hub-token",
    group: "Run",
    workflow: true,
    commands: reading,
    default: "",
    example: "hf_…",
    ...plain("<token>"),
    doc:
      "Hub token with write access to the namespace. Empty means `HF_TOKEN`; `oqe` " +
      "then takes the token that `hf auth login` saved, for huggingface.co alone. Without any, the " +
      "Action uses the workflow's identity (Trusted Publishers), if the job has the permission " +
      "`id-token: write`. It is never logged",
  },
  {
    name: "work-dir",
    group: "Run",
    workflow: true,
    commands: everyCommand,
    default: "",
    example: "/data/oqe-work",
    ...plain("<folder>"),
    doc:
      "Folder for the finished tiers, and for what does not fit in memory. Empty means " +
      "`oqe-work`, in the runner's temporary folder (Action) or in the current folder (`oqe`)",
  },
  {
    name: "private",
    group: "Run",
    commands: measuring,
    ignoredBy: [...foreseeing, "quantize"],
    default: "false",
    ...toggle("switch"),
    doc: "Create new repositories as private",
  },
  {
    name: "hub-pull-request",
    group: "Run",
    commands: ["publish"],
    default: "false",
    ...toggle("switch"),
    doc:
      "Leave a pull request on each tier repository, where a person decides, in place of the " +
      "commit to its `main`",
  },
  {
    name: "dry-run",
    group: "Run",
    workflow: true,
    commands: ["plan", "sensitivity", "publish"],
    ignoredBy: foreseeing,
    default: "false",
    ...toggle("switch"),
    doc: "Do everything, cards included, but write nothing to the Hub",
  },
  {
    name: "overwrite",
    group: "Run",
    commands: measuring,
    ignoredBy: foreseeing,
    default: "false",
    ...toggle("switch"),
    doc: "Replace an existing repository or folder that oqe-publisher did not write, and files of its repositories that others changed. Without it the run ends before any work and names them",
  },
  {
    name: "workers",
    group: "Run",
    commands: reading,
    default: "",
    example: "4",
    ...optionalCount("<threads>", 1, 64),
    doc: "Kernel threads, 1 to 64. Empty means one per core. The result is the same for any number",
  },
  {
    name: "memory-limit",
    group: "Run",
    commands: everyCommand,
    default: "",
    example: "4GB",
    ...optionalSize("<size>"),
    doc:
      "Memory that the run may use, such as `4GB`. What does not fit goes to files in the work " +
      "folder; the result is the same. Empty means 65 % of the machine's memory, or up to 80 % " +
      "if the run needs them",
  },
  {
    name: "time-limit",
    group: "Run",
    commands: measuring,
    ignoredBy: ["plan"],
    default: "",
    example: "5h30m",
    ...optionalTime("<time>"),
    doc:
      "Time after which the run stops behind a block, such as `5h30m`. What is finished is kept " +
      "in the work folder and on the staging branches, and the next run goes on. Empty means none",
    seriesDoc:
      "Time after which a job stops behind a block, such as `5h30m`. What is finished is kept on " +
      "the staging branches, and the next run goes on. Empty means, for the jobs of the reusable " +
      "workflow, 20 minutes less than `timeout-minutes`, but at least half of it",
  },
] as const satisfies readonly InputRow[];
