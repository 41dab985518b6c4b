import { OqeError } from "../ground/errors.ts";
import {
  anything,
  elementsOf,
  isPrintable,
  memberOf,
  namesIn,
  type Shape,
} from "./template-shapes.ts";
import {
  type ForNode,
  lineOf,
  type MacroNode,
  type Node,
  parseTemplate,
  pathOf,
} from "./template-syntax.ts";

const constants = new Set(["true", "false", "none", "True", "False", "None"]);
const loop = { index: 1, index0: 0, revindex: 1, revindex0: 0, first: true, last: true, length: 1 };
/**
 * Allowed filters. Others could hide a missing name (`default`) or read a member by a string
 * (`map`).
 */
const filters = new Set(["join", "length", "first", "last", "lower", "upper", "trim", "replace"]);
const text: Shape = [""];
const number: Shape = [0];

/**
 * Checks that the facts have every name of a template, also in branches that are not taken. Jinja
 * itself prints nothing for an unknown name. Throws TEMPLATE with file, line and name.
 */
export function lintTemplate(
  source: string,
  name: string,
  facts: Readonly<Record<string, unknown>>,
): void {
  new Lint(source, name).check(facts);
}

/** Visible names: those of this scope and of the scopes around it. */
class Scope {
  readonly names = new Map<string, Shape>();
  private readonly around: Scope | null;

  constructor(around: Scope | null) {
    this.around = around;
  }

  find(name: string): Shape | null {
    return this.names.get(name) ?? this.around?.find(name) ?? null;
  }
}

class Lint {
  private readonly source: string;
  private readonly file: string;
  private readonly tree: Node;
  private readonly macros = new Map<string, MacroNode>();
  private readonly calling = new Set<MacroNode>();
  private readonly global = new Scope(null);

  constructor(source: string, file: string) {
    this.source = source;
    this.file = file;
    this.tree = parseOrThrow(source, file);
  }

