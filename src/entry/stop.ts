import { basename, relative } from "node:path";
import { shellWord } from "../card/markdown.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import type { CommandName } from "./command-table.ts";

/** How a run can be gone on with. */
export interface Resumable {
  readonly command: CommandName;
  /** The command line, without the program. */
  readonly argv: readonly string[];
  /** The program, as it was started. */
  readonly script: string;
}

/** Where a run keeps its work. */
export interface KeptPlaces {
  /** Of the measurement. */
  readonly workDir: string;
  /** Of the tiers. */
  readonly folder: string;
  /** Whether finished blocks are on staging branches too. */
  readonly isStaged: boolean;
  /** Whether the tiers are tuned: then the run can stop behind a block. */
  readonly isTuned: boolean;
}

/** What a stopped run uses. */
interface StopOutside {
  readonly report: Report;
  /** Writes the last lines. */
  readonly write: (text: string) => void;
  /** Ends the process with the exit code of a stopped run. */
  readonly end: () => void;
}

/**
 * A run that its user may stop. In a walk over the blocks it stops behind the block, so that no
 * work is lost and other runs find the branches free. Elsewhere it ends at once.
 */
export class Stop {
  readonly #resumable: Resumable;
  readonly #outside: StopOutside;
  #places: KeptPlaces | null = null;
  /** First word of the stage that goes on, and of all before it. */
  readonly #stages: string[] = [];
  #isAsked = false;
  /** Ends a command that serves until it is stopped. */
  #serving: (() => void) | null = null;

  constructor(resumable: Resumable, outside: StopOutside) {
    this.#resumable = resumable;
    this.#outside = outside;
  }

  get isAsked(): boolean {
    return this.#isAsked;
  }

  keeps(places: KeptPlaces): void {
    this.#places = places;
  }

  /** Until the user stops a command that serves. */
  served(): Promise<void> {
    return new Promise((stop) => {
      this.#serving = stop;
    });
  }

  /** The same report. It notes the stages, and begins none once the user asked to stop. */
  watch(report: Report): Report {
    return {
      ...report,
      stage: async (name, run) => {
        if (this.#isAsked) throw new OqeError("TIME", `stopped before "${name}"`);
        this.#stages.push(name.split(" ")[0]!);
        return report.stage(name, run);
      },
    };
  }

  /** The user asks. */
  ask(): void {
    if (this.#serving !== null) {
      this.#serving();
      return;
    }
    if (this.#isAsked) return;
    this.#isAsked = true;
    if (this.#isInWalk()) {
      const { warn, copy = warn } = this.#outside.report;
      warn("stopping behind this block; Ctrl-C again ends at once, and loses the block");
      copy(`to go on then: ${resumeCommand(this.#resumable)}`);
      return;
    }
    this.say("");
    this.#outside.end();
  }

  /** Says what is kept, and how to go on. `where`: where the run stopped. */
  say(where: string): void {
    const { report, write } = this.#outside;
    report.close?.();
    const place = where === "" ? "" : ` ${where}`;
    write(`stopped${place}\n  ${this.#kept()}\n  go on: ${resumeCommand(this.#resumable)}\n`);
  }

  #isInWalk(): boolean {
    const stage = this.#stages.at(-1);
    return stage === "Measure" || (stage === "Quantize" && this.#places?.isTuned === true);
  }

  #kept(): string {
    const stages = new Set(this.#stages);
    const { workDir = "", folder = "", isStaged, isTuned } = this.#places ?? {};
    const measured = stages.has("Measure") ? [`measured blocks in ${workDir}`] : [];
    // Rounded tiers take no longer than reading the base, so their parts are not kept.
    const parts =
      stages.has("Quantize") && isTuned ? [`finished parts of the tiers in ${folder}`] : [];
    const tiers = stages.has("Publish") ? [`the finished tiers in ${folder}`] : parts;
    const kept = [...measured, ...tiers];
    if (kept.length === 0) return "kept: nothing, so the run begins again";
    const staged = isStaged ? "; and on the staging branches of the tiers" : "";
    return `kept: ${kept.join(", ")}${staged}`;
  }
}

/** The command line of a run, without its token: processes and logs are seen by others. */
export function resumeCommand({ argv, script }: Resumable): string {
  const program = /^cli\.[jt]s$/.test(basename(script))
    ? `node ${shellWord(relative(process.cwd(), script))}`
    : basename(script);
  const words: string[] = [];
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (word === "--hub-token") i++;
    else if (!word.startsWith("--hub-token=")) words.push(quoted(word));
  }
  const token = argv.some((word) => word.startsWith("--hub-token")) ? "HF_TOKEN=… " : "";
  return [`${token}${program}`, ...words].join(" ");
}

/** A flag is a word that needs no quotes, which `shellWord` gives to words with a hyphen. */
function quoted(word: string): string {
  return /^--?[\w-]+(=[\w@%+=:,./-]*)?$/.test(word) ? word : shellWord(word);
}
