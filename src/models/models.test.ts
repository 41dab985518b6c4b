import { describe, expect, test } from "vitest";
import { byArchitecture, smallest } from "../../test/support/models.ts";
import { nemotron30b } from "../../test/support/nemotron-30b.ts";
import { openCheckpoint } from "../checkpoint/checkpoint.ts";
import { openFolder } from "../checkpoint/folder.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import { openCoded } from "../coding/open-coded.ts";
import { splitCarried } from "./carried.ts";
import { expand, expandTable } from "./expand.ts";
import { roleOfModule } from "./module-role.ts";
import { architectures, findArchitecture } from "./registry.ts";

test("every registered architecture has a small checkpoint", () => {
  const missing = architectures.filter(({ modelType }) => byArchitecture[modelType] === undefined);
  expect(missing).toEqual([]);
});

/** What holds for every registered architecture, tested on its small checkpoints. */
describe.each(Object.entries(byArchitecture))("architecture %s", (_, folder) => {
  const open = async () => {
    const options = { allowHeaderOnly: false };
    const { checkpoint, values } = await openCoded(await openFolder(folder), options);
    const { fold, carried = [] } = findArchitecture(checkpoint.config);
    const { config } = fold(checkpoint.config);
    const { own: tensors } = splitCarried(carried, values);
    return { ...checkpoint, config, tensors };
  };

  test("names every tensor of a checkpoint exactly once, with its shape", async () => {
    const { config, tensors, close } = await open();
    const architecture = findArchitecture(config);
    const outputs = expand(architecture, config, tensors);
    const sources = outputs.flatMap((output) => output.sources);
    const places = sources.map(({ tensor, offset }) => `${tensor} ${offset}`);
    expect(new Set(places).size).toBe(places.length);
    const dropped = [...tensors.keys()].filter((name) => architecture.dropped(name, config));
    const names = [...new Set(sources.map(({ tensor }) => tensor)), ...dropped];
    expect(names.sort()).toEqual([...tensors.keys()].sort());
    expect(new Set(outputs.map((output) => output.name)).size).toBe(outputs.length);
    await close();
  });

  test("stacks routed experts and keeps the element count", async () => {
    const { config, tensors, close } = await open();
    for (const output of expand(findArchitecture(config), config, tensors)) {
      const count = (shape: readonly number[]) =>
        shape.reduce((product, size) => product * size, 1);
      const members = output.sources.reduce((sum, { shape }) => sum + count(shape), 0);
      expect(count(output.shape)).toBe(members);
      if (output.role.routed === true) expect(output.shape[0]).toBe(output.sources.length);
    }
    await close();
  });

  test("says why tensors are not quantized, and what feeds those that are", async () => {
    const { config, close } = await open();
    const architecture = findArchitecture(config);
    const roles = [
      ...architecture.outer,
      ...new Set(architecture.layers(config).flatMap((kind) => architecture.roles(kind))),
    ];
    for (const role of roles) {
      if (role.treatment === "unquantized") expect(role.why).toMatch(/\w{4}/);
      else if (role.base.includes("{i}")) expect(role.fedBy).not.toBeNull();
    }
    await close();
  });

  test("every row has the fields that later steps read", async () => {
    const { config, tensors, close } = await open();
    const architecture = findArchitecture(config);
    expect(architecture.label).toMatch(/\w/);
    const outputs = expand(architecture, config, tensors);
    const outer = outputs.filter(({ layer }) => layer === null).map(({ role }) => role.kind);
    expect(outer.filter((kind) => kind !== "head")).toEqual(["embeddings", "norm"]);
    for (const { role, shape } of outputs) {
      const isMatrix = ["embeddings", "linear", "expert", "head"].includes(role.kind);
      expect(role.treatment === "quantized", role.role).toBe(isMatrix);
      if (isMatrix) expect(role.part, role.role).not.toBeNull();
      expect(role.routed === true, role.role).toBe(role.kind === "expert");
      if (role.residual) expect(shape.at(-2), role.role).toBe(config.hidden_size);
    }
    for (const [layer, kind] of architecture.layers(config).entries()) {
      const rows = outputs.filter((output) => output.layer === layer).map(({ role }) => role);
      const named = (...kinds: string[]) => rows.filter((row) => kinds.includes(row.kind));
      expect(named("router")).toHaveLength(kind.mlp === "moe" ? 1 : 0);
      expect(named("expert").length > 0).toBe(kind.mlp === "moe");
      expect(named("linear", "expert").some(({ residual }) => residual)).toBe(true);
      const fed = named("norm").flatMap(({ feeds = [] }) => feeds);
      expect(new Set(fed).size).toBe(fed.length);
      for (const { fedBy } of named("router")) expect(fed).toContain(fedBy);
      // The Hessian of the embeddings is made of what reads the first norm of the first block.
      const [first] = named("norm");
      expect(rows.some(({ fedBy }) => fedBy !== null && first?.feeds?.includes(fedBy))).toBe(true);
    }
    await close();
  });

  test("the role of a module is found by its path, without the config", async () => {
    const { config, tensors, close } = await open();
    const { modelType } = findArchitecture(config);
    for (const { role, name } of expand(findArchitecture(config), config, tensors)) {
      if (role.treatment === "quantized")
        expect(roleOfModule(modelType, name.replace(/\.weight$/, ""))?.role).toBe(role.role);
    }
    expect(roleOfModule(modelType, "model.mystery")).toBeNull();
    expect(roleOfModule("bert", "lm_head")).toBeNull();
    await close();
  });

  test("refuses a missing tensor, another shape and an unknown tensor by name", async () => {
    const { config, tensors, close } = await open();
    const architecture = findArchitecture(config);
    const [first] = tensors.keys();
    const without = new Map([...tensors].filter(([name]) => name !== first));
    expect(() => expand(architecture, config, without)).toThrow(
      expect.objectContaining({ code: "BAD_CHECKPOINT" }),
    );
    expect(() => expand(architecture, config, without)).toThrow(first);
    const reshaped = new Map(tensors).set(first!, { ...tensors.get(first!)!, shape: [1, 2, 3] });
    expect(() => expand(architecture, config, reshaped)).toThrow("[1, 2, 3]");
    const more = new Map(tensors).set("model.mystery", tensors.get(first!)!);
    expect(() => expand(architecture, config, more)).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED_MODEL" }),
    );
    await close();
  });
});

