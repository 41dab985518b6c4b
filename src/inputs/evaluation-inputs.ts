import { count, optionalCount, parsed, plain, toggle } from "./input-kinds.ts";
import { everyCommand, foreseeing, type InputRow, measuring } from "./input-row.ts";
import { parseText, parseWikitext } from "./input-values.ts";

export const evaluationInputs = [
  {
    name: "verify",
    group: "Evaluation",
    commands: measuring,
    ignoredBy: foreseeing,
    default: "true",
    ...toggle("value"),
    doc:
      "Compare every tier with its base before it is published, and hold back tiers that " +
      "fail a gate. With `false` the card says that nothing was evaluated",
  },
  {
    name: "evaluation",
    group: "Evaluation",
    commands: everyCommand,
    ignoredBy: foreseeing,
    default: "",
    example: "./held-out.txt",
    only: "evaluated",
    ...parsed("<text>", (text) => parseText("evaluation", text)),
    doc:
      "Evaluation text, in the same form as `calibration`. Empty means the bundled text, which " +
      "shares no document with the bundled calibration text",
    verifyDoc: "Evaluation text. Empty means the receipt's, if it is bundled or on the Hub",
  },
  {
    name: "evaluation-samples",
    group: "Evaluation",
    commands: everyCommand,
    ignoredBy: foreseeing,
    default: "",
    example: "32",
    only: "evaluated",
    ...optionalCount("<rows>", 1, 4096),
    doc: "Evaluation rows, 1 to 4096. Empty means 64",
    verifyDoc: "Evaluation rows, 1 to 4096. Empty means the number on the receipt",
  },
  {
    name: "evaluation-length",
    group: "Evaluation",
    commands: everyCommand,
    ignoredBy: foreseeing,
    default: "",
    example: "128",
    only: "evaluated",
    ...optionalCount("<tokens>", 16, 8192),
    doc: "Tokens per evaluation row, 16 to 8192. Empty means 256, or 128 above 4 B parameters",
    verifyDoc: "Tokens per evaluation row, 16 to 8192. Empty means the number on the receipt",
  },
  {
    name: "wikitext",
    group: "Evaluation",
    commands: everyCommand,
    ignoredBy: foreseeing,
    default: "",
    example: "./wiki.test.raw",
    only: "evaluated",
    ...parsed("<file>", parseWikitext),
    doc:
      "WikiText-2's test text, `wiki.test.raw`, which is not part of this project. The card gets a " +
      "row on it, as `mlx-quant-fidelity` measures: in chunks of 512 tokens",
    verifyDoc: "WikiText-2's test text, `wiki.test.raw`. Needed for that row of the receipt alone",
  },
  {
    name: "wikitext-chunks",
    group: "Evaluation",
    commands: everyCommand,
    ignoredBy: foreseeing,
    default: "100",
    example: "20",
    only: "evaluated",
    ...count("<chunks>", 1, 1024),
    doc: "Chunks of `wikitext` to measure on, the first ones, 1 to 1024",
  },
  {
    name: "max-kl",
    group: "Evaluation",
    form: "table",
    commands: everyCommand,
    ignoredBy: foreseeing,
    default: "",
    example: "oQ4e=0.05,oQ8e=0.002",
    only: "evaluated",
    ...plain("<limits>"),
    doc:
      "Gate: tiers with a mean KL (in nats) above this limit are not published. One number, " +
      "or one per tier: `oQ4e=0.05,oQ8e=0.002`. Empty means a default by bits per weight",
  },
  {
    name: "min-same-top",
    group: "Evaluation",
    form: "table",
    commands: everyCommand,
    ignoredBy: foreseeing,
    default: "",
    example: "0.9",
    only: "evaluated",
    ...plain("<limits>"),
    doc:
      "Gate: minimum share (0 to 1) of positions where tier and base predict the same most " +
      "likely token. Same form as `max-kl`",
  },
  {
    name: "min-router-agreement",
    group: "Evaluation",
    form: "table",
    commands: everyCommand,
    ignoredBy: foreseeing,
    default: "",
    example: "oQ4e=0.8",
    only: "evaluated",
    ...plain("<limits>"),
    doc:
      "Gate for models with experts: minimum share (0 to 1) of the base's expert choices " +
      "that the tier makes too. Same form as `max-kl`",
  },
] as const satisfies readonly InputRow[];
