import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inspect } from "node:util";
import { seededRandom } from "../../src/calibration/random.ts";
import type { OqeError } from "../../src/ground/errors.ts";
import type { Report } from "../../src/ground/report.ts";
import { connectHub } from "../../src/hub/client.ts";
import type { Hub } from "../../src/hub/hub-types.ts";
import { parseInputs } from "../../src/inputs/inputs.ts";
import { openKernel } from "../../src/kernel/pool.ts";
import {
  type FaultKind,
  faultKinds,
  type LocalHub,
  startLocalHub,
} from "../../src/local-hub/local-hub.ts";
import { strangersFile } from "../../src/local-hub/stranger.ts";
import { publishModel } from "../../src/pipeline.ts";
import { manualClock } from "./manual-clock.ts";
import { type Content, checkEnd, checkHistory, checkOutput, contentOf } from "./soak-checks.ts";

/**
 * Many small runs against a local Hub whose requests fail as a seed says. After each run main is as
 * before or complete, and the run ended well or with one clear error. A run that failed is
 * repeated, at last in a world without faults, and must end well then.
 */
export interface SoakOptions {
  readonly seed: number;
  /** Stops when this many faults were injected. */
  readonly faults: number;
  readonly log: (line: string) => void;
}

export interface SoakResult {
  readonly faults: number;
  readonly byKind: Readonly<Partial<Record<FaultKind, number>>>;
  readonly runs: number;
  /** Runs that ended with an error, and were repeated. */
  readonly failed: number;
  /** Seconds on the client's clock that the Hub was silent in one run, at most. */
  readonly silence: number;
}

const token = "hf_theSecretOfTheSoak";
const rate = 0.12;
const mostFaultyRuns = 4;
const base = "base/tiny";
const model = fileURLToPath(new URL("../models/random-tiny/llama", import.meta.url));

/** What one job of the soak does, again and again until it ends well. */
interface Job {
  readonly repository: string;
  /** What main may show, in this order. */
  readonly contents: readonly Content[];
  /** One run for one of them. `isFresh`: on an empty disk. */
  run(hub: Hub, report: Report, content: number, isFresh: boolean): Promise<void>;
}

