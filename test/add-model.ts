import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { findPython } from "./python/python.ts";

/*
 * Makes a small checkpoint of random weights in test/models/random-tiny/<model_type>, with the
 * logits that transformers computes from it (docs/adding-a-model.md).
 */
const usage = `usage: npm run add-model -- <model_type> [--name folder] [--set key=json ...]
                           [--variant name=json ...] [--mxfp4] [--double]

  --name      a further checkpoint of the type, in test/models/random-tiny/<folder>
  --set       a key of config.json, such as tie_word_embeddings=true
  --variant   config changes that alter the logits, such as window={"sliding_window": 8}
  --mxfp4     stores the experts of a gpt_oss as its authors do
  --double    computes the logits in float64 instead of float32`;

interface Request {
  readonly modelType: string;
  readonly name: string;
  readonly mxfp4: boolean;
  readonly double: boolean;
  readonly config: Record<string, unknown>;
  readonly variants: Record<string, unknown>;
}

/** Null where the command line makes no sense. */
function readRequest(): Request | null {
  try {
    const { positionals, values } = parseArgs({
      allowPositionals: true,
      options: {
        name: { type: "string" },
        mxfp4: { type: "boolean", default: false },
        double: { type: "boolean", default: false },
        set: { type: "string", multiple: true, default: [] },
        variant: { type: "string", multiple: true, default: [] },
      },
    });
    const [modelType = "", ...others] = positionals;
    const { name = modelType, mxfp4, double } = values;
    if (others.length > 0 || ![modelType, name].every((word) => /^\w[\w.-]*$/.test(word)))
      return null;
    const [config, variants] = [readPairs(values.set), readPairs(values.variant)];
    return { modelType, name, mxfp4, double, config, variants };
  } catch (error) {
    console.error(String(error));
    return null;
  }
}

/** `key=value` pairs, each value as JSON. Throws where one is something else. */
function readPairs(pairs: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const [, key, value] = /^([^=]+)=(.+)$/s.exec(pair) ?? [];
      if (key === undefined || value === undefined) throw new Error(`"${pair}" is not key=json`);
      return [key, JSON.parse(value)];
    }),
  );
}

function main(): number {
  const request = readRequest();
  if (request === null) {
    console.error(usage);
    return 2;
  }
  const python = findPython("torch", "transformers");
  if (!("path" in python)) {
    console.error(
      "No Python has torch and transformers. Install test/python/fixtures.txt in a virtual\n" +
        "environment, and set OQE_PYTHON to its interpreter.",
    );
    return 1;
  }
  const { modelType, name, ...rest } = request;
  const folder = fileURLToPath(new URL(`models/random-tiny/${name}`, import.meta.url));
  const script = fileURLToPath(new URL("python/make_fixture.py", import.meta.url));
  const { status } = spawnSync(python.path, [script, modelType, folder, JSON.stringify(rest)], {
    stdio: "inherit",
    env: { ...process.env, HF_HUB_OFFLINE: "1" },
  });
  return status ?? 1;
}

process.exitCode = main();