  check(facts: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(facts)) this.global.names.set(name, [value]);
    if (this.tree.type === "Program") this.statements(this.tree.body, this.global);
  }

  private statements(body: readonly Node[], scope: Scope): void {
    for (const node of body) this.statement(node, scope);
  }

  private statement(node: Node, scope: Scope): void {
    switch (node.type) {
      case "Comment":
      case "Break":
      case "Continue":
        return;
      case "If":
        this.branch(node.test, node.body, node.alternate, scope);
        break;
      case "For":
        this.loop(node, scope);
        break;
      case "Set":
        this.assign(node.assignee, node.value, node.body, scope);
        break;
      case "Macro":
        this.macros.set(node.name.value, node);
        this.macroBody(node, new Map()); // also when nothing calls it
        break;
      default:
        if (!isPrintable(this.shape(node, scope)))
          this.fail(node, "cannot be printed: it is a list, an object or a flag");
    }
  }

  /**
   * A name that only one branch sets would be missing after the other. So only names of both
   * branches stay visible.
   */
  private branch(
    test: Node,
    body: readonly Node[],
    alternate: readonly Node[],
    scope: Scope,
  ): void {
    this.shape(test, scope);
    const branches = [new Scope(scope), new Scope(scope)] as const;
    this.statements(body, branches[0]);
    this.statements(alternate, branches[1]);
    for (const name of new Set([...branches[0].names.keys(), ...branches[1].names.keys()])) {
      const [left, right] = [branches[0].find(name), branches[1].find(name)];
      if (left !== null && right !== null) scope.names.set(name, [...left, ...right]);
    }
  }

  private loop(node: ForNode, scope: Scope): void {
    const select = node.iterable.type === "SelectExpression" ? node.iterable : null;
    const list = select?.lhs ?? node.iterable;
    const elements = elementsOf(this.shape(list, scope)) ?? this.fail(list, "is not a list");
    const inner = new Scope(scope);
    if (node.loopvar.type !== "Identifier") this.fail(node.loopvar, "must be one loop variable");
    else inner.names.set(node.loopvar.value, elements);
    if (select !== null) this.shape(select.test, inner);
    inner.names.set("loop", [loop]);
    this.statements(node.body, inner);
    this.statements(node.defaultBlock, new Scope(scope));
  }

  private assign(assignee: Node, value: Node | null, body: readonly Node[], scope: Scope): void {
    if (value === null) this.statements(body, new Scope(scope));
    if (assignee.type !== "Identifier") this.fail(assignee, "cannot be set: only plain names can");
    else scope.names.set(assignee.value, value === null ? text : this.shape(value, scope));
  }

  /**
   * Checks the body with the shapes of one call. Parameters without an argument can be anything.
   */
  private macroBody(macro: MacroNode, given: ReadonlyMap<string, Shape>): void {
    if (this.calling.has(macro)) return; // recursion: this body is being checked already
    this.calling.add(macro);
    const inner = new Scope(this.global);
    for (const parameter of macro.args) {
      const name = parameterName(parameter);
      const fallback =
        parameter.type === "KeywordArgumentExpression"
          ? this.shape(parameter.value, this.global)
          : [anything];
      inner.names.set(name, given.get(name) ?? fallback);
    }
    this.statements(macro.body, inner);
    this.calling.delete(macro);
  }

  private call(callee: Node, args: readonly Node[], scope: Scope): Shape {
    const macro = callee.type === "Identifier" ? this.macros.get(callee.value) : undefined;
    if (macro === undefined) return this.fail(callee, "is not a macro of this template");
    const given = new Map<string, Shape>();
    args.forEach((arg, position) => {
      const parameter = macro.args[position];
      if (arg.type === "KeywordArgumentExpression")
        given.set(arg.key.value, this.shape(arg.value, scope));
      else if (parameter !== undefined) given.set(parameterName(parameter), this.shape(arg, scope));
      else this.fail(callee, `takes ${macro.args.length} arguments, not ${args.length}`);
    });
    for (const name of given.keys()) {
      if (!macro.args.some((arg) => parameterName(arg) === name))
        this.fail(callee, `has no parameter "${name}"`);
    }
    for (const parameter of macro.args) {
      if (parameter.type === "Identifier" && !given.has(parameter.value))
        this.fail(callee, `needs "${parameter.value}"`);
    }
    this.macroBody(macro, given);
    return text;
  }

  private shape(node: Node, scope: Scope): Shape {
    switch (node.type) {
      case "StringLiteral":
        return text;
      case "IntegerLiteral":
      case "FloatLiteral":
        return number;
      case "ArrayLiteral":
      case "TupleLiteral":
        return [node.value.flatMap((element) => this.shape(element, scope))];
      case "Identifier":
        if (constants.has(node.value)) return [true];
        return scope.find(node.value) ?? this.unknown(node, [...this.global.names.keys()]);
      case "MemberExpression":
        return this.member(node, scope);
      case "CallExpression":
        return this.call(node.callee, node.args, scope);
      case "FilterExpression":
        return this.filter(node.operand, node.filter, scope);
      case "UnaryExpression":
        this.shape(node.argument, scope);
        return [true];
      case "BinaryExpression": {
        const sides = [...this.shape(node.left, scope), ...this.shape(node.right, scope)];
        if (node.operator.value === "and" || node.operator.value === "or") return sides;
        return /^[~+*/%-]/.test(node.operator.value) ? text : [true];
      }
      case "Ternary":
        this.shape(node.condition, scope);
        return [...this.shape(node.trueExpr, scope), ...this.shape(node.falseExpr, scope)];
      default:
        return this.fail(node, `"${node.type}" is more than a card template may use`);
    }
  }

  private member(node: Extract<Node, { type: "MemberExpression" }>, scope: Scope): Shape {
    const { object, property, computed } = node;
    const holder = this.shape(object, scope);
    if (property.type === "IntegerLiteral")
      return elementsOf(holder) ?? this.fail(node, "is not a list");
    const name = memberName(property, computed);
    if (name === null)
      return this.fail(node, "must name its member: a computed one cannot be checked");
    return (
      memberOf(holder, name) ?? this.unknown(node, namesIn(holder), computed ? name : undefined)
    );
  }

  private filter(operand: Node, filter: Node, scope: Scope): Shape {
    const holder = this.shape(operand, scope);
    const named = filter.type === "CallExpression" ? filter.callee : filter;
    if (filter.type === "CallExpression") for (const arg of filter.args) this.shape(arg, scope);
    const name = pathOf(named) ?? "";
    if (!filters.has(name))
      return this.fail(
        named,
        `is not a filter of card templates; they have ${[...filters].join(", ")}`,
      );
    if (name === "first" || name === "last")
      return elementsOf(holder) ?? this.fail(operand, "is not a list");
    return name === "length" ? number : text;
  }

  private unknown(node: Node, known: readonly string[], name?: string): never {
    const here =
      known.length === 0 ? "nothing has members here" : `known here are ${known.join(", ")}`;
    return this.fail(
      node,
      `${name === undefined ? "" : `"${name}" `}is not among the facts; ${here}`,
    );
  }

  private fail(node: Node, problem: string): never {
    const line = lineOf(this.source, this.tree, node);
    const where = line === null ? this.file : `${this.file}:${line}`;
    const path = pathOf(node);
    throw new OqeError(
      "TEMPLATE",
      `${where}: ${path === null ? "" : `"${path}" `}${problem}`,
      "Templates may use the facts of CardFacts and SummaryView (src/card) and nothing else; " +
        "correct the name.",
    );
  }
}

function parameterName(parameter: Node): string {
  if (parameter.type === "KeywordArgumentExpression") return parameter.key.value;
  return parameter.type === "Identifier" ? parameter.value : "";
}

function memberName(property: Node, computed: boolean): string | null {
  if (computed) return property.type === "StringLiteral" ? property.value : null;
  return property.type === "Identifier" ? property.value : null;
}

function parseOrThrow(source: string, file: string): Node {
  try {
    return parseTemplate(source);
  } catch (error) {
    // Jinja's parser throws a TypeError where a block is not closed.
    const reason =
      error instanceof TypeError ? "a block or tag is not closed" : (error as Error).message;
    throw new OqeError(
      "TEMPLATE",
      `${file} is not a valid template: ${reason}`,
      "Compare it with the template of the release.",
      error,
    );
  }
}
