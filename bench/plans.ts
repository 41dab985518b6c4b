import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { finiteWeights } from "../src/base/base-weights.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import { mean } from "../src/evaluation/statistics.ts";
import { silentReport } from "../src/ground/report.ts";
import { defaultFloors, parseFloors } from "../src/plan/floors.ts";
import { planTier } from "../src/plan/plan.ts";
import type { TierPlan } from "../src/plan/plan-types.ts";
import type { Sensitivity } from "../src/plan/sensitivity-types.ts";
import { type Tier, tiers } from "../src/plan/tiers.ts";
import { measure } from "../src/sensitivity/measure.ts";
import { openProxy } from "../src/sensitivity/proxy.ts";
import { probeSizeOf, proxyName } from "../src/series/sensitivity.ts";
import { rankCorrelation } from "../test/support/rank-correlation.ts";
import {
  type Compared,
  openComparison,
  routers,
  show,
  table,
  timed,
  tunedOn,
} from "./comparison.ts";
import { pairedRatio } from "./statistics.ts";

/**
 * The value of a measured plan on the embedded model, against others with no fewer bytes, all run
 * for real.
 *   node bench/plans.ts [evaluation rows of 256 tokens, 72] [costs,tiers,peers]
 *     [sensitivity.json to read instead of measuring]
 */
const comparison = await openComparison(Number(process.argv[2] ?? 72));
const only = process.argv[3] ?? "";
const wants = (part: string) => only === "" || only.split(",").includes(part);
const { base, kernel, calibration } = comparison;

const measureModel = (
  model: Parameters<typeof measure>[0]["model"],
  proxy: string | null,
): Promise<Sensitivity> => {
  const { repository } = base.checkpoint;
  const identity = {
    engine: { name: "oqe-publisher", version: "bench", recipe: 1, kernelSha256: kernel.sha256 },
    base: { id: null, name: repository.name, revision: repository.revision },
    proxy,
  };
  const request = {
    rows: calibration,
    probeSize: probeSizeOf(base),
    domainWeights: {},
    identity,
    kernel,
    report: silentReport,
  };
  return measure({ ...request, model });
};
const { architecture, config, tensors, storage } = base;
const weights = finiteWeights(base, kernel);
const own = { architecture, config, tensors, storage, weights, ownBits: new Map<string, number>() };
const given = process.argv[4];
const [sensitivity, seconds] = await timed<Sensitivity>(async () =>
  given === undefined ? measureModel(own, null) : JSON.parse(await readFile(given, "utf8")),
);
if (given === undefined) console.log(`measured in ${seconds.toFixed(0)} s`);

/** The measured plan of a tier with a limit in bits per weight. */
const byCosts = (
  tier: Tier,
  budgetBpw = tier.budgetBpw,
  floors = defaultFloors,
  costs = sensitivity,
) => planTier({ ...tier, budgetBpw }, base, { sensitivity: costs, floors: parseFloors(floors) });
const tuned = tunedOn(calibration);
/** The defaults of the product. */
const repaired = { ...tuned, repair: ["router", "rounding"] as const };
const judgePlan = async (
  name: string,
  plan: TierPlan,
  tuning: typeof tuned | null,
): Promise<Compared> => {
  const [folder] = await comparison.make(name, [plan], tuning);
  return comparison.compare(folder!);
};

