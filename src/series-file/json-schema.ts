import { mostJobs, type SeriesKey, seriesKeys } from "./series-keys.ts";

/** The JSON Schema of a series file, as docs/series.schema.json holds it for editors. */
export function seriesSchema(): Record<string, unknown> {
  const model = (keys: readonly SeriesKey[]) => ({
    type: "object",
    properties: Object.fromEntries(keys.map((key) => [key.name, propertyOf(key)])),
    additionalProperties: false,
  });
  const defaults = model(seriesKeys.filter(({ single }) => single === undefined));
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Series file of oqe-publisher",
    type: "object",
    properties: {
      defaults: { description: "Keys that every model has, unless it replaces them", ...defaults },
      models: {
        description: "The models whose series are published",
        type: "array",
        minItems: 1,
        maxItems: mostJobs,
        items: { ...model(seriesKeys), required: ["base-model"] },
      },
    },
    required: ["models"],
    additionalProperties: false,
  };
}

function propertyOf({ doc, schema, default: text }: SeriesKey) {
  const isText = schema.type !== "integer" && schema.type !== "boolean";
  const usual = text === "" ? {} : { default: isText ? text : JSON.parse(text) };
  return { description: doc, ...schema, ...usual };
}
