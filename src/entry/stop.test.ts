import { describe, expect, test } from "vitest";
import { silentReport } from "../ground/report.ts";
import { resumeCommand, Stop } from "./stop.ts";

const argv = ["publish", "org/my model", "--tiers", "oQ4e", "--max-kl=oQ4e=0.1"];
const places = { workDir: "/work", folder: "/out", isStaged: false, isTuned: true };

/** A stop that notes what it says, and a stage that lasts until it is let go. */
function scene(kept: Partial<typeof places> | null = {}) {
  const said: string[] = [];
  const warnings: string[] = [];
  let ends = 0;
  const report = { ...silentReport, warn: (line: string) => void warnings.push(line) };
  const resumable = { command: "publish", argv, script: "/usr/bin/oqe" } as const;
  const end = () => void ends++;
  const stop = new Stop(resumable, { report, write: (text) => void said.push(text), end });
  if (kept !== null) stop.keeps({ ...places, ...kept });
  const watched = stop.watch(report);
  return { stop, said, warnings, watched, ends: () => ends };
}

describe("a run that is stopped", () => {
  test("in a walk goes on to the end of the block, and begins no other stage", async () => {
    const { stop, said, warnings, watched, ends } = scene();
    await watched.stage("Measure", async () => stop.ask());
    expect({ asked: stop.isAsked, ends: ends(), said }).toEqual({ asked: true, ends: 0, said: [] });
    expect(warnings[0]).toMatch(/behind this block; Ctrl-C again ends at once/);
    expect(warnings[1]).toContain("oqe publish 'org/my model' --tiers oQ4e --max-kl=oQ4e=0.1");
    const begun: string[] = [];
    const next = watched.stage("Publish org/x", async () => begun.push("Publish"));
    await expect(next).rejects.toMatchObject({ code: "TIME" });
    expect(begun).toEqual([]);
    stop.say("behind block 2 of 9");
    expect(said[0]).toMatch(/^stopped behind block 2 of 9\n {2}kept: measured blocks in \/work\n/);
    expect(said[0]).toMatch(/\n {2}go on: oqe publish 'org\/my model' .*\n$/);
  });

  test.each([
    [["Draw the rows"], {}, "kept: nothing, so the run begins again"],
    [["Measure", "Publish a/b"], {}, "kept: measured blocks in /work, the finished tiers in /out"],
    [["Quantize", "Look"], {}, "kept: finished parts of the tiers in /out"],
    [["Quantize", "x"], { isStaged: true }, "in /out; and on the staging branches of the tiers"],
    [["Quantize"], { isTuned: false }, "kept: nothing, so the run begins again"],
    [["Open the base model"], null, "kept: nothing, so the run begins again"],
  ])("in %j ends at once and says what is kept", async (stages, kept, says) => {
    const { stop, said, watched, ends } = scene(kept);
    for (const name of stages.slice(0, -1)) await watched.stage(name, async () => {});
    await watched.stage(stages.at(-1)!, async () => stop.ask());
    expect(ends()).toBe(1);
    expect(said.join("")).toContain(says);
    expect(said.join("")).toContain("\n  go on: oqe publish ");
  });

  test("ends a command that serves, without a word", async () => {
    const { stop, said, ends } = scene(null);
    const served = stop.served();
    stop.ask();
    await served;
    expect({ said, ends: ends() }).toEqual({ said: [], ends: 0 });
  });

  test("is gone on with by the same command, without its token", () => {
    const script = `${process.cwd()}/dist/cli.js`;
    const own = ["publish", "m", "--hub-token", "hf_secret", "--json"];
    const command = "publish" as const;
    const first = resumeCommand({ command, argv: own, script });
    expect(first).toBe("HF_TOKEN=… node dist/cli.js publish m --json");
    const joined = ["publish", "--hub-token=hf_secret", "$(rm x)"];
    expect(resumeCommand({ command, argv: joined, script: "/bin/oqe" })).toBe(
      "HF_TOKEN=… oqe publish '$(rm x)'",
    );
  });
});