if (wants("costs")) {
  const [oQ8e] = await comparison.make("proxy", [planTier(tiers[0]!, base)], tuned);
  const repository = await openFolder(oQ8e!);
  const proxy = await openProxy(repository, base, kernel);
  const [byProxy, time] = await timed(() => measureModel(proxy, proxyName(repository)));
  await proxy.close();
  const costs = (of: Sensitivity, what: "forcedKl" | "flipPower") =>
    of.tensors.map(({ widths }) => widths[1]![what]);
  console.log(
    `\nProxy oQ8e in the base's place (${time.toFixed(0)} s), Spearman over ${tensors.length} tensors:`,
  );
  for (const what of ["forcedKl", "flipPower"] as const) {
    console.log(
      `${what} cost ${rankCorrelation(costs(byProxy, what), costs(sensitivity, what)).toFixed(4)}`,
    );
  }
  const blocks = sensitivity.tensors.filter(({ layer }) => layer !== null);
  const { depthGain, together, check } = sensitivity;
  const gain = (layer: number) =>
    (depthGain.find(({ depth }) => depth > layer) ?? depthGain.at(-1)!).gain;
  const simple = blocks.map(({ layer, blockError }) => blockError * gain(layer!));
  const probed = blocks.map(({ widths }) => widths[1]!.forcedKl);
  console.log(
    `block error × depth gain against the probes: Spearman ${rankCorrelation(simple, probed).toFixed(4)}`,
  );
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  console.log(`Σ gain costs / Σ probes, blocks: ${(total(simple) / total(probed)).toFixed(3)}`);
  const all = total(sensitivity.tensors.map(({ widths }) => widths[1]!.forcedKl));
  console.log(
    `Σ smooth costs / KL of all at once, forced: ${(all / together.forcedKl).toFixed(3)}`,
  );
  console.log(
    `depth gain: ${depthGain.map(({ depth, gain }) => `${depth}: ${gain.toFixed(3)}`).join(", ")}`,
  );
  const ratios = check.map(({ predicted, tuned }) => predicted / tuned).toSorted((a, b) => a - b);
  console.log(
    `forecast / tuned error on ${check.length} samples: ${ratios[0]!.toFixed(2)} to ${ratios.at(-1)!.toFixed(2)}, ` +
      `median ${ratios[ratios.length >> 1]!.toFixed(2)}`,
  );
}

if (wants("tiers")) {
  for (const tier of tiers) {
    const rules = planTier(tier, base);
    const rounded = await judgePlan("rounded", rules, null);
    table(`${tier.name}: plans, ratios to stock rounding at the plan by rules`, "rounding", true);
    const add = (name: string, plan: TierPlan, compared: Compared) => {
      console.log(comparison.line(name, compared, rounded, plan.bytes));
      return compared;
    };
    add("rules, rounded", rules, rounded);
    const byRules = add(
      "rules, tuned",
      rules,
      await judgePlan("rules", rules, tunedOn(calibration)),
    );
    const plan = byCosts(tier, Math.min(tier.budgetBpw, rules.bpw));
    const costs = add("costs, tuned", plan, await judgePlan("costs", plan, tuned));
    const whole = add(
      "costs, tuned and repaired",
      plan,
      await judgePlan("repaired", plan, repaired),
    );
    const noFloors = byCosts(tier, Math.min(tier.budgetBpw, rules.bpw), "none");
    add(
      "costs without floors, tuned and repaired",
      noFloors,
      await judgePlan("no-floors", noFloors, repaired),
    );
    const forcedKl = {
      ...sensitivity,
      together: { ...sensitivity.together, freeKl: sensitivity.together.forcedKl },
    };
    const smoothly = byCosts(tier, Math.min(tier.budgetBpw, rules.bpw), defaultFloors, forcedKl);
    add("smooth costs alone, tuned", smoothly, await judgePlan("forcedKl", smoothly, tuned));
    const ratio = show(pairedRatio(comparison.rowsOf(costs.free), comparison.rowsOf(byRules.free)));
    console.log(`\n${tier.name}: costs / rules, both tuned, free: ${ratio}`);
    const missed = (compared: Compared) => 1 - routers(compared);
    const share = (compared: Compared) => (missed(compared) / missed(rounded)).toFixed(3);
    console.log(`router disagreement of rounding's: ${share(costs)}, repaired ${share(whole)}`);
    for (const [name, { forced, free }] of [
      ["tuned", costs],
      ["tuned and repaired", whole],
    ] as const) {
      const { forcedKl, kl } = plan.predicted!;
      const ratio = (predicted: number, { divergence }: typeof forced) =>
        (predicted / mean(divergence)).toFixed(2);
      console.log(
        `predicted / measured KL, ${name}: forced ${ratio(forcedKl, forced)}, free ${ratio(kl, free)}`,
      );
    }
  }
}

