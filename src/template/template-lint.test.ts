import { describe, expect, test } from "vitest";
import { OqeError } from "../ground/errors.ts";
import { renderTemplate } from "./template.ts";
import { lintTemplate } from "./template-lint.ts";
import { table } from "./template-shapes.ts";

const facts = {
  name: "Nano",
  flag: true,
  model: { kind: "moe", deep: { value: "x" } },
  rows: [
    { tier: "oQ8e", bits: "8", extra: "only here" },
    { tier: "oQ4e", bits: "4" },
  ],
  words: ["a", "b"],
  warnings: table(["text"], []),
  nothing: null,
};

const lint = (source: string) => lintTemplate(source, "card.jinja", facts);
const problem = (source: string): OqeError => {
  try {
    lint(source);
  } catch (error) {
    if (error instanceof OqeError) return error;
    throw error;
  }
  throw new Error(`no error for ${source}`);
};

describe("an unknown name", () => {
  test.each([
    ["printed", "{{ nmae }}", "nmae"],
    ["as a member", "{{ model.knid }}", "model.knid"],
    ["as a deep member", "{{ model.deep.vlaue }}", "model.deep.vlaue"],
    ["as a member of text", "{{ name.first }}", "name.first"],
    ["inherited by every object", "{{ model.constructor }}", "model.constructor"],
    ["by a string", '{{ model["knid"] }}', '"knid"'],
    ["in a condition", "{% if flga %}x{% endif %}", "flga"],
    ["in elif", "{% if flag %}x{% elif flga %}y{% endif %}", "flga"],
    ["in a branch not taken", "{% if not flag %}{{ nmae }}{% endif %}", "nmae"],
    ["in else", "{% if flag %}x{% else %}{{ nmae }}{% endif %}", "nmae"],
    ["as a list", "{% for r in rwos %}{{ r.tier }}{% endfor %}", "rwos"],
    ["of a loop item", "{% for r in rows %}{{ r.teir }}{% endfor %}", "r.teir"],
    ["of some loop items only", "{% for r in rows %}{{ r.extra }}{% endfor %}", "r.extra"],
    ["of items of an empty list", "{% for w in warnings %}{{ w.txet }}{% endfor %}", "w.txet"],
    ["in a loop's filter", "{% for r in rows if r.bist %}{{ r.tier }}{% endfor %}", "r.bist"],
    ["in a loop's else", "{% for r in rows %}x{% else %}{{ nmae }}{% endfor %}", "nmae"],
    ["of a loop, after it", "{% for r in rows %}x{% endfor %}{{ r.tier }}", "r"],
    ["of the loop itself", "{% for r in rows %}{{ loop.idnex }}{% endfor %}", "loop.idnex"],
    ["of a loop outside of one", "{{ loop.index }}", "loop"],
    ["set to", "{% set x = nmae %}", "nmae"],
    ["set in one branch only", "{% if flag %}{% set x = name %}{% endif %}{{ x }}", "x"],
    ["in a block set", "{% set x %}{{ nmae }}{% endset %}", "nmae"],
    ["in a macro never called", "{% macro m(a) %}{{ nmae }}{% endmacro %}", "nmae"],
    ["of a macro's argument", "{% macro m(a) %}{{ a.knid }}{% endmacro %}{{ m(model) }}", "a.knid"],
    ["passed to a macro", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(nmae) }}", "nmae"],
    ["passed by keyword", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(a=nmae) }}", "nmae"],
    ["called", "{{ mm(name) }}", "mm"],
    ["in arithmetic", "{{ 1 + nmae }}", "nmae"],
    ["joined by a tilde", "{{ name ~ nmae }}", "nmae"],
    ["in a comparison", "{% if name == nmae %}x{% endif %}", "nmae"],
    ["after not", "{% if not flga %}x{% endif %}", "flga"],
    ["in a ternary's condition", "{{ name if flga else name }}", "flga"],
    ["in a ternary's other side", "{{ name if flag else nmae }}", "nmae"],
    ["in a list literal", "{% for x in [name, nmae] %}{{ x }}{% endfor %}", "nmae"],
    ["under a filter", "{{ nmae | upper }}", "nmae"],
    ["as a filter", "{{ name | uper }}", "uper"],
    ["as a filter's argument", "{{ words | join(nmae) }}", "nmae"],
    ["under default, which would hide it", '{{ nmae | default("") }}', "nmae"],
    ["of the first item", "{{ (rows | first).teir }}", "is not among the facts"],
    ["of an item by number", "{{ rows[0].teir }}", "is not among the facts"],
  ])("%s is an error", (_, source, name) => {
    const error = problem(source);
    expect(error.code).toBe("TEMPLATE");
    expect(error.message).toContain(name);
    expect(error.message).toContain("card.jinja");
  });

  test("is named with its line and the known names", () => {
    const source =
      "# {{ name }}\n\nmodel.knid in text, {# {{ model.knid }} #}\n{{ model.kind }}\n{{ model\n.knid }}\n";
    expect(problem(source).message).toBe(
      'card.jinja:5: "model.knid" is not among the facts; known here are kind, deep',
    );
  });

  test("is named with its own line, even if the same path is right elsewhere", () => {
    const source =
      "{% for r in rows %}\n{{ r.bits }}\n{% endfor %}\n{% for r in warnings %}\n{{ r.text }}\n{{ r.bits }}\n{% endfor %}";
    expect(problem(source).message).toMatch(/^card\.jinja:6: "r\.bits"/);
  });
});

