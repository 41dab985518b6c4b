import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeCheckpoint } from "./support/checkpoints.ts";
import { runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { nemotron30b } from "./support/nemotron-30b.ts";

const published = [
  ["oQ8e", "8.50", 0, "uniform 8bit", 33_559_877_504],
  ["oQ6e", "6.57", 48, "8bitX48", 25_958_514_560],
  ["oQ5e", "5.64", 118, "8bitX48, 6bitX70", 22_286_663_552],
  ["oQ4e", "4.70", 118, "8bitX48, 6bitX48, 5bitX22", 18_563_676_032],
];

describe.each(["header-only", "sparse"] as const)(
  "a %s checkpoint of the 30B model in 60 shards",
  (filling) => {
    let folder: string;
    beforeAll(async () => {
      folder = await scratchFolder();
      await makeCheckpoint(`${folder}/Nemotron-30B`, nemotron30b, 60, filling);
    });
    afterAll(() => removeFolder(folder));

    test("is planned as published, from headers alone", async () => {
      const { code, stdout, stderr } = await runCli([
        "plan",
        `${folder}/Nemotron-30B`,
        "--policy",
        "oq",
        "--json",
      ]);
      expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
      const plan = JSON.parse(stdout);
      expect(plan).toMatchObject({
        model: "Nemotron-30B",
        policy: "oq",
        revision: expect.stringMatching(/^sha256:/),
      });
      type Row = {
        tier: string;
        bpw: number;
        boosts: number;
        plan: string;
        bytes: number;
        modules: object;
      };
      expect(
        plan.tiers.map((t: Row) => [t.tier, t.bpw.toFixed(2), t.boosts, t.plan, t.bytes]),
      ).toEqual(published);
      for (const tier of plan.tiers as Row[]) {
        expect(Object.keys(tier.modules)).toHaveLength(164);
        expect(
          Object.keys(tier.modules).filter((path) =>
            /gate|conv1d|A_log|norm|dt_bias|\.D$/.test(path),
          ),
        ).toEqual([]);
      }
      expect(plan.unquantized["backbone.layers.1.mixer.gate.weight"]).toMatch(/router/);
    });
  },
);
