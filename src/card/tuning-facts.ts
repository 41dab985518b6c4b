import { roleOfModule } from "../models/module-role.ts";
import { tensorKinds } from "../quantize/tuning-record.ts";
import type { CalibrationRecord, Receipt, TuningRecord } from "../receipt/receipt.ts";
import { table } from "../template/template-shapes.ts";
import { grouped, lossRatio, median, percentage, plural } from "./figures.ts";
import { code, inline, prose } from "./markdown.ts";
import { kindWords, propagationWords, tiedWords } from "./tuning-words.ts";

const mostModules = 8;
const nothing: TuningRecord = {
  experts: null,
  droppedRows: 0,
  repair: { routers: null, routerAware: null, moved: null },
  kinds: {},
  modules: {},
};
const noRows: CalibrationRecord = {
  source: "",
  sha256: "",
  samples: 0,
  length: 0,
  tokens: 0,
  domains: {},
};

/**
 * Facts about tuning. For a rounded tier, the same names with empty values: the template asks for
 * `tuned` first.
 */
export function tuningFacts(receipt: Receipt) {
  const tuning = receipt.tuning ?? nothing;
  const modules = Object.values(tuning.modules);
  const rows = modules.reduce((sum, module) => sum + module.rows, 0);
  const roundedRows = modules.reduce((sum, module) => sum + module.roundedRows, 0);
  const lookedUp = Object.keys(tuning.modules).filter((path) => isLookedUp(receipt, path));
  return {
    modules: grouped(modules.length - lookedUp.length),
    lookedUp: listed(lookedUp),
    kinds: kindRows(tuning, receipt),
    propagation: code(receipt.options.propagation ?? ""),
    propagationWords: propagationWords(receipt),
    roundedRows:
      `${grouped(roundedRows)} of ${plural(rows, "row")} ` + `(${percentage(roundedRows, rows)})`,
    fallbacks: fallbackRows(tuning),
    hasHead: tuning.kinds.head !== undefined,
    tied: tiedWords(receipt),
    ...expertFacts(tuning),
    ...routerFacts(tuning),
    droppedRows: grouped(tuning.droppedRows),
    calibration: rowFacts(receipt.calibration),
    evaluationRows: rowFacts(receipt.evaluationRows),
  };
}

/** True for a table that nothing multiplies. A tied table is also the output head. */
function isLookedUp({ model }: Receipt, path: string): boolean {
  return !model.tiedHead && roleOfModule(model.modelType, path)?.kind === "embeddings";
}

/** Warnings that the section on tuning does not list as fallbacks. */
export function otherWarnings({ warnings, tuning }: Receipt): readonly string[] {
  const told = Object.entries(tuning?.modules ?? {}).map(
    ([path, { fallback }]) => `${path}: ${fallback}`,
  );
  return warnings.filter((warning) => !told.includes(warning));
}

/** `experts (up) 0.352, head 0.510`, in plain text: for logs and the job summary. */
export function kindRatios({ kinds }: TuningRecord): string {
  return tensorKinds
    .flatMap((kind) =>
      kinds[kind] === undefined ? [] : [`${kind} ${lossRatio(kinds[kind].ratio)}`],
    )
    .join(", ");
}

function kindRows({ kinds }: TuningRecord, receipt: Receipt) {
  const words = kindWords(receipt);
  return table(
    ["kind", "modules", "ratio"],
    tensorKinds.flatMap((kind) => {
      const record = kinds[kind];
      if (record === undefined) return [];
      return [
        { kind: words[kind], modules: grouped(record.tensors), ratio: lossRatio(record.ratio) },
      ];
    }),
  );
}

/** Modules that used a fallback, grouped by fallback. */
function fallbackRows({ modules }: TuningRecord) {
  const paths = new Map<string, string[]>();
  for (const path of Object.keys(modules).sort()) {
    const { fallback } = modules[path]!;
    if (fallback !== undefined) paths.set(fallback, [...(paths.get(fallback) ?? []), path]);
  }
  return table(
    ["what", "count", "modules"],
    [...paths].map(([what, found]) => ({
      what: prose(what),
      count: plural(found.length, "module"),
      modules: listed(found),
    })),
  );
}

function expertFacts({ experts }: TuningRecord) {
  const {
    experts: count,
    min,
    median: middle,
    unseen,
    belowColumns,
    tokens,
  } = experts ?? { ...blankExperts };
  return {
    hasExperts: experts !== null,
    hasTokens: tokens.length > 0,
    fewTokens: belowColumns > 0,
    experts: grouped(count),
    minTokens: grouped(min),
    medianTokens: median(middle),
    unseen: grouped(unseen),
    belowColumns: percentage(belowColumns, 1),
  };
}
const blankExperts = { experts: 0, min: 0, median: 0, unseen: 0, belowColumns: 0, tokens: [] };

/** Facts about repaired routers. */
function routerFacts({ repair }: TuningRecord) {
  const routers = repair.routers ?? [];
  const left = routers.flatMap(({ repaired, ratio }) =>
    repaired && ratio !== null ? [ratio] : [],
  );
  const fall =
    left.length === 0 ? 0 : 1 - left.reduce((sum, ratio) => sum + ratio, 0) / left.length;
  return {
    routerAware: repair.routerAware === null ? "" : plural(repair.routerAware, "module"),
    moved: repair.moved === null ? "" : plural(repair.moved, "tensor"),
    hasRouters: routers.length > 0,
    repairedRouters: `${grouped(left.length)} of ${plural(routers.length, "router")}`,
    logitErrorFall: percentage(fall, 1),
  };
}

function rowFacts(record: CalibrationRecord | null) {
  const { source, samples, length, tokens, domains } = record ?? noRows;
  const names = Object.keys(domains).sort((a, b) => domains[b]! - domains[a]! || (a < b ? -1 : 1));
  return {
    given: record !== null,
    bundled: source === "bundled",
    source: source === "bundled" ? "the text that comes with oqe-publisher" : code(source),
    rows: `${plural(samples, "row")} of ${plural(length, "token")}`,
    tokens: grouped(tokens),
    domains: names.map((name) => `${inline(name)} ${grouped(domains[name]!)}`).join(", "),
  };
}

/** Module paths as code, only the first few if there are many. */
function listed(paths: readonly string[]): string {
  const more =
    paths.length > mostModules ? `, and ${grouped(paths.length - mostModules)} more` : "";
  return paths.slice(0, mostModules).map(code).join(", ") + more;
}
