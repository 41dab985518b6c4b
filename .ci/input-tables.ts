import { readFile, writeFile } from "node:fs/promises";
import { parse, stringify } from "yaml";
import { exampleOf } from "../src/entry/command-table.ts";
import { cliInputs, secretInputs, variableOf } from "../src/entry/settings.ts";
import { describeInput, type InputRow } from "../src/inputs/input-row.ts";
import { inputTable } from "../src/inputs/input-table.ts";
import { inputSchema } from "../src/inputs/json-schema.ts";
import { seriesSchema } from "../src/series-file/json-schema.ts";
import { seriesKeys } from "../src/series-file/series-keys.ts";

/**
 * Writes what is made from the tables of inputs (src/inputs) and of the keys of the series file
 * (src/series-file): the inputs of action.yml, the tables of docs/action.md, docs/inputs.md and
 * docs/series-file.md, and both JSON Schemas in docs/. And the tables of docs/github.md, from the
 * reusable workflow. With `--check` it changes nothing, and fails for a file that is not current.
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

/** docs/action.md with the table of outputs between its markers. */
export function renderActionPage(page: string, action: string): string {
  const { outputs } = parse(action) as { outputs: Record<string, { description: string }> };
  const outputRows = Object.entries(outputs).map(([name, output]) => [
    code(name),
    output.description,
  ]);
  return replaceBlock(page, "outputs", table(["Output", "Meaning"], outputRows));
}

/** docs/inputs.md with a table for each group of inputs. */
export function renderInputsPage(page: string): string {
  const groups = [...new Set(rows.map(({ group }) => group))];
  const texts = groups.map((group) => {
    const lines = rows
      .filter((row) => row.group === group)
      .map((row) => [
        code(row.name),
        placesOf(row),
        defaultOf(row),
        exampleText(row),
        meaning(row),
      ]);
    return `### ${group}\n\n${table(["Input", "Given by", "Default", "Example", "Meaning"], lines)}`;
  });
  return replaceBlock(page, "inputs", texts.join("\n\n"));
}

/** Where an input can be given, besides the Action. */
function placesOf(row: InputRow): string {
  if (!cliInputs.some(({ name }) => name === row.name)) return "Action";
  const flag = row.commands.length > 0 ? [code(`--${row.name}`)] : ["argument `<model>`"];
  const file = secretInputs.includes(row.name) ? [] : ["file"];
  return ["Action", ...flag, code(variableOf(row.name)), ...file].join(", ");
}

function exampleText(row: InputRow): string {
  const example = row.expression === undefined ? exampleOf(row) : null;
  return example === null ? "" : code(example);
}

/** With what it means to `oqe verify`, where that differs. */
function meaning(row: InputRow): string {
  const doc = describeInput(row);
  return row.verifyDoc === undefined ? doc : `${doc}. Of \`oqe verify\`: ${row.verifyDoc}`;
}

/** docs/series-file.md with the table of keys between its markers. */
export function renderSeriesPage(page: string): string {
  const keys = seriesKeys.map((key) => [
    code(key.name),
    key.default === "" ? "" : code(key.default),
    key.doc,
  ]);
  return replaceBlock(page, "keys", table(["Key", "Default", "Meaning"], keys));
}

interface Declared {
  readonly description: string;
  readonly default?: unknown;
}

/** docs/github.md with the tables of what the reusable workflow takes and gives. */
export function renderGitHubPage(page: string, workflow: string): string {
  const { on } = parse(workflow) as {
    on: { workflow_call: Record<"inputs" | "secrets" | "outputs", Record<string, Declared>> };
  };
  const { inputs, secrets, outputs } = on.workflow_call;
  const row = ([name, { description, default: value }]: [string, Declared]) => [
    code(name),
    ...(value === undefined ? [] : [value === "" ? "" : code(String(value))]),
    description.trim(),
  ];
  const tables = [
    table(["Input", "Default", "Meaning"], Object.entries(inputs).map(row)),
    table(["Secret", "Meaning"], Object.entries(secrets).map(row)),
    table(["Output", "Meaning"], Object.entries(outputs).map(row)),
  ];
  return replaceBlock(page, "series-workflow", tables.join("\n\n"));
}

/** docs/inputs.schema.json. */
export function renderSchema(): string {
  return `${JSON.stringify(inputSchema(), null, 2)}\n`;
}

/** docs/series.schema.json. */
export function renderSeriesSchema(): string {
  return `${JSON.stringify(seriesSchema(), null, 2)}\n`;
}

function replaceBlock(page: string, name: string, content: string): string {
  const [before, rest, ...more] = page.split(`<!-- ${name} -->`);
  const after = rest?.split(`<!-- /${name} -->`);
  if (more.length > 0 || after?.length !== 2) {
    throw new Error(
      `the page must have <!-- ${name} --> and, after it, <!-- /${name} -->, each once`,
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
    "docs/action.md": renderActionPage(await read("docs/action.md"), action),
    "docs/inputs.md": renderInputsPage(await read("docs/inputs.md")),
    "docs/inputs.schema.json": renderSchema(),
    "docs/github.md": renderGitHubPage(
      await read("docs/github.md"),
      await read(".github/workflows/series.yml"),
    ),
    "docs/series-file.md": renderSeriesPage(await read("docs/series-file.md")),
    "docs/series.schema.json": renderSeriesSchema(),
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
