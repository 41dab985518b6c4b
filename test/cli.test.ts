import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { whoAmI } from "@huggingface/hub";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  commandTable,
  exampleOf,
  inputFlags,
  isBoolean,
  ownFlags,
  usedFlags,
} from "../src/entry/command-table.ts";
import { engine } from "../src/ground/engine.ts";
import { startLocalHub } from "../src/local-hub/local-hub.ts";
import { cli, rounded, runCli, runCliAlone } from "./support/cli-run.ts";
import { byArchitecture, embedded, removeFolder, scratchFolder } from "./support/models.ts";

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

describe("oqe", () => {
  test.each([[[]], [["help"]], [["--help"]], [["-h"]]])(
    "%j lists the commands and the exit codes",
    async (args) => {
      const { code, stdout, stderr } = await runCli(args);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      for (const { name, argument, brief } of commandTable) {
        const line = stdout.split("\n").find((one) => one.startsWith(`  oqe ${name} ${argument} `));
        expect(line).toMatch(new RegExp(` {2}${brief}$`));
      }
      expect(stdout).toContain("1 failure, 2 wrong usage, 3 a tier failed a");
      expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    },
  );

  test.each(commandTable.map((command) => [command.name, command] as const))(
    "%s --help explains each flag that it uses within 80 columns, and names the others",
    async (name, command) => {
      const { code, stdout } = await runCli([name, "--help"]);
      expect(code).toBe(0);
      expect(stdout).toContain(`Usage: oqe ${name} ${command.argument} [flags]\n`);
      const term = /^ {2}(?:-\w, )?--(?:\[no-\])?([\w-]+)( \S.*)?\n {6}\S/gm;
      const listed = [...stdout.matchAll(term)].map(([, flag]) => flag);
      const own = [...ownFlags(command).map((row) => row.name), "help"];
      expect(listed).toEqual([...own, ...usedFlags(command).map((row) => row.name)]);
      const text = stdout.replace(/\s+/g, " ");
      for (const row of [...ownFlags(command), ...usedFlags(command)]) {
        if (isBoolean(row)) expect(text).toContain(`--[no-]${row.name}`);
        else expect(text).toContain(`Example: --${row.name} ${exampleOf(row)}`);
      }
      for (const [call] of command.examples) expect(stdout).toContain(call);
      for (const row of inputFlags(command))
        expect(stdout).toMatch(new RegExp(`--(\\[no-\\])?${row.name}\\b`));
      expect(stdout.split("\n").filter((line) => line.length > 80)).toEqual([]);
    },
  );

  test("plan --help lists nothing that only a tier needs, publish --help lists all", async () => {
    const plan = (await runCli(["plan", "--help"])).stdout;
    const publish = (await runCli(["publish", "--help"])).stdout;
    for (const flag of ["namespace", "private", "repair", "evaluation", "max-kl", "overwrite"]) {
      expect(publish).toMatch(new RegExp(`^ {2}--(\\[no-\\])?${flag}\\b`, "m"));
      expect(plan).not.toMatch(new RegExp(`^ {2}--(\\[no-\\])?${flag}\\b`, "m"));
    }
    expect(plan.replace(/\s+/g, " ")).toContain("have no effect: --namespace, --rounding, ");
    expect(publish).not.toContain("no effect: ");
  });

  test.runIf(process.platform === "linux")("a full disk behind stdout is one message", async () => {
    const full = openSync("/dev/full", "w");
    const child = spawn(process.execPath, [cli, "--version"], { stdio: ["ignore", full, "pipe"] });
    closeSync(full);
    let stderr = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (stderr += text));
    expect(await once(child, "close")).toEqual([1, null]);
    expect(stderr).toMatch(/^error: the result cannot be written to stdout: .*\[DISK\]\n.*\n$/);
  });

  test.each([
    [["--version"], 0, `${engine.version}\n`, /^$/],
    [["-V"], 0, `${engine.version}\n`, /^$/],
    [["card", "/nowhere"], 1, "", /^error: .*\/nowhere/],
    [["frobnicate", "x"], 2, "", /^error: "frobnicate" is not a command/],
  ])("%j ends a new process with exit code %i", async (args, code, stdout, says) => {
    const ended = await runCliAlone(args);
    expect(ended).toMatchObject({ code, stdout, stderr: expect.stringMatching(says) });
  });

  test.each([
    [["frobnicate", "x"], /"frobnicate" is not a command/],
    [["plan"], /oqe plan takes one argument, got none.*\n.*oqe plan --help.*oqe\.yml/],
    [["--json", "plan", "x"], /--json stands before the command .*\n {2}.*oqe plan <model> --json/],
    [["completion", "csh"], /shell: "csh" is not one of bash, zsh, fish/],
    [["plan", "x", "--no-verfy"], /'--no-verfy' .*\n {2}Did you mean --no-verify\?/],
    [["publish", "x", "--dry-run", "--no-dry-run"], /--dry-run is given more than once/],
    [["plan", "x", "--colour"], /Unknown option '--colour' .*\n {2}See oqe plan --help\./],
    [
      ["plan", "x", "--tier", "oQ4e"],
      /'--tier' .*\n {2}Did you mean --tiers\? See oqe plan --help\./,
    ],
    [["hub", "x", "--tier", "oQ4e"], /Unknown option '--tier' .*\n {2}See oqe hub --help\./],
    [["publsh", "x"], /"publsh" is not a command .*\n {2}Did you mean oqe publish\? See/],
    [["plan", embedded, "--policy", "mesured"], /is not one of .*\n {2}Did you mean measured\?/],
    [["plan", embedded, "--tiers", "oQ4"], /"oQ4" is not a tier; .*\n {2}Did you mean oQ4e\?/],
    [["card", "x", "--tiers", "oQ4e"], /oqe card does not take --tiers.*\n.*oqe card --help/],
    [["plan", "a", "b"], /got a b/],
    [["quantize", embedded], /--out/],
    [["hub", "x", "--port", "http"], /port: "http" is not a whole number from 0 to 65535/],
    [
      ["plan", embedded, "--tiers", "oQ8e", "--tiers", "oQ4e"],
      /--tiers is given more than once.*\n.*oQ6e,oQ4e/,
    ],
    [["plan", embedded, "--json", "--workers=1", "--json"], /--json is given more than once/],
    [
      ["plan", embedded, "--rounding", "mlx"],
      /rounding mlx .* method tuned, the default, .*\n.*set method rounded/,
    ],
    [["plan", embedded, "--method", "best"], /method: "best" is not one of rounded, tuned/],
    [["plan", embedded, "--workers", "-4"], /--workers has no value.*\n.*--workers=-4/],
    [["card", ""], /oqe card needs a folder, got ""/],
    [["hub", ""], /oqe hub needs a folder, got ""/],
    [["init", ""], /oqe init needs a folder, got ""/],
    [["site"], /oqe site takes a folder or more, got none/],
    [["site", "a", ""], /oqe site needs a folder, got ""/],
    [["card", "/nowhere"], /\/nowhere\/oqe-receipt\.json/],
  ])("%j is refused in one line with its exit code", async (args, says) => {
    const { code, stdout, stderr } = await runCli(args);
    const usage = args[1] === "/nowhere" ? 1 : 2; // the call is right, the folder has no receipt
    expect({ code, stdout }).toEqual({ code: usage, stdout: "" });
    expect(stderr).toMatch(says);
    expect(stderr.split("\n").filter((line) => line.startsWith("error: "))).toHaveLength(1);
  });

  test.each([["oq"], ["measured"]])(
    "quantize writes a custom tier planned by %s, with every width in its config",
    async (policy) => {
      const out = `${folder}/own-${policy}`;
      const few = ["--calibration-samples", "9", "--calibration-length", "16", "--verify", "false"];
      const how = policy === "oq" ? rounded : ["--floors", "none", ...few];
      const own = ["--policy", policy, "--tiers", "oQ4e", "--target-bpw", "5.2"];
      const { code, stderr } = await runCli([
        "quantize",
        byArchitecture.llama!,
        "--out",
        out,
        ...own,
        ...how,
      ]);
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      const [tier] = (await readdir(out)).filter((name) => name.includes("5.2"));
      const read = async (name: string) =>
        JSON.parse(await readFile(`${out}/${tier}/${name}`, "utf8"));
      const { plan } = await read("oqe-receipt.json");
      const { quantization } = await read("config.json");
      for (const [module, { bits }] of Object.entries<{ bits: number }>(plan.modules)) {
        expect({ module, bits: quantization[module]?.bits ?? quantization.bits }).toEqual({
          module,
          bits,
        });
      }
      expect(await readdir(`${out}/${tier}`)).toContain("oqe-bits.svg");
      expect((await runCli(["card", `${out}/${tier}`])).code).toBe(0);
    },
  );

  test("plan --json prints every module's width, from a folder and from the Hub", async () => {
    const hub = await startLocalHub({ folder: `${folder}/plan-hub` });
    try {
      const commit = await hub.seed("base/nemotron-nano-tiny", embedded);
      const local = await runCli(["plan", embedded, "--policy", "oq", "--json"]);
      const remote = await runCli(
        ["plan", "base/nemotron-nano-tiny@main", "--policy", "oq", "--json"],
        {
          HF_ENDPOINT: hub.url,
        },
      );
      const [a, b] = [JSON.parse(local.stdout), JSON.parse(remote.stdout)];
      expect(b).toMatchObject({ model: "base/nemotron-nano-tiny", revision: commit, policy: "oq" });
      expect(b.tiers).toEqual(a.tiers);
      expect(a.tiers.map((tier: { tier: string }) => tier.tier)).toEqual([
        "oQ8e",
        "oQ6e",
        "oQ5e",
        "oQ4e",
      ]);
      const keys = [
        "bpw",
        "budgetBpw",
        "boosts",
        "bytes",
        "fileBpw",
        "floorCosts",
        "floors",
        "modules",
        "plan",
        "predicted",
        "targetBpw",
        "tier",
      ].sort();
      for (const tier of a.tiers) expect(Object.keys(tier).sort()).toEqual(keys);
      expect(a.tiers[0].modules["backbone.layers.1.mixer.switch_mlp.fc1"]).toEqual({
        bits: 8,
        groupSize: 64,
      });
    } finally {
      await hub.close();
    }
  });

  test("an input that the method does not use gives one warning", async () => {
    const { code, stdout, stderr } = await runCli([
      "plan",
      embedded,
      ...rounded,
      "--calibration-samples",
      "7",
      "--json",
    ]);
    expect({ code, tiers: JSON.parse(stdout).tiers.length }).toEqual({ code: 0, tiers: 4 });
    expect(stderr).toBe(
      "  warning: without effect: calibration-samples (method rounded reads no calibration text)\n",
    );
  });

  test("quantize --json names the folders that it made", async () => {
    const { stdout } = await runCli([
      "quantize",
      byArchitecture.llama!,
      "--out",
      `${folder}/q`,
      "--tiers",
      "oq6e oq4e",
      ...rounded,
      "--json",
    ]);
    expect(JSON.parse(stdout).folders).toEqual([
      `${folder}/q/llama-oQ6e`,
      `${folder}/q/llama-oQ4e`,
    ]);
  });

  test("hub serves a folder until SIGTERM, and can serve it again", async () => {
    await mkdir(`${folder}/served`);
    for (const outcome of ["published", "unchanged"]) {
      const child = spawn(process.execPath, [cli, "hub", `${folder}/served`], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = once(child, "exit");
      const [line] = await once(createInterface(child.stdout), "line");
      expect(line).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
      expect((await whoAmI({ hubUrl: line, accessToken: "hf_rehearsal" })).name).toBe("local");
      const published = await runCli(
        [
          "publish",
          byArchitecture.llama!,
          "--namespace",
          "me",
          "--tiers",
          "oQ4e",
          ...rounded,
          "--work-dir",
          `${folder}/w`,
          "--json",
        ],
        { HF_ENDPOINT: line, HF_TOKEN: "hf_rehearsal" },
      );
      expect(JSON.parse(published.stdout).repositories[0].outcome).toBe(outcome);
      child.kill("SIGTERM");
      expect((await ended)[0]).toBe(0);
    }
  });
});
