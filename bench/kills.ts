import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { seededRandom } from "../src/calibration/random.ts";
import { type LocalHub, type SeenRequest, startLocalHub } from "../src/local-hub/local-hub.ts";
import { isHubWrite } from "../test/support/hub-writes.ts";

/**
 * `node bench/kills.ts [--kills 30] [--seed 1] [--model <folder>] [--cli dist/cli.js]` publishes a
 * model to a local Hub, with few rows, and ends runs by SIGKILL at random moments: a third after
 * some time, the others while one of their writes to the Hub is answered. Every second kill takes
 * the work folder too. When a run gets through, main is compared with that of a run that nobody
 * killed, and the next series starts on an empty Hub. Prints what was killed, how many parts were
 * made more than once, and how many blocks were measured more than once. Ends with 1 for other
 * bytes, for a reader who saw a part of a tier on main, and if a kill cost more than one block of
 * tuning, or more than two of measuring: one that was being sent, and one that waited for it.
 */
const root = fileURLToPath(new URL("../", import.meta.url));
const { values } = parseArgs({
  options: {
    kills: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
    model: { type: "string", default: `${root}test/models/nemotron-nano-tiny` },
    cli: { type: "string", default: `${root}dist/cli.js` },
  },
});
const random = seededRandom(Number(values.seed));
const tiers = ["oQ6e", "oQ4e"];
const repositories = tiers.map((tier) => `acme/tiny-${tier}`);
const rows = [
  ...["--calibration-samples", "6", "--calibration-length", "64"],
  ...["--evaluation-samples", "4", "--evaluation-length", "64"],
];
const scratch = await mkdtemp(join(tmpdir(), "oqe-kills-"));
let folders = 0;

interface Ended {
  readonly code: number | null;
  readonly log: string;
  readonly seconds: number;
}

/** When a run is killed: after some seconds, or when it has sent some writes to the Hub. */
interface Moment {
  readonly seconds?: number;
  readonly writes?: number;
}

/** Writes that the Hubs have seen, and what is called at each. */
let writes = 0;
let onWrite = () => {};

/** Runs the CLI, and kills it and its children at a moment. */
async function publish(hub: LocalHub, work: string, moment: Moment): Promise<Ended> {
  const args = ["publish", "base/tiny", "--namespace", "acme", "--tiers", tiers.join(",")];
  const started = performance.now();
  const child = spawn(process.execPath, [values.cli, ...args, "--work-dir", work, ...rows], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    env: { PATH: process.env.PATH, HF_ENDPOINT: hub.url, HF_TOKEN: "hf_ofTheBench" },
  });
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log += text;
  });
  const end = () => {
    if (child.exitCode === null) process.kill(-child.pid!, "SIGKILL");
  };
  const { seconds = 3600, writes: most = Number.POSITIVE_INFINITY } = moment;
  const kill = setTimeout(end, 1000 * seconds);
  const before = writes;
  onWrite = () => {
    if (writes - before >= most) end();
  };
  const [code] = await once(child, "close");
  clearTimeout(kill);
  onWrite = () => {};
  return { code, log, seconds: (performance.now() - started) / 1000 };
}

/** A Hub with the base; `seen` gets the files of main whenever a request is made. */
async function openHub(seen: (files: ReturnType<typeof mainOf>) => void): Promise<LocalHub> {
  const folder = join(scratch, `hub-${folders++}`);
  const onRequest = (request: SeenRequest) => {
    seen(mainOf(hub));
    if (!isHubWrite(request)) return;
    writes++;
    onWrite();
  };
  const hub = await startLocalHub({ folder, onRequest });
  await hub.seed("base/tiny", values.model);
  return hub;
}

/** Path -> SHA-256 of what readers of main see, by repository. */
function mainOf(hub: LocalHub): Map<string, Map<string, string>> {
  return new Map(
    repositories.map((repository) => {
      const files = [...hub.files(repository)].filter(([path]) => path !== ".gitattributes");
      return [repository, new Map(files.map(([path, { sha256 }]) => [path, sha256]))];
    }),
  );
}

