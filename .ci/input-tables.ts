import { readFile, writeFile } from "node:fs/promises";
import { parse, stringify } from "yaml";
import { describeInput, type InputRow } from "../src/inputs/input-row.ts";
import { inputTable } from "../src/inputs/input-table.ts";
import { inputSchema } from "../src/inputs/json-schema.ts";

/**
 * Writes what is made from the input table (src/inputs): the inputs of action.yml, the tables of
 * README.md and docs/inputs.schema.json. With `--check` it changes nothing, and fails for a file
 * that is not current.
 */
const rows: readonly InputRow[] = inputTable;

/** action.yml with the inputs of the table. The rest of the file stays as it is. */
export function renderAction(action: string): string {
  const [start, end] = [action.indexOf("\ninputs:\n"), action.indexOf("\noutputs:\n")];
  if (start === -1 || end < start)
    throw new Error("action.yml must have inputs: and, after it, outputs:");
  const inputs = Object.fromEntries(
    rows.map((row) => [
      row.name,
      {
        description: describeInput(row),
        default: row.expression ?? row.default,
      },
    ]),
  );
  const text = stringify({ inputs }, { lineWidth: 86 });
  return action.slice(0, start + 1) + text + action.slice(end + 1);
}

/** README.md with the tables of inputs and outputs between their markers. */
export function renderReadme(readme: string, action: string): string {
  const { outputs } = parse(action) as { outputs: Record<string, { description: string }> };
  const inputRows = rows.map((row) => [code(row.name), defaultOf(row), describeInput(row)]);
  const outputRows = Object.entries(outputs).map(([name, output]) => [
    code(name),
    output.description,
  ]);
  const inputs = table(["Input", "Default", "Meaning"], inputRows);
  const withInputs = replaceBlock(readme, "inputs", inputs);
  return replaceBlock(withInputs, "outputs", table(["Output", "Meaning"], outputRows));
}

/** docs/inputs.schema.json. */
export function renderSchema(): string {
  return `${JSON.stringify(inputSchema(), null, 2)}\n`;
}

function replaceBlock(readme: string, name: string, content: string): string {
  const [before, rest, ...more] = readme.split(`<!-- ${name} -->`);
  const after = rest?.split(`<!-- /${name} -->`);
  if (more.length > 0 || after?.length !== 2) {
    throw new Error(
      `README.md must have <!-- ${name} --> and, after it, <!-- /${name} -->, each once`,
    );
  }
  return `${before}<!-- ${name} -->\n${content}\n<!-- /${name} -->${after[1]}`;
}

function table(head: string[], lines: string[][]): string {
  const line = (cells: string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...lines.map(line)].join("\n");
}

function defaultOf(row: InputRow): string {
  const text = row.expression ?? row.default;
  return text === "" ? "" : code(text);
}

function code(text: string): string {
  return `\`${text}\``;
}

if (import.meta.main) {
  const read = (path: string) => readFile(new URL(`../${path}`, import.meta.url), "utf8");
  const action = renderAction(await read("action.yml"));
  const made = {
    "action.yml": action,
    "README.md": renderReadme(await read("README.md"), action),
    "docs/inputs.schema.json": renderSchema(),
  };
  for (const [path, text] of Object.entries(made)) {
    if ((await read(path).catch(() => "")) === text) continue;
    if (!process.argv.includes("--check"))
      await writeFile(new URL(`../${path}`, import.meta.url), text);
    else {
      console.error(`${path} is not current: run node .ci/input-tables.ts`);
      process.exitCode = 1;
    }
  }
}