describe("nemotron_h", () => {
  const names = (config: ModelConfig) =>
    expandTable(findArchitecture(config), config).map((output) => output.name);

  test("states transformers' limits of the step in mlx-lm's key", () => {
    const { mlxConfig } = findArchitecture(nemotron30b);
    expect(mlxConfig(nemotron30b).time_step_limit).toEqual([0.001, 1e6]);
    expect(
      mlxConfig({
        ...nemotron30b,
        time_step_min: 0.01,
        time_step_limit: [0, Number.POSITIVE_INFINITY],
      }).time_step_limit,
    ).toEqual([0.01, 1e6]);
  });

  test("has latent projections, biases and dense blocks where the config says so", () => {
    const latent = { ...nemotron30b, moe_latent_size: 1024 };
    expect(names(latent)).toContain("backbone.layers.1.mixer.fc1_latent_proj.weight");
    const up = expandTable(findArchitecture(latent), latent).find(
      (o) => o.name === "backbone.layers.1.mixer.switch_mlp.fc1.weight",
    );
    expect(up?.shape).toEqual([128, 1856, 1024]);
    expect(names({ ...nemotron30b, attention_bias: true })).toContain(
      "backbone.layers.5.mixer.q_proj.bias",
    );
    expect(
      names({ ...nemotron30b, num_hidden_layers: 2, hybrid_override_pattern: "M-" }),
    ).toContain("backbone.layers.1.mixer.down_proj.weight");
    expect(names({ ...nemotron30b, n_shared_experts: null })).not.toContain(
      "backbone.layers.1.mixer.shared_experts.up_proj.weight",
    );
  });

  test("experts of a narrower space do not write into the residual stream", () => {
    const writers = (config: ModelConfig) =>
      expandTable(findArchitecture(config), config)
        .filter(({ layer, role }) => layer === 1 && role.residual === true)
        .map(({ role }) => role.role);
    expect(writers(nemotron30b)).toEqual(["experts.down", "shared.down"]);
    const latent = { ...nemotron30b, moe_latent_size: nemotron30b.hidden_size! };
    expect(writers(latent)).toEqual(["shared.down", "latent.out"]);
  });
});

describe("qwen3_moe", () => {
  test("has dense blocks between its MoE blocks where the config says so", async () => {
    const { config, close } = await openCheckpoint(await openFolder(byArchitecture.qwen3_moe!));
    const { fold, layers } = findArchitecture(config);
    const mlps = (change: ModelConfig) =>
      layers(fold({ ...config, ...change }).config).map(({ mlp }) => mlp);
    expect(mlps({ num_hidden_layers: 4, decoder_sparse_step: 2 })).toEqual([
      "dense",
      "moe",
      "dense",
      "moe",
    ]);
    expect(mlps({ mlp_only_layers: [0] })).toEqual(["dense", "moe"]);
    await close();
  });
});

test.each<[string, ModelConfig]>([
  ["qwen3_moe", { mlp_only_layers: "9".repeat(5000) }],
  ["nemotron_h", { hybrid_override_pattern: "M".repeat(5000) + "?" }],
])("%s quotes no more of a hostile value than a message has room for", async (name, change) => {
  const { config, close } = await openCheckpoint(await openFolder(smallest[name]!));
  await close();
  const { fold, layers } = findArchitecture(config);
  const error = await Promise.resolve()
    .then(() => layers(fold({ ...config, ...change }).config))
    .catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({ code: "BAD_CHECKPOINT" });
  expect((error as Error).message.length).toBeLessThan(400);
});

describe("an unsupported model_type", () => {
  test("is refused with the supported ones", () => {
    expect(() => findArchitecture({ model_type: "bert" })).toThrow(
      /"bert".*nemotron_h, llama, mistral, qwen2, qwen3, qwen3_moe/,
    );
  });
});
