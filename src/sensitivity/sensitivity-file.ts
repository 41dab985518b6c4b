import { OqeError } from "../ground/errors.ts";
import { Field, type Refusal } from "../ground/json-field.ts";
import { notJson } from "../ground/reasons.ts";
import { requireContrast } from "../plan/sensitivity-check.ts";
import {
  type LayerExperts,
  type MeasuredTensor,
  measuredBits,
  type Sensitivity,
  type WidthCost,
} from "../plan/sensitivity-types.ts";

const refusal: Refusal = {
  code: "BAD_SENSITIVITY",
  hint: "The file was not written by this oqe-publisher, or was changed. Make it anew with `oqe sensitivity`.",
};
const hash = /^[0-9a-f]{64}$/;
const most = { domains: 256, tensors: 1_000_000 };

/**
 * A measurement from its JSON text, every field checked. Throws BAD_SENSITIVITY naming the file `where` and the field, also for prices
 * that say nothing (requireContrast). Whose it is has still to be asked (requireOrigin).
 */
export function parseSensitivity(text: string, where: string): Sensitivity {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new OqeError(refusal.code, `${where} ${notJson(cause)}`, refusal.hint, cause);
  }
  const sensitivity = readSensitivity(new Field(value, where, refusal));
  requireContrast(sensitivity);
  return sensitivity;
}

/** The measurement as text, one line. Reads itself back first. */
export function writeSensitivity(sensitivity: Sensitivity): string {
  return `${JSON.stringify(readSensitivity(new Field(sensitivity, "the new sensitivity", refusal)))}\n`;
}

function readSensitivity(root: Field): Sensitivity {
  root.at("format").oneOf([1]);
  const domains = root
    .at("domains")
    .list((field) => field.matching(/^[\w. -]{1,64}$/, "a domain's name"));
  if (domains.length > most.domains) root.at("domains").fail(`at most ${most.domains} domains`);
  const together = root.at("together");
  return {
    format: 1,
    engine: readEngine(root.at("engine")),
    base: readBase(root.at("base")),
    proxy: root.at("proxy").value === null ? null : root.at("proxy").text(),
    calibration: {
      sha256: root.at("calibration").at("sha256").matching(hash, "64 hexadecimal digits"),
      ...readRows(root.at("calibration")),
    },
    probe: { ...readRows(root.at("probe")), bits: root.at("probe").at("bits").count() },
    domains,
    domainWeights: readNumbers(root.at("domainWeights"), domains.length),
    depthGain: root.at("depthGain").list((field) => ({
      depth: field.at("depth").count(),
      gain: field.at("gain").number(),
    })),
    together: {
      forcedKl: together.at("forcedKl").number(),
      freeKl: together.at("freeKl").number(),
      flipPower: together.at("flipPower").number(),
    },
    check: root.at("check").list((field) => ({
      module: field.at("module").text(),
      bits: field.at("bits").count(),
      predicted: field.at("predicted").number(),
      tuned: field.at("tuned").number(),
    })),
    tensors: readTensors(root.at("tensors"), domains.length),
    experts: root.at("experts").list((field) => readExperts(field, domains.length)),
    critical: root.at("critical").list((field) => ({
      domain: field.at("domain").oneOf(domains),
      layer: field.at("layer").count(),
      expert: field.at("expert").count(),
      share: field.at("share").number(),
      damage: field.at("damage").number(),
    })),
  };
}

function readEngine(field: Field): Sensitivity["engine"] {
  return {
    name: field.at("name").text(),
    version: field.at("version").text(),
    kernelSha256: field.at("kernelSha256").matching(hash, "64 hexadecimal digits"),
  };
}

function readBase(field: Field): Sensitivity["base"] {
  const id = field.at("id");
  return {
    id: id.value === null ? null : id.text(),
    name: field.at("name").text(),
    revision: field.at("revision").text(),
  };
}

function readRows(field: Field): { samples: number; length: number } {
  return { samples: field.at("samples").count(), length: field.at("length").count() };
}

function readNumbers(field: Field, count: number): number[] {
  const numbers = field.list((item) => item.number());
  return numbers.length === count ? numbers : field.fail(`${count} numbers`);
}

function readTensors(field: Field, domains: number): MeasuredTensor[] {
  const seen = new Set<string>();
  return field.list((tensor) => {
    const module = tensor.at("module").text();
    if (seen.has(module)) tensor.at("module").fail("a module that is not there yet");
    if (seen.add(module).size > most.tensors) field.fail(`at most ${most.tensors} tensors`);
    const layer = tensor.at("layer");
    return {
      module,
      role: tensor.at("role").text(),
      layer: layer.value === null ? null : layer.count(),
      widths: readWidths(tensor.at("widths")),
      byDomain: readNumbers(tensor.at("byDomain"), domains),
      blockError: tensor.at("blockError").number(),
    };
  });
}

function readWidths(field: Field): WidthCost[] {
  const widths = field.list((width) => ({
    bits: width.at("bits").oneOf(measuredBits),
    bytes: width.at("bytes").number(),
    error: width.at("error").number(),
    forcedKl: width.at("forcedKl").number(),
    flipPower: width.at("flipPower").number(),
  }));
  const complete =
    widths.length === measuredBits.length &&
    widths.every(({ bits }, i) => bits === measuredBits[i]);
  return complete ? widths : field.fail(`costs at ${measuredBits.join(", ")} bits, in this order`);
}

function readExperts(field: Field, domains: number): LayerExperts {
  const rows = (name: "share" | "gate" | "damage") => {
    const table = field.at(name).list((row) => row.list((item) => item.number()));
    const same = table.length === domains && table.every((row) => row.length === table[0]!.length);
    return same ? table : field.at(name).fail(`${domains} rows of one length`);
  };
  return {
    layer: field.at("layer").count(),
    share: rows("share"),
    gate: rows("gate"),
    damage: rows("damage"),
  };
}
