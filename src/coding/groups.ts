import { expressionOf, limitExpressions, spellingsOf } from "./names.ts";
import type { Refuse, Scheme } from "./scheme.ts";

/** Modules of a base that are coded in the same ways. */
export interface Group {
  /** The ways in which a matrix may be coded. Empty: its weights are floats. */
  readonly schemes: readonly Scheme[];
  /**
   * Which modules: whole names, `re:` with a regular expression, names of classes. Null: all.
   */
  readonly targets: readonly string[] | null;
  /** Whether a name stands for the modules below it too. */
  readonly isDeep: boolean;
}

/** Settings that say nothing of modules: all are coded in one of these ways. */
export function everyModule(schemes: readonly Scheme[]): readonly Group[] {
  return [{ schemes, targets: null, isDeep: false }];
}

/** The ways in which a module may be coded. */
export type SchemesOf = (module: string) => readonly Scheme[];

/**
 * Finds the group of a module as `apply_quantization_config` of compressed-tensors 0.20 does: one
 * that has its whole name, else the first expression in the order of their texts, else one with its
 * class. A target that two groups have is the later one's.
 *
 * Files do not say which class a module has. So all groups with names of classes come into
 * question, and the shape of the scales decides.
 */
export function schemesByModule(groups: readonly Group[], refuse: Refuse): SchemesOf {
  const always = groups.filter(({ targets }) => targets === null);
  const byTarget = new Map(groups.flatMap((one) => (one.targets ?? []).map((key) => [key, one])));
  const sorted = [...byTarget].sort(([a], [b]) => (a < b ? -1 : 1));
  const expressions = sorted.flatMap(([target, group]) => {
    const expression = expressionOf(target, refuse);
    return expression === null ? [] : [{ expression, group }];
  });
  limitExpressions(expressions.length, refuse);
  const classes = new Set(sorted.filter(([target]) => isClass(target)).map(([, group]) => group));
  const named = (module: string) => {
    for (let name = module; name !== ""; name = name.slice(0, Math.max(0, name.lastIndexOf(".")))) {
      const group = byTarget.get(name);
      if (group !== undefined && (name === module || group.isDeep)) return group;
    }
    return undefined;
  };
  return (module) => {
    const names = spellingsOf(module);
    const found =
      names.map(named).find((group) => group !== undefined) ??
      expressions.find(({ expression }) => names.some((name) => expression.matches(name)))?.group;
    const own = found === undefined ? [...classes] : [found];
    return [...always, ...own].flatMap(({ schemes }) => schemes);
  };
}

/** `Linear` and the like: a Python class, where names of modules are small and have dots. */
function isClass(target: string): boolean {
  return /^[A-Z]\w*$/.test(target);
}
