/**
 * The values that a name in a template can have with these facts. A loop variable has the values of
 * all elements, so it has a member only if every element has it.
 */
export type Shape = readonly unknown[];

/** An unknown value, such as the parameter of a macro that is never called. */
export const anything: unique symbol = Symbol("anything");

const declaredKeys = new WeakMap<readonly unknown[], readonly string[]>();

/**
 * A list of rows that knows the keys of its rows even when it is empty. So a template is checked in
 * the same way with and without warnings.
 */
export function table<K extends string>(
  keys: readonly K[],
  rows: readonly Readonly<Record<K, string>>[],
): readonly Readonly<Record<K, string>>[] {
  const copy = [...rows];
  declaredKeys.set(copy, keys);
  return copy;
}

/** Shape of `shape.name`; null if one of the values lacks that name. */
export function memberOf(shape: Shape, name: string): Shape | null {
  const members: unknown[] = [];
  for (const value of shape) {
    if (value === anything) members.push(anything);
    else if (isRecord(value) && Object.hasOwn(value, name) && value[name] !== undefined)
      members.push(value[name]);
    else return null;
  }
  return members;
}

/** Shape of a list's elements; null if it is not a list. */
export function elementsOf(shape: Shape): Shape | null {
  const elements: unknown[] = [];
  for (const value of shape) {
    if (value === anything) elements.push(anything);
    else if (!Array.isArray(value)) return null;
    else elements.push(...(value.length > 0 ? value : [elementOfEmpty(value)]));
  }
  return elements;
}

function elementOfEmpty(list: readonly unknown[]): unknown {
  const keys = declaredKeys.get(list);
  return keys === undefined ? anything : Object.fromEntries(keys.map((key) => [key, ""]));
}

/**
 * True if the values can be printed. A list or an object in the text is a mistake, and null would
 * leave a gap.
 */
export function isPrintable(shape: Shape): boolean {
  return shape.every(
    (value) => value === anything || typeof value === "string" || typeof value === "number",
  );
}

/** The names that a value has, for messages. */
export function namesIn(shape: Shape): readonly string[] {
  const records = shape.filter(isRecord);
  return [...new Set(records.flatMap((record) => Object.keys(record)))];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