describe("other mistakes", () => {
  test.each([
    ["printing a list", "{{ rows }}"],
    ["printing an object", "{{ model }}"],
    ["printing a flag", "{{ flag }}"],
    ["printing null", "{{ nothing }}"],
    ["looping over text", "{% for c in name %}{{ c }}{% endfor %}"],
    ["too few arguments", "{% macro m(a, b) %}{{ a }}{% endmacro %}{{ m(name) }}"],
    ["too many arguments", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(name, name) }}"],
    ["an unknown parameter", "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(name, c=name) }}"],
    ["a computed member", "{{ model[name] }}"],
    ["a test", "{% if nothing is defined %}x{% endif %}"],
    ["a call block", "{% call name() %}x{% endcall %}"],
    ["an unclosed block", "{% if flag %}x"],
    ["an unclosed tag", "{{ name"],
    ["an unclosed comment", "{# name"],
    ["an unknown statement", "{% include 'x' %}"],
    ["a stray end", "x {% endif %}"],
    ["nonsense", "{{ name name }}"],
    ["an illegal character", "{{ name ? 1 }}"],
  ])("%s is an error", (_, source) => {
    expect(problem(source).code).toBe("TEMPLATE");
    expect(problem(source).message).toContain("card.jinja");
  });
});

test("a right template passes and renders", () => {
  const source = `{# comment #}
{% macro cell(text, pre="(", post=")") %}{{ pre }}{{ text }}{{ post }}{% endmacro %}
{% set title = name ~ "!" %}
{% if flag %}{% set side = "l" %}{% else %}{% set side = "r" %}{% endif %}
{{ title }} {{ side }} {{ model.deep.value }} {{ model["kind"] }}
{% for row in rows if row.bits != "8" %}{{ loop.index }}{{ cell(row.tier, post="]") }}{% endfor %}
{% for w in warnings %}{{ w.text }}{% else %}none{% endfor %}
{{ words | join(", ") | upper }} {{ rows | length }} {{ (rows | first).tier }} {{ rows[1].tier }}
{{ name if flag else model.kind }}`;
  expect(renderTemplate(source, "card.jinja", facts)).toBe(
    "Nano! l x moe\n1(oQ4e]none\nA, B 2 oQ8e oQ4e\nNano".replace("\nA", "A"),
  );
});

test("values are placed as they are: jinja in them is text", () => {
  expect(renderTemplate("{{ name }}", "x", { name: "{{ 7 * 7 }}{% if x %}" })).toBe(
    "{{ 7 * 7 }}{% if x %}",
  );
});

test("a macro that calls itself ends the check", () => {
  expect(() =>
    lint("{% macro m(a) %}{% if flag %}{{ m(a) }}{% endif %}{% endmacro %}{{ m(name) }}"),
  ).not.toThrow();
});