export async function soak({ seed, faults, log }: SoakOptions): Promise<SoakResult> {
  const folder = await mkdtemp(join(tmpdir(), "oqe-soak-"));
  const clock = manualClock();
  const world = { seed, kinds: Object.keys(faultKinds) as FaultKind[], rate: 0 };
  const hub = await startLocalHub({
    folder: join(folder, "hub"),
    world,
    lfsThreshold: 4096,
    onSilence: async (isOpen) => {
      // Other requests get turns while the clock goes on, for longer than a client waits.
      for (let turn = 0, seconds = 120; isOpen(); turn++) {
        await setImmediate();
        if (turn % 20 === 0 && seconds-- > 0) clock.advance(1000);
      }
    },
  });
  try {
    await hub.seed(base, model);
    const soaking = new Soaking({ hub, clock, world, folder, random: seededRandom(seed) });
    const step = async (name: string, run: () => Promise<void>) => {
      const before = hub.drawn.length;
      await run().catch((failure: unknown) => {
        const happened = hub.drawn.slice(before).map(({ kind, request }) => `${kind} ${request}`);
        throw wrongEnd(`seed ${seed}, ${name}`, failure, { happened, said: soaking.lines });
      });
    };
    await step("the runs without faults", () => soaking.prepare());
    for (let job = 0; hub.drawn.length < faults; job++) {
      await step(`job ${job}`, () => soaking.finish(job));
      if (job % 10 === 9) log(`${job + 1} jobs, ${hub.drawn.length} faults`);
    }
    return soaking.result();
  } finally {
    await hub.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** All that is known of a wrong end, in its message: a log may show nothing else. */
function wrongEnd(
  where: string,
  failure: unknown,
  { happened, said }: { readonly happened: readonly string[]; readonly said: readonly string[] },
): Error {
  const parts = { "faults of this step": happened, "what the last run said": said };
  const lines = Object.entries(parts).flatMap(([name, all]) => [`${name}:`, ...all]);
  const what = inspect(failure, { depth: 8, maxStringLength: null });
  return new Error([`${where}: ${what}`, ...lines].join("\n  "), { cause: failure });
}

interface Given {
  readonly hub: LocalHub;
  readonly clock: ReturnType<typeof manualClock>;
  readonly world: { rate: number };
  readonly folder: string;
  readonly random: () => number;
}

class Soaking {
  readonly #given: Given;
  #reference: readonly Content[] = [];
  #runs = 0;
  #failed = 0;
  #silence = 0;
  #lines: readonly string[] = [];

  constructor(given: Given) {
    this.#given = given;
  }

  /** Publishes both contents of a model without faults, to compare with. */
  async prepare(): Promise<void> {
    const contents: Content[] = [];
    for (const rounding of roundings) {
      const job = this.#publishing(`reference-${rounding}`, []);
      const failure = await this.#run(job, roundings.indexOf(rounding), true);
      if (failure !== null) throw failure;
      contents.push(contentOf(this.#given.hub.files(job.repository)));
    }
    this.#reference = contents;
  }

  /** One job: each content in turn, repeated until it is on main. */
  async finish(number: number): Promise<void> {
    const { hub, random } = this.#given;
    const job =
      random() < 0.5
        ? this.#publishing(`soak-${number}`, this.#reference)
        : await this.#sealing(`soak-${number}`);
    for (const content of job.contents.keys()) {
      for (let attempt = 1; ; attempt++) {
        this.#given.world.rate = attempt <= mostFaultyRuns ? rate : 0;
        const failure = await this.#run(job, content, random() < 0.5);
        const raced = checkHistory(hub, job.repository, job.contents);
        if (failure === null && !raced) checkEnd(hub, job.repository, job.contents[content]!);
        if (failure === null) break;
        if (raced) return; // somebody else's work on main: nothing more is owed
        if (attempt > mostFaultyRuns)
          throw new Error(`${job.repository} fails without faults`, { cause: failure });
      }
    }
  }

  /** Returns the error of a run; null if it ended well. Throws for one that is not clear. */
  async #run(job: Job, content: number, isFresh: boolean): Promise<OqeError | null> {
    const { hub, clock } = this.#given;
    const lines: string[] = [];
    this.#lines = lines;
    const report: Report = {
      stage: (name, run) => {
        lines.push(name);
        return run();
      },
      info: (line) => lines.push(line),
      warn: (line) => lines.push(line),
      tick: () => {},
    };
    const patience = { ...clock, sleep: async () => {}, random: this.#given.random };
    const began = clock.now();
    this.#runs++;
    const client = connectHub({ endpoint: hub.url, token, report, patience });
    const run = job.run(client, report, content, isFresh).then(
      () => null,
      (error: unknown) => error,
    );
    const failure = await withinMinute(run, lines);
    this.#silence = Math.max(this.#silence, clock.now() - began);
    if (failure !== null) this.#failed++;
    checkOutput(lines, failure, token);
    if (hub.leakedTokens > 0) throw new Error("the token reached the storage");
    return failure as OqeError | null;
  }

  /** A small model, rounded, published by the whole pipeline. Its contents differ in rounding. */
  #publishing(namespace: string, contents: readonly Content[]): Job {
    const { hub, folder } = this.#given;
    const workDir = join(folder, namespace);
    const run: Job["run"] = async (client, report, content, isFresh) => {
      if (isFresh) await rm(workDir, { recursive: true, force: true });
      const values: Record<string, string> = {
        ...{ "base-model": base, namespace, tiers: "oQ4e", method: "rounded", verify: "false" },
        ...{ rounding: roundings[content]!, "work-dir": workDir, workers: "1" },
        ...{ "hub-endpoint": hub.url, "hub-token": token },
      };
      const inputs = parseInputs((name) => values[name] ?? "", {});
      const { failure } = await publishModel(inputs, {
        report,
        connect: () => client,
        openKernel: () => openKernel({ workers: 1 }),
        occasion: "",
      });
      if (failure !== null) throw failure;
    };
    return { repository: `${namespace}/tiny-oQ4e`, contents, run };
  }

  /** Shards staged one by one, sealed without their bytes on the disk, then a new card. */
  async #sealing(namespace: string): Promise<Job> {
    const folder = join(this.#given.folder, namespace);
    const repository = `${namespace}/tiny`;
    const shards = await Promise.all(
      [1, 2, 3].map(async (number) => {
        const path = `model-0000${number}-of-00003.safetensors`;
        const bytes = Buffer.from(`${namespace} ${number} `.repeat(3000));
        const file = join(folder, "work", path);
        await mkdir(join(folder, "work"), { recursive: true });
        await writeFile(file, bytes);
        return { path, file, bytes: bytes.length, sha256: sha256(bytes) };
      }),
    );
    const cards = ["# First\n", "# Second\n"];
    const weights = shards.map((shard) => [shard.path, shard.sha256] as const);
    const contents = cards.map((card) => new Map([["README.md", sha256(card)], ...weights]));
    const run: Job["run"] = async (hub, _report, content) => {
      const state = await hub.inspect(repository);
      const branch = "oqe-staging";
      const found = await hub.readBranch(repository, branch);
      let parent = found?.commit ?? null;
      const missing = shards.filter(
        ({ path }) => !found?.files.has(path) && !state.files.has(path),
      );
      for (const shard of missing) {
        const record = {
          path: "work/record.json",
          content: new Uint8Array(Buffer.from(shard.path)),
        };
        const change = { files: [shard, record], deleted: [], title: `Add ${shard.path}` };
        const given = { repository, branch, private: false, parent, ...change };
        parent = (await hub.stage(given)).commit;
      }
      const small = join(folder, `small-${content}`);
      await mkdir(small, { recursive: true });
      await writeFile(join(small, "README.md"), cards[content]!);
      const staged = Object.fromEntries(
        shards.map(({ path, bytes, sha256 }) => [path, { bytes, sha256 }]),
      );
      const expected = contents[content]!;
      const keep = [...state.files.keys()].filter((path) => path === strangersFile);
      const how = { private: false, title: `Publish ${content}`, description: "" };
      await hub.push({ repository, folder: small, staged, expected, keep, state, ...how });
      await hub.removeBranch(repository, branch);
    };
    return { repository, contents, run };
  }

  /** What the last run said. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  result(): SoakResult {
    const byKind: Partial<Record<FaultKind, number>> = {};
    for (const { kind } of this.#given.hub.drawn) byKind[kind] = (byKind[kind] ?? 0) + 1;
    return {
      faults: this.#given.hub.drawn.length,
      byKind,
      runs: this.#runs,
      failed: this.#failed,
      silence: Math.round(this.#silence / 1000),
    };
  }
}

/** A run takes a second or two, since nobody waits: one that takes a minute never ends. */
async function withinMinute<T>(run: Promise<T>, lines: readonly string[]): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    const said = () => new Error(`a run hangs after: ${lines.slice(-8).join("\n  ")}`);
    timer = setTimeout(() => reject(said()), 60_000);
  });
  return Promise.race([run, late]).finally(() => clearTimeout(timer));
}

const roundings = ["stored", "mlx"] as const;

function sha256(content: string | Uint8Array): string {
  return createHash("sha256").update(content).digest("hex");
}
