import type { ModelConfig } from "../checkpoint/model-config.ts";
import { type Part, type Projection, parts, projections, type Role } from "./architecture.ts";

/** One size of a shape: a number, or a function of the config. */
export type Size = number | ((config: ModelConfig) => number);
type When = NonNullable<Role["when"]>;

const whyNorm = "norms scale every channel and cost nothing";
const whyVector = "a vector, not a matrix";
const whyRouter = "router: an error here sends tokens to other experts";
const matrixKinds = ["embeddings", "linear", "expert", "head"] as const;

const shapeOf =
  (sizes: readonly Size[]): Role["shape"] =>
  (config) =>
    sizes.map((size) => (typeof size === "number" ? size : size(config)));

/** Fields of a matrix that its builder does not know. */
type MatrixFields = Pick<Role, "fedBy"> & Partial<Pick<Role, "residual" | "when" | "from">>;

/** Fields of a norm that its builder does not know. `feeds`: see Role.feeds. */
type NormFields = Partial<Pick<Role, "feeds" | "from">>;

/** Names of the tensor in the base and in the MLX repository. */
type Names = Pick<Role, "base" | "mlx">;

/** Builders of role rows whose tensor names begin with `prefix`, such as `model.layers.{i}.`. */
export function rolesUnder(prefix: string) {
  return { ...matricesUnder(prefix), ...unquantizedUnder(prefix) };
}

/** Builders of the rows that are quantized. */
function matricesUnder(prefix: string) {
  const named = (name: string): Names => both(`${prefix}${name}.weight`);
  return {
    /** The table of token embeddings `[vocabulary, hidden]`. */
    embeddings: (name: string, sizes: readonly [Size, Size]) =>
      matrixRow("embeddings", named(name), sizes, { kind: "embeddings", fedBy: null }),

    /** The matrix that makes logits `[vocabulary, hidden]`. */
    head: (name: string, sizes: readonly [Size, Size], when?: When) =>
      matrixRow("head", named(name), sizes, {
        kind: "head",
        fedBy: "head.in",
        ...(when && { when }),
      }),

    /** A matrix `[out, in]` that all tokens are multiplied with. */
    linear: (
      role: `${Part}.${Projection}`,
      name: string,
      sizes: readonly [Size, Size],
      fields: MatrixFields,
    ) => matrixRow(role, named(name), sizes, { kind: "linear", ...fields }),

    /** A matrix `[out, in]` of each routed expert. `names`: in the base, with `{e}`, and in MLX. */
    expert: (
      role: `experts.${Projection}`,
      names: readonly [string, string],
      sizes: readonly [Size, Size],
      fields: MatrixFields,
    ): Role => ({
      ...matrixRow(role, named(names[0]), sizes, { kind: "expert", routed: true, ...fields }),
      mlx: `${prefix}${names[1]}.weight`,
    }),

    /**
     * A matrix of all routed experts that the base has in one tensor of the given `sizes`. `names`:
     * the whole name in the base, and the module in the MLX repository. `from` leads from the
     * tensor to the `[out, in]` of one expert, and begins with sliceOfStack.
     */
    stacked: (
      role: `experts.${Projection}`,
      names: readonly [string, string],
      sizes: readonly [Size, Size, Size],
      fields: MatrixFields & Required<Pick<Role, "from">>,
    ): Role => ({
      ...matrixRow(role, named(names[1]), sizes, { kind: "expert", routed: true, ...fields }),
      base: prefix + names[0],
    }),
  };
}

/** Builders of the rows that are never quantized. */
function unquantizedUnder(prefix: string) {
  const named = (name: string): Names => both(prefix + name);
  return {
    /** The matrix `[routed, in]` that scores the experts. */
    router: (
      name: string,
      sizes: readonly [Size, Size],
      fields: Pick<Role, "fedBy"> & Pick<Partial<Role>, "stockWidth">,
    ) =>
      unquantizedRow("router", named(`${name}.weight`), sizes, {
        kind: "router",
        why: whyRouter,
        ...fields,
      }),

    /**
     * The bias `[routed]` that the router adds to the scores before it chooses. mlx-lm does not
     * cast it.
     */
    correction: (name: string, sizes: readonly [Size]) =>
      unquantizedRow("router.bias", named(name), sizes, {
        kind: "correction",
        why: whyRouter,
        exemptFromCast: true,
      }),

    /** Factors of a norm `[channels]`. */
    norm: (role: string, name: string, size: Size, fields: NormFields = {}) =>
      unquantizedRow(role, named(`${name}.weight`), [size], {
        kind: "norm",
        why: whyNorm,
        ...fields,
      }),

    /** The bias `[channels]` of a module that is not a matrix. */
    bias: (role: string, name: string, size: Size, when: When) =>
      unquantizedRow(role, named(`${name}.bias`), [size], { kind: "bias", why: whyVector, when }),

    /** Any other tensor, under its full name, that is never quantized. */
    unquantized: (
      role: string,
      name: string,
      sizes: readonly Size[],
      fields: Pick<Role, "kind" | "why"> & Partial<Role>,
    ) => unquantizedRow(role, named(name), sizes, fields),
  };
}

const both = (name: string): Names => ({ base: name, mlx: name });

function matrixRow(
  role: Part | `${Part}.${Projection}`,
  names: Names,
  sizes: readonly Size[],
  fields: MatrixFields & { readonly kind: (typeof matrixKinds)[number] } & Partial<Role>,
): Role {
  const [part, projection] = role.split(".");
  return {
    role,
    part: parts.find((one) => one === part) ?? null,
    projection: projections.find((one) => one === projection) ?? null,
    treatment: "quantized",
    shape: shapeOf(sizes),
    ...names,
    ...fields,
  };
}

function unquantizedRow(
  role: string,
  names: Names,
  sizes: readonly Size[],
  fields: Pick<Role, "kind" | "why"> & Partial<Role>,
): Role {
  return {
    role,
    part: null,
    projection: null,
    fedBy: null,
    treatment: "unquantized",
    shape: shapeOf(sizes),
    ...names,
    ...fields,
  };
}

/** The biases of all linear rows, of configs for which `when` is true. */
export function biasesOf(rows: readonly Role[], when: When): readonly Role[] {
  const vector = (name: string) => name.replace(/weight$/, "bias");
  return rows
    .filter(({ kind }) => kind === "linear")
    .map((row) => ({
      role: `${row.role}.bias`,
      kind: "bias",
      part: row.part,
      projection: row.projection,
      base: vector(row.base),
      mlx: vector(row.mlx),
      fedBy: null,
      treatment: "unquantized",
      why: whyVector,
      shape: (config) => row.shape(config).slice(0, 1),
      when: (config) => (row.when?.(config) ?? true) && when(config),
    }));
}
