import { readFile, writeFile } from "node:fs/promises";
import { parse } from "yaml";

/**
 * Writes the tables of inputs and outputs in README.md from action.yml, between `<!-- inputs -->` and `<!-- /inputs -->`
 * (and the same for outputs). `--check`: changes nothing, fails where they are not current.
 */
interface Manifest {
  readonly inputs: Record<string, { description: string; required?: boolean; default?: string }>;
  readonly outputs: Record<string, { description: string }>;
}

export function renderTables(readme: string, actionYml: string): string {
  const { inputs, outputs } = parse(actionYml) as Manifest;
  const inputRows = Object.entries(inputs).map(([name, input]) => [
    code(name),
    input.required ? "required" : input.default ? code(input.default) : "",
    input.description,
  ]);
  const outputRows = Object.entries(outputs).map(([name, output]) => [
    code(name),
    output.description,
  ]);
  const withInputs = replaceBlock(
    readme,
    "inputs",
    table(["Input", "Default", "Meaning"], inputRows),
  );
  return replaceBlock(withInputs, "outputs", table(["Output", "Meaning"], outputRows));
}

function replaceBlock(readme: string, name: string, content: string): string {
  const [before, rest, ...more] = readme.split(`<!-- ${name} -->`);
  const after = rest?.split(`<!-- /${name} -->`);
  if (more.length > 0 || after?.length !== 2) {
    throw new Error(
      `README.md must hold <!-- ${name} --> and, after it, <!-- /${name} -->, each once`,
    );
  }
  return `${before}<!-- ${name} -->\n${content}\n<!-- /${name} -->${after[1]}`;
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

if (import.meta.main) {
  const place = new URL("../README.md", import.meta.url);
  const readme = await readFile(place, "utf8");
  const current = renderTables(
    readme,
    await readFile(new URL("../action.yml", import.meta.url), "utf8"),
  );
  if (!process.argv.includes("--check")) await writeFile(place, current);
  else if (readme !== current) {
    console.error("README.md's tables are not those of action.yml: run node .ci/readme-tables.ts");
    process.exitCode = 1;
  }
}