const text = (main: ReturnType<typeof mainOf>) =>
  JSON.stringify([...main].map(([repository, files]) => [repository, [...files].sort()]));
const partsIn = (log: string) =>
  [...log.matchAll(/: (\d+) parts? made$/gm)].reduce((sum, [, parts]) => sum + Number(parts), 0);
const measuredIn = (log: string) => [...log.matchAll(/block \d+ of \d+.*: measured$/gm)].length;
const stageOf = (log: string) => log.matchAll(/^(\S.*)$/gm);

const whole = await openHub(() => {});
const undisturbed = await publish(whole, join(scratch, "whole"), {});
if (undisturbed.code !== 0) throw new Error(undisturbed.log);
const expected = mainOf(whole);
await whole.close();
const allWrites = writes;
const parts = partsIn(undisturbed.log);
const blocks = [...undisturbed.log.matchAll(/: (\d+) parts? made$/gm)].map((found) => +found[1]!);
const most = Math.max(...blocks);
const measured = measuredIn(undisturbed.log);
console.log(
  `undisturbed: ${undisturbed.seconds.toFixed(1)} s, ${parts} parts, at most ${most} a block; ` +
    `${measured} blocks measured`,
);

let kills = 0;
let faults = 0;
const wanted = Number(values.kills);
while (kills < wanted) {
  let incomplete = 0;
  const hub = await openHub((main) => {
    for (const [repository, files] of main) {
      const whole = [...expected.get(repository)!].sort();
      const isWhole = JSON.stringify([...files].sort()) === JSON.stringify(whole);
      if (files.size > 0 && !isWhole) incomplete++;
    }
  });
  let work = join(scratch, `work-${folders++}`);
  let made = 0;
  let measuredNow = 0;
  let killed = 0;
  for (;;) {
    const isLast = kills >= wanted;
    const at = random();
    const timed = { seconds: at * undisturbed.seconds };
    const sent = { writes: 1 + Math.floor(at * allWrites) };
    const run = await publish(hub, work, isLast ? {} : kills % 3 === 0 ? timed : sent);
    made += partsIn(run.log);
    measuredNow += measuredIn(run.log);
    if (run.code === 0) break;
    const stage = [...stageOf(run.log)].at(-1)?.[1] ?? "start";
    if (run.code !== null) throw new Error(`not killed: ${run.log}`);
    kills++;
    killed++;
    const isEmpty = kills % 2 === 0;
    if (isEmpty) work = join(scratch, `work-${folders++}`);
    const where = run.log.trim().split("\n").at(-1)!.trim();
    console.log(
      `kill ${kills} after ${run.seconds.toFixed(1)} s, in "${stage}": ${where}` +
        `${isEmpty ? "; the disk is empty now" : ""}`,
    );
  }
  const isSame = text(mainOf(hub)) === text(expected);
  const twice = made - parts;
  const measuredTwice = measuredNow - measured;
  if (!isSame) {
    for (const [repository, files] of mainOf(hub))
      for (const [path, hash] of expected.get(repository)!)
        if (files.get(path) !== hash) console.log(`differs: ${repository}/${path}`);
  }
  console.log(
    `published after ${killed} kills: ${isSame ? "the same bytes" : "OTHER BYTES"}, ` +
      `${twice} parts made twice, ${measuredTwice} blocks measured twice, ` +
      `${incomplete} incomplete views of main`,
  );
  const isCostly = twice > killed * most || measuredTwice > 2 * killed;
  if (!isSame || incomplete > 0 || isCostly) faults++;
  await hub.close();
}
if (faults === 0) await rm(scratch, { recursive: true, force: true });
console.log(`${kills} kills, ${faults} faults`);
process.exitCode = faults === 0 ? 0 : 1;
