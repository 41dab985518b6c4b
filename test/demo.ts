import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, readFile, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { kindWords } from "../src/card/tuning-words.ts";
import { type SeenRequest, startLocalHub } from "../src/local-hub/local-hub.ts";
import { tiers } from "../src/plan/tiers.ts";
import { tensorKinds } from "../src/quantize/tuning-record.ts";
import { parseReceipt } from "../src/receipt/receipt-file.ts";
import { writeSite } from "../src/site/write-site.ts";
import { readsOf } from "./support/base-reads.ts";

/** `npm run demo`: tunes and publishes the embedded model, over HTTP, to a Hub on this machine. */
const root = fileURLToPath(new URL("../", import.meta.url));
const demo = `${root}demo`;
const base = "base/nemotron-nano-tiny";

await rm(demo, { recursive: true, force: true });
await mkdir(demo);
const seen: SeenRequest[] = [];
const hub = await startLocalHub({
  folder: `${demo}/hub`,
  users: { hf_rehearsal: { name: "demo", role: "write", writes: ["*"] } },
  onRequest: (request) => seen.push(request),
});
try {
  const commit = await hub.seed(base, `${root}test/models/nemotron-nano-tiny`);
  console.log(`local Hub on ${hub.url}, seeded with ${base} at ${commit.slice(0, 12)}\n`);
  // Few rows, so that the demo takes a minute: two of each domain, and one for the evaluation.
  const publish = [
    "publish",
    base,
    "--namespace",
    "demo",
    "--work-dir",
    `${demo}/work`,
    ...["--calibration-samples", "18", "--evaluation-samples", "9"],
  ];
  const started = Date.now();
  await runCli(publish);
  const size = hub.files(base).get("model.safetensors")!.size;
  console.log(`
measured, tuned, evaluated and published in ${Math.round((Date.now() - started) / 1000)} s
the base was read ${readsOf(seen, base, size).toFixed(3)} times over the network
`);
  console.log(await gains());
  console.log("\nonce more, to show that the same thing is not published twice:");
  await runCli(publish);
  const published = `${demo}/hub/demo`;
  console.log(`
The published repositories, as the Hub stores them: ${published}/
Their page, which compares them and leads to their cards:`);
  const warn = (line: string) => console.log(line);
  const site = { out: `${demo}/index.html`, isLocal: true };
  const { page } = await writeSite([published], site, { warn });
  openPage(page);
  console.log(page);
} finally {
  await hub.close();
}

/** Table of the calibration loss from the published receipts: kinds of matrices by tier. */
async function gains(): Promise<string> {
  const read = async (tier: string) => {
    const path = `${demo}/hub/demo/nemotron-nano-tiny-${tier}/oqe-receipt.json`;
    return parseReceipt(await readFile(path, "utf8"), path);
  };
  const receipts = await Promise.all(tiers.map(({ name }) => read(name)));
  const columns = receipts.map(({ tuning }) => tuning!.kinds);
  const words = kindWords(receipts[0]!);
  const rows = tensorKinds.flatMap((kind) => {
    const cells = columns.map((kinds) => kinds[kind]?.ratio.toFixed(3).padStart(7));
    return cells.includes(undefined) ? [] : [words[kind].padEnd(42) + cells.join("")];
  });
  const head =
    "calibration loss left (plain rounding = 1)".padEnd(42) +
    tiers.map(({ name }) => name.padStart(7)).join("");
  return [head, ...rows].join("\n");
}

/** Opens a page for the person at this terminal, where there is one and the system can. */
function openPage(page: string) {
  const { CI, DISPLAY, WAYLAND_DISPLAY } = process.env;
  const isMac = process.platform === "darwin";
  if (!process.stdout.isTTY || CI !== undefined) return;
  if (!isMac && DISPLAY === undefined && WAYLAND_DISPLAY === undefined) return;
  const child = spawn(isMac ? "open" : "xdg-open", [page], { stdio: "ignore", detached: true });
  child.on("error", () => {}); // the path is printed
  child.unref();
}

/** Runs the committed bundle, as a user's machine would. */
async function runCli(args: string[]) {
  const env = { ...process.env, HF_ENDPOINT: hub.url, HF_TOKEN: "hf_rehearsal" };
  const child = spawn(process.execPath, [`${root}dist/cli.js`, ...args], {
    cwd: demo,
    env,
    stdio: ["inherit", "pipe", "inherit"],
  });
  const ended = once(child, "exit");
  // The Hub ends with the demo, so its addresses would be dead: the folders stay.
  for await (const line of createInterface(child.stdout))
    console.log(line.replaceAll(`${hub.url}/`, `${demo}/hub/`));
  const [code] = await ended;
  if (code !== 0) {
    process.exitCode = 1;
    throw new Error(`oqe ${args[0]} ended with exit code ${code}; its message is above`);
  }
}
