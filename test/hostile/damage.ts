/** A whole number from 0 below a bound. */
export type Random = (below: number) => number;

/** Deterministic noise: mulberry32. */
export function randomInts(seed: number): Random {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/**
 * One or two byte changes, cuts, insertions or digit changes: the last hits numbers, where the lies
 * are.
 */
export function damageBytes(file: Uint8Array, random: Random): Uint8Array {
  let bytes = Uint8Array.from(file);
  for (let i = random(2); i >= 0; i--) {
    const at = random(bytes.length);
    const kind = random(6);
    if (kind === 0) bytes[at] = random(256);
    if (kind === 1) bytes[at]! ^= 1 << random(8);
    if (kind === 2) bytes = bytes.slice(0, at + 1);
    if (kind === 3)
      bytes = Uint8Array.from([...bytes.slice(0, at), random(256), ...bytes.slice(at)]);
    const digits = [...bytes.keys()].filter((k) => k > 8 && bytes[k]! >= 0x30 && bytes[k]! <= 0x39);
    if (kind === 4 && digits.length > 0) bytes[digits[random(digits.length)]!] = 0x30 + random(10);
    if (kind === 5) {
      const piece = bytes.slice(at, at + 1 + random(40));
      bytes = Uint8Array.from([...bytes.slice(0, at), ...piece, ...bytes.slice(at)]);
    }
  }
  return bytes;
}

/** A place in a JSON value. */
interface Slot {
  readonly holder: Record<string, unknown>;
  readonly key: string;
}

/** Values at the bounds of what a number, a text or a list may be. */
const extremes: readonly ((random: Random) => unknown)[] = [
  () => null,
  () => true,
  () => "",
  () => "NaN",
  () => "__proto__",
  () => "constructor",
  () => "../../outside",
  () => "/etc/passwd",
  () => "config.json",
  () => "a\n::error::b",
  () => "\ud800",
  () => "9".repeat(5000),
  () => [],
  () => ({}),
  () => [[]],
  () => ({ toString: 1, valueOf: 1, length: 3 }),
  () => JSON.parse('{"__proto__": {"a": 1}}'),
  (random) => `${deep}${10 ** (1 + random(5))}`,
  (random) => [0, -0, -1, 0.5, 1e308, -1e-308, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 53 - 1][random(10)],
  (random) => 2 ** random(64) - random(2),
  (random) => new Array(random(3000)).fill(random(9)),
];

/** A text that stands for so many nested lists: `JSON.stringify` cannot write them. */
const deep = "nested lists: ";

/** The JSON of a damaged value. */
export function writeDamaged(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.replaceAll(new RegExp(`"${deep}(10+)"`, "g"), (_, depth: string) => {
    return "[".repeat(Number(depth)) + "]".repeat(Number(depth));
  });
}

/** One to three changes of the structure of a JSON value, which is a copy. */
export function damageValue(root: unknown, random: Random): unknown {
  const whole = { root };
  for (let i = random(3); i >= 0; i--) {
    const slots = slotsOf(whole);
    const { holder, key } = slots[random(slots.length)]!;
    const value = holder[key];
    const other = slots[random(slots.length)]!;
    const kind = random(7);
    if (kind < 2) put(holder, key, extremes[random(extremes.length)]!(random));
    if (kind === 2 && key !== "root") remove(holder, key);
    if (kind === 3) put(holder, key, structuredClone(other.holder[other.key]));
    if (kind === 4) {
      const kept = structuredClone(value);
      put(holder, key, structuredClone(other.holder[other.key]));
      if (other.holder[other.key] !== undefined) put(other.holder, other.key, kept);
    }
    if (kind === 5 && Array.isArray(value) && value.length > 0)
      value.push(structuredClone(value[random(value.length)]));
    if (kind === 5 && !Array.isArray(value)) put(holder, renamed(key, random), value);
    if (kind === 6) put(holder, key, nudged(value, random));
  }
  return whole.root;
}

function nudged(value: unknown, random: Random): unknown {
  if (typeof value === "number")
    return [value + 1, value - 1, -value, value / 2, value * 2 ** 20, String(value)][random(6)];
  if (typeof value === "string") {
    const at = random(value.length + 1);
    return value.slice(0, at) + ["", "0", "/", "\u0000", "é", " "][random(6)] + value.slice(at + 1);
  }
  return typeof value === "boolean" ? !value : value;
}

function renamed(key: string, random: Random): string {
  return [`${key}x`, key.toUpperCase(), "__proto__", "constructor", "", "0"][random(6)]!;
}

/** Sets a field; one called __proto__ like any other. */
function put(holder: Record<string, unknown>, key: string, value: unknown): void {
  const field = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(holder, Array.isArray(holder) && !/^\d+$/.test(key) ? "0" : key, field);
}

function remove(holder: Record<string, unknown>, key: string): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else delete holder[key];
}

/** Most places that are looked at: a receipt has thousands that are alike. */
const mostSlots = 20_000;

function slotsOf(root: Record<string, unknown>): readonly Slot[] {
  const slots: Slot[] = [];
  const open: Record<string, unknown>[] = [root];
  for (let next = open.pop(); next !== undefined && slots.length < mostSlots; next = open.pop()) {
    for (const key of Object.keys(next)) {
      slots.push({ holder: next, key });
      const value = next[key];
      if (typeof value === "object" && value !== null) open.push(value as typeof next);
    }
  }
  return slots;
}

/** A document with a change: of its structure if it is JSON, or of its bytes. */
export function damageText(text: string, random: Random): string {
  if (random(3) > 0 && /^\s*[{[]/.test(text)) {
    const value = parsed(text);
    if (value !== undefined) return writeDamaged(damageValue(value, random));
  }
  return new TextDecoder().decode(damageBytes(new TextEncoder().encode(text), random));
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // several documents
  }
}
