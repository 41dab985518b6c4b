import { expect, test } from "vitest";
import { secretsIn, withoutSecrets } from "./secrets.ts";

test("every secret is replaced, wherever it is and however often", () => {
  const text = "Bearer hf_one, hf_one and ghs_two";
  expect(withoutSecrets(text, ["hf_one", "ghs_two"])).toBe("Bearer ***, *** and ***");
});

test("nothing is left of a secret that begins with another", () => {
  expect(withoutSecrets("hf_one_longer hf_one", ["hf_one", "hf_one_longer"])).toBe("*** ***");
});

test("a secret is no pattern, and an empty one stands for nothing", () => {
  expect(withoutSecrets("a.b axb $&", ["a.b", ""])).toBe("*** axb $&");
});

test("the tokens of a process are in four variables, and spaces around them do not count", () => {
  const environment = {
    ...{ "INPUT_HUB-TOKEN": "a ", "INPUT_GITHUB-TOKEN": "b", HF_TOKEN: "c\n", GITHUB_TOKEN: "d" },
    ...{ OTHER: "e" },
  };
  expect(secretsIn(environment)).toEqual(["a", "b", "c", "d"]);
  expect(secretsIn({ HF_TOKEN: " ", GITHUB_TOKEN: undefined })).toEqual([]);
});
