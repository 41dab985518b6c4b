import { expect, test } from "vitest";
import { evaluationShape } from "./rows.ts";

test.each([
  [4e9, {}, { samples: 64, length: 256 }],
  [4e9 + 1, {}, { samples: 64, length: 128 }],
  [31.6e9, { samples: null, length: undefined }, { samples: 64, length: 128 }],
  [31.6e9, { samples: 9 }, { samples: 9, length: 128 }],
  [31.6e9, { length: 512 }, { samples: 64, length: 512 }],
  [1e6, { samples: 1, length: 16 }, { samples: 1, length: 16 }],
])("a model of %d parameters with %o is evaluated on %o", (parameters, given, shape) => {
  expect(evaluationShape({ parameters }, given)).toEqual(shape);
});
