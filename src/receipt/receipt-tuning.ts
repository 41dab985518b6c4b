import type { Field } from "../ground/json-field.ts";
import {
  type CalibrationRecord,
  type ExpertRecord,
  type ModuleRecord,
  methods,
  propagations,
  type RepairRecord,
  type RouterRecord,
  repairs,
  type TuningRecord,
  tensorKinds,
} from "../quantize/tuning-record.ts";
import type { Receipt } from "./receipt.ts";

const hash = /^[0-9a-f]{64}$/;
/** `bundled`, a file's name, or a file of a dataset at a commit. A path of the machine is none of them. */
const source = /^(datasets\/[\w.-]+\/[\w.-]+@[0-9a-f]{40}\/[^\\:]+|[^/]{1,255})$/;
const mostDomains = 256;

/** What a receipt says of its method. Receipts of the engine's first version do not have these fields: they were rounded. */
export function readMethod(
  field: Field,
): Pick<Receipt["options"], "method" | "propagation" | "repair"> {
  const [propagation, repair] = [field.at("propagation"), field.at("repair")];
  const method = field.at("method").oneOf(methods);
  return {
    method,
    propagation: isAbsent(propagation) ? null : propagation.oneOf(propagations),
    repair: repair.value === undefined && method === "tuned" ? [] : readRepair(repair),
  };
}

function readRepair(field: Field): Receipt["options"]["repair"] {
  return isAbsent(field) ? null : field.list((name) => name.oneOf(repairs));
}

export function readCalibration(field: Field): CalibrationRecord | null {
  if (isAbsent(field)) return null;
  const record = {
    source: readRowSource(field.at("source")),
    sha256: field.at("sha256").matching(hash, "64 hexadecimal digits"),
    samples: field.at("samples").count(),
    length: field.at("length").count(),
    tokens: field.at("tokens").count(),
    domains: field.at("domains").entries((rows, domain) => {
      if (!/^[\w. -]{1,64}$/.test(domain)) rows.fail("a domain's name as the key");
      return rows.count();
    }),
  };
  if (record.tokens !== record.samples * record.length) field.at("tokens").fail("samples × length");
  const rows = Object.values(record.domains);
  if (rows.length > mostDomains || rows.reduce((sum, count) => sum + count, 0) !== record.samples) {
    field.at("domains").fail(`rows of at most ${mostDomains} domains, ${record.samples} together`);
  }
  return record;
}

/** Where rows of text come from. */
export function readRowSource(field: Field): string {
  return field.matching(source, "bundled, a file's name, or datasets/org/name@commit/path");
}

/** `modules`: those that the plan quantizes; no other can have been tuned. */
export function readTuning(
  field: Field,
  modules: Readonly<Record<string, unknown>>,
): TuningRecord | null {
  if (isAbsent(field)) return null;
  const experts = field.at("experts");
  return {
    experts: experts.value === null ? null : readExperts(experts),
    droppedRows: field.at("droppedRows").count(),
    repair: field.has("repair")
      ? readRepairRecord(field.at("repair"))
      : { routers: null, aimed: null, moved: null },
    kinds: field.at("kinds").entries((kind, name) => {
      kind.isKey(name, tensorKinds);
      return { tensors: kind.at("tensors").count(), ratio: kind.at("ratio").number() };
    }),
    modules: field.at("modules").entries((module, path) => {
      if (!Object.hasOwn(modules, path)) module.fail("a module of the plan as the key");
      return readModule(module);
    }),
  };
}

function readRepairRecord(field: Field): RepairRecord {
  const [routers, aimed, moved] = [field.at("routers"), field.at("aimed"), field.at("moved")];
  return {
    routers: routers.value === null ? null : routers.list(readRouter),
    aimed: aimed.value === null ? null : aimed.count(),
    moved: moved.value === null ? null : moved.count(),
  };
}

function readRouter(field: Field): RouterRecord {
  const ratio = field.at("ratio");
  const repaired = field.at("repaired").flag();
  if (repaired && (ratio.value === null || ratio.number() >= 1))
    ratio.fail("a number below 1, for it was repaired");
  return {
    layer: field.at("layer").count(),
    repaired,
    ratio: ratio.value === null ? null : ratio.number(),
  };
}

function readExperts(field: Field): ExpertRecord {
  return {
    experts: field.at("experts").count(),
    min: field.at("min").count(),
    median: readMedian(field.at("median")),
    unseen: field.at("unseen").count(),
    belowWidth: field.at("belowWidth").share(),
  };
}

function readMedian(field: Field): number {
  return Number.isSafeInteger(2 * field.number())
    ? field.number()
    : field.fail("a whole number or one and a half");
}

function readModule(field: Field): ModuleRecord {
  const rows = field.at("rows").count();
  const roundedRows = field.at("roundedRows");
  if (roundedRows.count() > rows) roundedRows.fail("at most the module's rows");
  return {
    ratio: field.at("ratio").number(),
    roundedRows: roundedRows.count(),
    rows,
    ...(field.has("fallback") && { fallback: field.at("fallback").text() }),
  };
}

/** A card would otherwise speak of a tuning that nothing on the receipt bears out, or pass over one. */
export function checkMethod(root: Field, { options, calibration, tuning }: Receipt): void {
  const tuned = options.method === "tuned";
  const told = {
    "options.propagation": options.propagation,
    "options.repair": options.repair,
    calibration,
    tuning,
  };
  for (const [path, value] of Object.entries(told)) {
    const field = path.split(".").reduce((holder, name) => holder.at(name), root);
    if ((value === null) === tuned)
      field.fail(`${tuned ? "a value" : "null"}, for the method is ${options.method}`);
  }
  if (tuned && options.rounding === "mlx")
    root.at("options").at("rounding").fail('"stored", for the method is tuned');
}

export function isAbsent(field: Field): boolean {
  return field.value === null || field.value === undefined;
}
