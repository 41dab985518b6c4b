import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findPython } from "./python/python.ts";

/**
 * `npm run add-model -- <model_type> [--set key=json ...] [--variant name={json} ...]`: makes a small checkpoint of random weights in
 * test/models/random-tiny/<model_type>, with the logits that transformers gives (docs/adding-a-model.md).
 */
const usage =
  "usage: npm run add-model -- <model_type> [--set key=value ...] [--variant name='{\"key\": value}' ...]";

function main(): number {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      set: { type: "string", multiple: true, default: [] },
      variant: { type: "string", multiple: true, default: [] },
    },
  });
  const [modelType] = positionals;
  if (positionals.length !== 1 || !/^[\w.-]+$/.test(modelType!)) {
    console.error(usage);
    return 2;
  }
  const python = findPython("torch");
  if (!("path" in python)) {
    console.error("No Python has torch: `pip install -r test/python/fixtures.txt` in a virtual");
    console.error("environment, and name its interpreter in OQE_PYTHON.");
    return 1;
  }
  const folder = fileURLToPath(new URL(`models/random-tiny/${modelType}`, import.meta.url));
  mkdirSync(folder, { recursive: true });
  const request = { config: readPairs(values.set), variants: readPairs(values.variant) };
  const script = fileURLToPath(new URL("python/make_fixture.py", import.meta.url));
  const { status } = spawnSync(python.path, [script, modelType!, folder, JSON.stringify(request)], {
    stdio: "inherit",
    env: { ...process.env, HF_HUB_OFFLINE: "1" },
  });
  return status ?? 1;
}

/** `key=value` pairs, each value as JSON. */
function readPairs(pairs: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, key, value] = /^([^=]+)=(.+)$/s.exec(pair) ?? [];
      if (key === undefined || value === undefined) throw new Error(`"${pair}" is not key=value`);
      return [key, JSON.parse(value)];
    }),
  );
}

process.exitCode = main();
