import { existsSync, readFileSync } from "node:fs";
import { afterAll, describe, expect, test } from "vitest";
import { readBase } from "../src/base/base.ts";
import { baseWeights } from "../src/base/base-weights.ts";
import { openFolder } from "../src/checkpoint/folder.ts";
import type { ModelConfig } from "../src/checkpoint/model-config.ts";
import { type Matrix, newMatrix, sharedFloats, sharedIntegers } from "../src/kernel/matrix.ts";
import { openKernel } from "../src/kernel/pool.ts";
import { tensor } from "../src/models/blocks.ts";
import type { BlockContext, LinearOptions } from "../src/models/forward.ts";
import type { Input } from "../src/models/lazy-rows.ts";
import { Ops } from "../src/models/ops.ts";
import type { Routing } from "../src/models/routing.ts";
import { plainContext, type WeightSource } from "../src/models/run.ts";
import { difference, openBase, readNpy, run, someIds } from "./support/forward-run.ts";
import { byArchitecture, embedded, removeFolder, scratchFolder } from "./support/models.ts";
import { hybrid, makeRandomModel } from "./support/random-model.ts";
import { runModel } from "./support/run-model.ts";

const kernel = await openKernel({ workers: 2 });
afterAll(() => kernel.close());
const random = new URL("./models/random-tiny/", import.meta.url).pathname;

function withExperts(routing: Routing, expert: (i: number) => number): Routing {
  const experts = sharedIntegers(routing.experts.length);
  experts.forEach((_, i) => {
    experts[i] = expert(i);
  });
  return { ...routing, experts };
}

/** Every small base, and the same with each config change of its variants.json. */
const references = Object.keys(byArchitecture).flatMap((name): [string, string, ModelConfig][] => {
  const path = `${random}${name}/variants.json`;
  const variants: Record<string, ModelConfig> = existsSync(path)
    ? JSON.parse(readFileSync(path, "utf8"))
    : {};
  return [
    [name, "", {}],
    ...Object.entries(variants).map(
      ([variant, change]) => [name, `.${variant}`, change] satisfies [string, string, ModelConfig],
    ),
  ];
});

test.each(references)("the logits of %s%s are torch's", async (name, variant, change) => {
  const folder = `${random}${name}`;
  const base = await openBase(folder, kernel);
  const { layer_types: layers, ...config } = base.config;
  // In models with this key the list is derived from keys that a variant changes.
  const kept = "max_window_layers" in config ? {} : { layer_types: layers };
  const model = variant === "" ? base : { ...base, config: { ...config, ...kept, ...change } };
  model.architecture.forward.check(model.config);
  const ids = Uint32Array.from(
    JSON.parse(readFileSync(`${folder}/ref_ids.json`, "utf8")).flat() as number[],
  );
  const { logits, vocabulary } = await run(model, ids, ids.length);
  const gap = difference(
    logits,
    readNpy(`${folder}/ref_logits_f32_torch${variant}.npy`, Float32Array),
    vocabulary,
  );
  expect(gap.relative, gap.text).toBeLessThan(2e-6);
  await model.close();
});

describe("every tensor of the table is used", () => {
  const everything = {
    ...hybrid,
    moe_latent_size: 40,
    mlp_bias: true,
    attention_bias: true,
    use_bias: true,
    mamba_proj_bias: true,
  };
  test.each([...Object.keys(byArchitecture), "all of nemotron_h", "biased llama"])(
    "by %s",
    async (name) => {
      const scratch = await scratchFolder();
      const llama = JSON.parse(readFileSync(`${random}llama/config.json`, "utf8"));
      const made = {
        "all of nemotron_h": everything,
        "biased llama": { ...llama, attention_bias: true, mlp_bias: true },
      };
      const config = (made as Record<string, ModelConfig>)[name];
      if (config !== undefined) await makeRandomModel(scratch, config);
      const folder = config === undefined ? `${random}${name}` : scratch;
      const base = await readBase(await openFolder(folder), { allowHeaderOnly: false });
      const plain = baseWeights(base, kernel);
      const used = new Set<string>();
      const weights: WeightSource = {
        unquantized: (layer, role) => {
          used.add(`${layer} ${role} 0`);
          return plain.unquantized(layer, role);
        },
        matrix: (layer, role, expert, range) => {
          used.add(`${layer} ${role} ${expert ?? 0}`);
          return plain.matrix(layer, role, expert, range);
        },
      };
      const model = { ...base, weights, ops: new Ops(kernel) };
      await run(model, someIds(24, 100), 12);
      const all = base.tensors.flatMap(({ layer, role, sources }) =>
        sources.map((_, e) => `${layer} ${role.role} ${e}`),
      );
      expect(all.filter((tensor) => !used.has(tensor))).toEqual([]);
      await base.checkpoint.close();
      await removeFolder(scratch);
    },
  );
});

