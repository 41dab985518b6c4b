import { parse, tokenize } from "@huggingface/jinja";

/**
 * The part of jinja's syntax tree that card templates may use: facts, loops and branches. It is
 * small enough to check completely. The shapes are those of @huggingface/jinja's parser, which
 * exports no types for its nodes.
 */
export type Node =
  | { readonly type: "Program"; readonly body: readonly Node[] }
  | { readonly type: "StringLiteral"; readonly value: string }
  | { readonly type: "IntegerLiteral" | "FloatLiteral"; readonly value: number }
  | { readonly type: "ArrayLiteral" | "TupleLiteral"; readonly value: readonly Node[] }
  | { readonly type: "Comment" | "Break" | "Continue" }
  | IdentifierNode
  | {
      readonly type: "MemberExpression";
      readonly object: Node;
      readonly property: Node;
      readonly computed: boolean;
    }
  | { readonly type: "CallExpression"; readonly callee: Node; readonly args: readonly Node[] }
  | {
      readonly type: "KeywordArgumentExpression";
      readonly key: IdentifierNode;
      readonly value: Node;
    }
  | { readonly type: "FilterExpression"; readonly operand: Node; readonly filter: Node }
  | { readonly type: "UnaryExpression"; readonly argument: Node }
  | {
      readonly type: "BinaryExpression";
      readonly operator: { readonly value: string };
      readonly left: Node;
      readonly right: Node;
    }
  | {
      readonly type: "Ternary";
      readonly condition: Node;
      readonly trueExpr: Node;
      readonly falseExpr: Node;
    }
  | { readonly type: "SelectExpression"; readonly lhs: Node; readonly test: Node }
  | {
      readonly type: "If";
      readonly test: Node;
      readonly body: readonly Node[];
      readonly alternate: readonly Node[];
    }
  | ForNode
  | {
      readonly type: "Set";
      readonly assignee: Node;
      readonly value: Node | null;
      readonly body: readonly Node[];
    }
  | MacroNode;

export interface IdentifierNode {
  readonly type: "Identifier";
  readonly value: string;
}
export interface ForNode {
  readonly type: "For";
  readonly loopvar: Node;
  readonly iterable: Node;
  readonly body: readonly Node[];
  readonly defaultBlock: readonly Node[];
}
export interface MacroNode {
  readonly type: "Macro";
  readonly name: IdentifierNode;
  readonly args: readonly Node[];
  readonly body: readonly Node[];
}

/** The template's tree. Throws jinja's own error on a syntax error. */
export function parseTemplate(source: string): Node {
  // The same whitespace rules as jinja's Template class.
  return parse(tokenize(source, { lstrip_blocks: true, trim_blocks: true })) as unknown as Node;
}

/** `a.b.c` for a chain of plain members; null for anything else. */
export function pathOf(node: Node): string | null {
  if (node.type === "Identifier") return node.value;
  if (node.type !== "MemberExpression" || node.computed || node.property.type !== "Identifier")
    return null;
  const object = pathOf(node.object);
  return object === null ? null : `${object}.${node.property.value}`;
}

/**
 * Line of a name in the source, from 1; null if it is not found. Nodes of jinja have no positions,
 * so the n-th node with a path is taken to be its n-th occurrence inside the tags.
 */
export function lineOf(source: string, tree: Node, target: Node): number | null {
  const path = pathOf(target);
  if (path === null) return null;
  const rank = nodesOfPath(tree, path).indexOf(target);
  const pattern = path.replaceAll(".", "\\s*\\.\\s*");
  const inTags = source
    .replace(/\{#[\s\S]*?#\}/g, blank)
    .replace(/(^|[%}]\})[\s\S]*?(?=\{[{%]|$)/g, blank)
    .replace(/"[^"]*"|'[^']*'/g, blank);
  const found = [...inTags.matchAll(new RegExp(`(?<![\\w.])${pattern}(?!\\w)`, "g"))];
  const at = (found[rank] ?? found[0])?.index;
  return at === undefined ? null : source.slice(0, at).split("\n").length;
}

/** The text with everything replaced by spaces, except newlines, so that positions stay. */
function blank(text: string): string {
  return text.replace(/[^\n]/g, " ");
}

/** Nodes that spell `path`, in source order, including those inside longer paths. */
function nodesOfPath(node: Node, path: string): Node[] {
  const below = children(node).flatMap((child) => nodesOfPath(child, path));
  return pathOf(node) === path ? [node, ...below] : below;
}

/** Nodes inside a node, in source order. The name after a dot is not a name of its own. */
function children(node: Node): Node[] {
  if (node.type === "MemberExpression")
    return node.computed ? [node.object, node.property] : [node.object];
  if (node.type === "Ternary") return [node.trueExpr, node.condition, node.falseExpr];
  return Object.values(node).flat().filter(isNode);
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}
