import type { Field } from "../ground/json-field.ts";
import type { Receipt } from "./receipt.ts";
import type { ExpertSensitivity, SensitivityRecord } from "./sensitivity-record.ts";

const hash = /^[0-9a-f]{64}$/;
const domainName = /^[\w. -]{1,64}$/;
/** A repository on the Hub at a commit, or the name of a folder. A path of the machine is neither. */
const proxyName = /^(?:[\w.-]{1,96}\/)?[\w.-]{1,200}(?:@[\w.:-]{1,80})?$/;
const most = {
  domains: 64,
  layers: 1024,
  experts: 8192,
  depths: 256,
  checked: 4096,
  critical: 1024,
};

/** What a receipt says of the measurement behind its plan. Receipts of earlier versions, and of other policies, have none. */
export function readSensitivity(
  field: Field,
  modules: Readonly<Record<string, unknown>>,
): SensitivityRecord | null {
  if (field.value === null || field.value === undefined) return null;
  const proxy = field.at("proxy");
  const domains = several(field.at("domains"), most.domains, (item) =>
    item.matching(domainName, "a domain's name"),
  );
  if (new Set(domains).size < domains.length) field.at("domains").fail("domains, each once");
  const layers = several(field.at("experts"), most.layers, (item) =>
    readExperts(item, domains.length),
  );
  if (layers.some(({ layer }, at) => at > 0 && layer <= layers[at - 1]!.layer)) {
    field.at("experts").fail("layers, ascending");
  }
  return {
    proxy:
      proxy.value === null
        ? null
        : proxy.matching(proxyName, "org/name@commit, a folder's name, or null"),
    calibration: {
      sha256: field.at("calibration").at("sha256").matching(hash, "64 hexadecimal digits"),
      samples: field.at("calibration").at("samples").count(),
      length: field.at("calibration").at("length").count(),
    },
    probe: {
      samples: field.at("probe").at("samples").count(),
      length: field.at("probe").at("length").count(),
      bits: field.at("probe").at("bits").count(),
    },
    domains,
    domainWeights: exactly(field.at("domainWeights"), domains.length, "a weight for each domain"),
    depthGain: several(field.at("depthGain"), most.depths, (item) => ({
      depth: item.at("depth").count(),
      gain: item.at("gain").number(),
    })),
    together: {
      forcedKl: field.at("together").at("forcedKl").number(),
      freeKl: field.at("together").at("freeKl").number(),
      flipPower: field.at("together").at("flipPower").number(),
    },
    check: several(field.at("check"), most.checked, (item) => ({
      module: readModule(item.at("module"), modules),
      bits: item.at("bits").count(),
      predicted: item.at("predicted").number(),
      tuned: item.at("tuned").number(),
    })),
    costs: field.at("costs").entries((cost, module) => {
      if (!Object.hasOwn(modules, module)) cost.fail("a module of the plan as the key");
      return { forcedKl: cost.at("forcedKl").number(), flipPower: cost.at("flipPower").number() };
    }),
    experts: layers,
    critical: several(field.at("critical"), most.critical, (item) =>
      readCritical(item, domains, layers),
    ),
  };
}

function readExperts(field: Field, domains: number): ExpertSensitivity {
  const share = several(field.at("share"), most.experts, (item) => item.share());
  const damage = field
    .at("damage")
    .list((row) => exactly(row, share.length, "a number for each expert"));
  if (damage.length !== domains) field.at("damage").fail("a row for each domain");
  return { layer: field.at("layer").count(), share, damage };
}

function readCritical(
  field: Field,
  domains: readonly string[],
  layers: readonly ExpertSensitivity[],
) {
  const layer = field.at("layer").count();
  const expert = field.at("expert").count();
  const known = layers.find((candidate) => candidate.layer === layer);
  if (known === undefined) field.at("layer").fail("a layer of experts");
  else if (expert >= known.share.length) field.at("expert").fail("an expert of the layer");
  return {
    domain: field.at("domain").oneOf(domains),
    ...{ layer, expert },
    share: field.at("share").share(),
    damage: field.at("damage").number(),
  };
}

function readModule(field: Field, modules: Readonly<Record<string, unknown>>): string {
  return Object.hasOwn(modules, field.text()) ? field.text() : field.fail("a module of the plan");
}

function exactly(field: Field, count: number, expected: string): number[] {
  const numbers = field.list((item) => item.number());
  return numbers.length === count ? numbers : field.fail(expected);
}

function several<T>(field: Field, limit: number, read: (item: Field) => T): T[] {
  if (Array.isArray(field.value) && field.value.length > limit)
    return field.fail(`at most ${limit} of them`);
  return field.list(read);
}

/** A plan that says it was measured shows what was measured. */
export function checkSensitivity(root: Field, { sensitivity, model }: Receipt): void {
  if (sensitivity === null) return;
  if (sensitivity.experts.length > 0 !== (model.experts !== null)) {
    root
      .at("sensitivity")
      .at("experts")
      .fail(model.experts === null ? "none, for the model is dense" : "some");
  }
}
