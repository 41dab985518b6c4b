import { upkeepCommands } from "./command-inputs.ts";
import { describeInput, type InputRow } from "./input-row.ts";
import { inputTable } from "./input-table.ts";

/** The JSON Schema of the Action's inputs (`with:`), as docs/inputs.schema.json holds it. */
export function inputSchema(): Record<string, unknown> {
  const rows: readonly InputRow[] = inputTable;
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Inputs of oqe-publisher",
    type: "object",
    properties: Object.fromEntries(rows.map((row) => [row.name, propertyOf(row)])),
    // A model of the series file has these there.
    anyOf: [
      { required: rows.filter((row) => row.required).map((row) => row.name) },
      { required: ["series"] },
      { required: ["command"], properties: { command: { enum: upkeepCommands } } },
    ],
    additionalProperties: false,
  };
}

function propertyOf(row: InputRow) {
  const { type } = row.schema;
  const value = type === "integer" || type === "boolean" ? JSON.parse(row.default) : row.default;
  return {
    description: describeInput(row),
    ...row.schema,
    ...(row.default === "" ? {} : { default: value }),
  };
}
