import { Template } from "@huggingface/jinja";
import { asObject } from "../checkpoint/json.ts";
import { isOutOfMemory } from "../ground/reasons.ts";

/*
 * Jinja has no loop without end, but a template of a few bytes can ask for more turns than anybody
 * can wait for. The bounds count turns, so that a row does not depend on the clock.
 */

/** Turns of loops and calls of macros of one chat. A chat of a million tokens needs fewer. */
const mostTurns = 1_000_000;
/** Numbers of one `range`: MAX_RANGE of Jinja's sandbox, in which transformers renders. */
const longestRange = 100_000;
const [turn, range] = ["count_turn", "bounded_range"];

/** A template that was given up. The message says why. */
export class EndlessTemplate extends Error {
  override name = "EndlessTemplate";
}

/** Functions that a template of `boundedTemplate` calls, for one render. */
export function boundsOf(): Readonly<Record<string, unknown>> {
  let turns = 0;
  const count = () => {
    turns += 1;
    if (turns > mostTurns)
      throw new EndlessTemplate(
        `more than ${mostTurns.toLocaleString("en")} turns of loops and calls of macros`,
      );
    return null;
  };
  return { [turn]: count, [range]: numbersOf };
}

function numbersOf(first: number, last?: number, step = 1): number[] {
  const [start, end] = last === undefined ? [0, first] : [first, last];
  if (step === 0) throw new Error("range() has a step of 0");
  const length = Math.max(0, Math.ceil((end - start) / step)) || 0;
  if (length > longestRange)
    throw new EndlessTemplate(
      `a range of more than ${longestRange.toLocaleString("en")} numbers, which transformers ` +
        "refuses too",
    );
  return Array.from({ length }, (_, at) => start + at * step);
}

/** A template that calls `count_turn` in each loop and macro. Throws an error of its syntax. */
export function boundedTemplate(source: string): Template {
  const template = new Template(source);
  // The library lets nobody bound its interpreter, or replace its `range`: the syntax tree can be.
  bound(template.parsed, new Template(`{{ ${turn}() }}`).parsed.body[0]);
  return template;
}

/** Changes a node of a syntax tree, and all below it. */
function bound(node: unknown, count: unknown): void {
  if (node === null || typeof node !== "object") return;
  for (const child of Object.values(node)) bound(child, count);
  const { type, body, callee } = node as {
    readonly type?: unknown;
    readonly body?: unknown;
    readonly callee?: { readonly type?: unknown; value?: unknown };
  };
  if ((type === "For" || type === "Macro") && Array.isArray(body)) body.unshift(count);
  if (type === "CallExpression" && callee?.type === "Identifier" && callee.value === "range")
    callee.value = range;
}

/** What a failed render throws: EndlessTemplate where it had no more time or memory. */
export function endOf(cause: unknown): unknown {
  // This one may be an error of the context that ran, which is no `Error` here.
  const isLate = asObject(cause)?.code === "ERR_SCRIPT_EXECUTION_TIMEOUT";
  if (isLate) return new EndlessTemplate("it takes too long", { cause });
  if (isOutOfMemory(cause))
    return new EndlessTemplate("its text does not fit in memory", { cause });
  return cause;
}
