import assert from "node:assert/strict";
import { parseInputs } from "../../src/inputs/inputs.ts";
import { readModel } from "../../src/series-file/read-model.ts";
import { parseSeriesFile } from "../../src/series-file/series-file.ts";
import { damageBytes, type Random } from "./damage.ts";
import { damageDocument, type Target, textOf, utf8 } from "./target.ts";

const models = {
  defaults: { namespace: "acme", tiers: ["oQ8e", "oQ4e"], runner: "macos-latest" },
  models: [
    { "base-model": "org/Base-8B", "target-size": "18GB", "max-kl": { oQ4e: 0.05 } },
    { "base-model": "org/Other@v1", name: "other", runner: ["self-hosted", "m4"], verify: false },
  ],
};
const yaml = `# A comment
defaults: { namespace: acme, runner: ubuntu-24.04-arm }
models:
  - base-model: org/Base-8B
    tiers: [oQ8e, oQ4.25e]
    timeout-minutes: 300
    environment: hub
  - base-model: org/Other
    name: other
    floors:
      attention: 6
`;

/** Pieces of YAML at places where a value, a key or an item may be. */
const pieces = [
  ...[
    "&a ",
    "*a",
    "!!binary ",
    "? ",
    "|\n  ",
    ">-\n  ",
    `\${{ secrets.X }}`,
    "<<: ",
    "- ",
    "{",
    "[",
  ],
  ...["---\n", "%YAML 1.1\n", "\t", "\u202e", "\0", "'", '"', "__proto__: ", "constructor: x\n"],
];

function damageYaml(seed: Uint8Array, random: Random): Uint8Array {
  const text = textOf(seed);
  if (text.startsWith("{")) return damageDocument(seed, random);
  if (random(2) === 0) return damageBytes(seed, random);
  const at = random(text.length);
  const piece = pieces[random(pieces.length)]!.repeat(1 + random(2) * random(50));
  return utf8(text.slice(0, at) + piece + text.slice(at + random(3)));
}

export const seriesFile: Target = {
  name: "series file",
  seeds: [utf8(yaml), utf8(JSON.stringify(models))],
  damage: damageYaml,
  codes: ["BAD_INPUT"],
  read: async (document) => {
    const { models } = parseSeriesFile(textOf(document), "series.yml");
    assert.ok(models.length >= 1 && models.length <= 256);
    for (const model of models) {
      assert.match(model.name, /^[\w.-]{1,64}$/);
      assert.ok(!model.name.includes(".."));
      assert.match(model.place, /^series\.yml:[1-9]\d*$/);
      // Nothing that reaches a workflow can be read as an expression, a command or a line break.
      assert.doesNotMatch(JSON.stringify(model), /\$\{\{|\\[nru]/);
      assert.equal(
        parseInputs(
          readModel(model, () => ""),
          {},
        ).baseModel.kind,
        "hub",
      );
    }
    return true;
  },
};
