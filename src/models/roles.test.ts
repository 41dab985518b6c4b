import { expect, test } from "vitest";
import { biasesOf, rolesUnder } from "./roles.ts";
import { firstHalf, sliceOfStack } from "./transforms.ts";

const mlp = rolesUnder("model.layers.{i}.mlp.");
const config = { hidden: 8 };
const hidden = (c: Record<string, unknown>) => c.hidden as number;

test("a linear row has its part, projection, names and shape", () => {
  const row = mlp.linear("mlp.down", "down_proj", [hidden, 16], { fedBy: "mlp.h", residual: true });
  expect(row).toMatchObject({
    role: "mlp.down",
    kind: "linear",
    part: "mlp",
    projection: "down",
    base: "model.layers.{i}.mlp.down_proj.weight",
    mlx: "model.layers.{i}.mlp.down_proj.weight",
    fedBy: "mlp.h",
    residual: true,
    treatment: "quantized",
  });
  expect(row.shape(config)).toEqual([8, 16]);
});

test("experts are stacked from one tensor each, or sliced from one tensor for all", () => {
  const names = ["experts.{e}.up_proj", "switch_mlp.up_proj"] as const;
  expect(mlp.expert("experts.up", names, [4, hidden], { fedBy: "experts.in" })).toMatchObject({
    base: "model.layers.{i}.mlp.experts.{e}.up_proj.weight",
    mlx: "model.layers.{i}.mlp.switch_mlp.up_proj.weight",
    routed: true,
  });
  const from = () => [sliceOfStack, firstHalf];
  const stacked = mlp.stacked(
    "experts.gate",
    ["experts.gate_up_proj", "switch_mlp.gate_proj"],
    [6, 8, hidden],
    { fedBy: "experts.in", from },
  );
  expect(stacked).toMatchObject({
    base: "model.layers.{i}.mlp.experts.gate_up_proj",
    mlx: "model.layers.{i}.mlp.switch_mlp.gate_proj.weight",
    kind: "expert",
    part: "experts",
    projection: "gate",
    routed: true,
    from,
  });
  expect(stacked.shape(config)).toEqual([6, 8, 8]);
});

test("only linear rows have biases, where both their row and the config have them", () => {
  const rows = [
    mlp.norm("norm", "norm", hidden),
    mlp.linear("shared.up", "up_proj", [16, hidden], { fedBy: "mlp.in", when: (c) => !!c.shared }),
  ];
  const [bias, ...others] = biasesOf(rows, (c) => !!c.bias);
  expect(others).toEqual([]);
  expect(bias).toMatchObject({
    role: "shared.up.bias",
    kind: "bias",
    base: "model.layers.{i}.mlp.up_proj.bias",
    fedBy: null,
    treatment: "unquantized",
  });
  expect(bias!.shape(config)).toEqual([16]);
  const whether = (c: Record<string, unknown>) => bias!.when!(c);
  expect([{}, { bias: 1 }, { shared: 1 }, { shared: 1, bias: 1 }].map(whether)).toEqual([
    false,
    false,
    false,
    true,
  ]);
});