describe("the embedded model", () => {
  /** More tokens than one job or one batch has. */
  const [sequences, length] = [18, 256];
  const ids = someIds(sequences * length, 4096);
  const hidden = async (workers: number, some: Uint32Array) => {
    const own = await openKernel({ workers });
    const model = await openBase(embedded, own);
    const { data } = await runModel(model, some, { length });
    await model.close();
    await own.close();
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  };

  test("gives the same bits with any number of workers, and for one sequence alone", async () => {
    const whole = await hidden(2, ids);
    expect((await hidden(1, ids)).equals(whole)).toBe(true);
    expect((await hidden(3, ids)).equals(whole)).toBe(true);
    const bytes = (whole.length / sequences) * 3;
    const third = await hidden(2, ids.subarray(3 * length, 4 * length));
    expect(third.equals(whole.subarray(bytes, bytes + third.length))).toBe(true);
  });

  test("gives the same logits with its own routes forced, and others with other routes", async () => {
    const model = await openBase(embedded, kernel);
    const some = ids.subarray(0, 2 * length);
    const follow = (routes: (layer: number, own: Routing) => Routing) =>
      runModel(model, some, { length, routes });
    const own = new Map<number, Routing>();
    const free = await follow((layer, routing) => {
      own.set(layer, routing);
      return routing;
    });
    // The same experts with other weights. The pass must not use these.
    const forced = await follow((layer) => ({
      ...own.get(layer)!,
      weights: sharedFloats(own.get(layer)!.weights.length),
    }));
    expect(forced.data).toEqual(free.data);
    // Each token's first two experts replaced by its third and fourth.
    const shifted = await follow((_, routing) =>
      withExperts(
        routing,
        (i) => routing.experts[i - (i % routing.candidates) + ((i + 2) % routing.candidates)]!,
      ),
    );
    expect(difference(shifted.data, free.data, free.columns).relative).toBeGreaterThan(0.01);
    await model.close();
  });
});

describe("a mixture of experts", () => {
  /** Runs one block. Returns what it asks for. */
  async function watch(
    folder: string,
    layer: number,
    wantsNear: boolean,
    routes?: BlockContext["routes"],
  ) {
    const model = await openBase(folder, kernel);
    const plain = plainContext(model, layer, { length: 32 });
    const asked: { role: string; expert?: number; rows: number; near: number | undefined }[] = [];
    const pools: Matrix[] = [];
    const note = (role: string, x: Input, options: LinearOptions = {}) => {
      const { expert, near } = options;
      asked.push({
        role,
        ...(expert === undefined ? {} : { expert }),
        rows: x.rows,
        near: near?.rows,
      });
    };
    let routing: Routing | undefined;
    const at: BlockContext = {
      ...plain,
      layer,
      kind: model.architecture.layers(model.config)[layer]!,
      wantsNear: () => wantsNear,
      weight: (role, x, options) => {
        note(role, x, options);
        return plain.weight(role, x, options);
      },
      linear: (role, x, options) => {
        note(role, x, options);
        return plain.linear(role, x, options);
      },
      pool: async (fedBy, x) => {
        if (fedBy === "experts.in") pools.push(x);
      },
      router: (role) => tensor(plain, role),
      routes: async (own) => {
        routing = (await routes?.(own)) ?? own;
        return routing;
      },
    };
    const x = newMatrix(96, model.config.hidden_size as number);
    x.data.forEach((_, i) => {
      x.data[i] = Math.sin(i * i);
    });
    const before = x.data.slice();
    const y = await model.architecture.forward.block(at, x);
    expect(x.data).toEqual(before);
    await model.close();
    return { asked, pools, routing: routing!, y };
  }

  test.each([
    ["nemotron_h", 1, ["experts.up", "experts.down"]],
    ["qwen3_moe", 0, ["experts.gate", "experts.up", "experts.down"]],
  ] as const)(
    "of %s shows every expert once per role, with its tokens and its near tokens",
    async (name, layer, roles) => {
      const { asked, pools, routing } = await watch(`${random}${name}`, layer, true);
      expect(pools.map(({ rows }) => rows)).toEqual([96]);
      for (const role of roles) {
        const calls = asked.filter((call) => call.role === role);
        expect(calls.map(({ expert }) => expert).sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
        expect(calls.reduce((sum, { rows }) => sum + rows, 0)).toBe(96 * routing.perToken);
      }
      const near = asked
        .filter((call) => call.role === "experts.down")
        .map((call) => call.near ?? 0);
      expect(near.reduce((sum, rows) => sum + rows, 0)).toBe(
        96 * (routing.candidates - routing.perToken),
      );
    },
  );

  test("shows an expert without tokens, and computes no near tokens unless asked", async () => {
    const onlyLow = (own: Routing) => withExperts(own, (i) => i % own.candidates);
    const { asked } = await watch(`${random}nemotron_h`, 1, false, onlyLow);
    const downs = asked.filter((call) => call.role === "experts.down");
    expect(downs.find(({ expert }) => expert === 7)).toEqual({
      role: "experts.down",
      expert: 7,
      rows: 0,
      near: undefined,
    });
    expect(downs.find(({ expert }) => expert === 1)).toEqual({
      role: "experts.down",
      expert: 1,
      rows: 96,
      near: undefined,
    });
  });
});