if (wants("peers")) {
  const tier = tiers.at(-1)!;
  const rules = planTier(tier, base);
  const [rounded] = await comparison.make("rounded", [rules], null);
  const [whole] = await comparison.make("rules", [rules], tunedOn(calibration));
  const recipe = await withExpertsOf(whole!, rounded!);
  const uniform: Tier = { ...tier, name: "uniform-4-bit", capBpw: null };
  const [convert] = await comparison.make("convert", [planTier(uniform, base)], null);
  const peers: [string, string | null, string][] = [
    ["published recipe: rules, GPTQ on dense tensors, experts rounded", recipe, ""],
    ["mlx_lm.convert, uniform 4-bit", convert!, ""],
  ];
  for (const [name, script, flags] of [
    ["mlx_lm.gptq 4-bit, fallback 6", "mlx_gptq_model.py", []],
    [
      "mlx_lm.dynamic_quant 4/5-bit, 32 rows",
      "mlx_dynamic_model.py",
      ["--bpw", "4.7", "--rows", "32"],
    ],
  ] as const) {
    const { folder, reason } = await comparison.makeByPeer(script, flags);
    peers.push([name, folder, reason]);
  }
  table(
    "Peers, and ours (tuned, not repaired) at their bytes or fewer; ratios to the peer",
    "the peer",
    true,
  );
  const unquantizedBytes = rules.bytes - (rules.bpw * quantized()) / 8;
  for (const [name, folder, reason] of peers) {
    if (folder === null) {
      console.log(`| ${name}: cannot run: ${reason} |`);
      continue;
    }
    const bytes = await payloadOf(folder);
    const peer = await comparison.compare(folder);
    console.log(comparison.line(name, peer, peer, bytes));
    const plan = byCosts(
      tier,
      Math.min(tier.budgetBpw, (8 * (bytes - unquantizedBytes)) / quantized()),
    );
    console.log(
      comparison.line(
        `ours at ${plan.bpw.toFixed(2)} bpw`,
        await judgePlan(`beside ${name}`, plan, tuned),
        peer,
        plan.bytes,
      ),
    );
  }
}
await comparison.close();

/** Parameters of the quantizable tensors. */
function quantized(): number {
  const plan = planTier(tiers[0]!, base);
  const own = tensors.filter(({ name }) =>
    Object.hasOwn(plan.modules, name.replace(/\.weight$/, "")),
  );
  return own.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

/** Tensor data of a repository's only shard. */
async function payloadOf(folder: string): Promise<number> {
  const file = join(folder, "model.safetensors");
  const header = (await readFile(file)).readBigUInt64LE(0);
  return (await stat(file)).size - 8 - Number(header);
}

/** A repository with the experts of another that has the same plan. */
async function withExpertsOf(folder: string, other: string): Promise<string> {
  const [file, from] = [join(folder, "model.safetensors"), join(other, "model.safetensors")];
  const [own, theirs] = [await readFile(file), await readFile(from)];
  const offset = (bytes: Buffer) => 8 + Number(bytes.readBigUInt64LE(0));
  const headers = (bytes: Buffer) => JSON.parse(bytes.subarray(8, offset(bytes)).toString());
  const [mine, source] = [headers(own), headers(theirs)];
  for (const [name, entry] of Object.entries<{ data_offsets: [number, number] }>(mine)) {
    if (!name.includes("switch_mlp")) continue;
    const [start, end] = source[name].data_offsets;
    theirs.copy(
      own,
      offset(own) + entry.data_offsets[0],
      offset(theirs) + start,
      offset(theirs) + end,
    );
  }
  await writeFile(file, own);
  return folder;
}
