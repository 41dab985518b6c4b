import { describe, test } from "vitest";
import { byArchitecture } from "../support/models.ts";
import { fewTuned, type Refusal, refusalScene } from "../support/refusal.ts";

const scene = refusalScene(
  async ({ hub }) => {
    await hub.seed("base/tiny", byArchitecture.llama!);
    await hub.seed("base/gated", byArchitecture.llama!);
    await hub.seed("acme/taken-oQ4e", byArchitecture.llama!);
    await hub.seed("base/taken", byArchitecture.llama!);
  },
  { gated: { "base/gated": [] } },
);
const onHub = (id: string) => async () => id;
const tuned = ["--method", "tuned", ...fewTuned];

const cases: Refusal[] = [
  {
    what: "an unknown tier",
    base: onHub("base/tiny"),
    args: ["--tiers", "oQ4e,oQ7e"],
    code: "BAD_INPUT",
    says: /"oQ7e".*oQ8e, oQ6e, oQ5e, oQ4e/,
  },
  {
    what: "an unknown policy",
    base: onHub("base/tiny"),
    args: ["--policy", "best"],
    code: "BAD_INPUT",
    says: /policy: "best"/,
  },
  {
    what: "an unknown rounding",
    base: onHub("base/tiny"),
    args: ["--rounding", "up"],
    code: "BAD_INPUT",
    says: /rounding: "up".*stored, mlx/,
  },
  {
    what: "an unknown flag",
    base: onHub("base/tiny"),
    args: ["--tier", "oQ4e"],
    code: "BAD_INPUT",
    says: /--tier/,
  },
  {
    what: "no workers",
    base: onHub("base/tiny"),
    args: ["--workers", "0"],
    code: "BAD_INPUT",
    says: /workers: "0"/,
  },
  {
    what: "a model that is neither folder nor repository",
    base: onHub("just-a-name"),
    code: "BAD_INPUT",
    says: /"just-a-name".*neither/,
  },
  {
    what: "a repository name with ..",
    base: onHub("base/../tiny"),
    code: "BAD_INPUT",
    says: /base\/\.\.\/tiny/,
  },
  {
    what: "a revision with ..",
    base: onHub("base/tiny@../main"),
    code: "BAD_INPUT",
    says: /\.\.\/main/,
  },
  {
    what: "a namespace with a slash",
    base: onHub("base/tiny"),
    args: ["--namespace", "ac/me"],
    code: "BAD_INPUT",
    says: /ac\/me/,
  },
  {
    what: "a namespace of ..",
    base: onHub("base/tiny"),
    args: ["--namespace", ".."],
    code: "BAD_INPUT",
    says: /"?\.\."?/,
  },
  {
    what: "no namespace",
    base: onHub("base/tiny"),
    args: ["--namespace", ""],
    code: "BAD_INPUT",
    says: /namespace/,
  },
  {
    what: "an endpoint that is no URL",
    base: onHub("base/tiny"),
    args: ["--hub-endpoint", "hub"],
    code: "BAD_INPUT",
    says: /endpoint/,
  },
  {
    what: "an endpoint without TLS",
    base: onHub("base/tiny"),
    args: ["--hub-endpoint", "http://hub.example"],
    code: "BAD_INPUT",
    says: /http/,
  },
  { what: "a missing folder", base: onHub("./nowhere"), code: "NOT_FOUND", says: /nowhere/ },
  {
    what: "a missing repository",
    base: onHub("base/absent"),
    code: "NOT_FOUND",
    says: /base\/absent/,
  },
  { what: "an unknown revision", base: onHub("base/tiny@v9"), code: "NOT_FOUND", says: /v9/ },
  { what: "a gated base", base: onHub("base/gated"), code: "GATED", says: /base\/gated/ },
  {
    what: "a wrong token",
    base: onHub("base/tiny"),
    token: "hf_invalidToken",
    code: "UNAUTHORIZED",
    says: /token/,
  },
  {
    what: "a token that does not begin with hf_",
    base: onHub("base/tiny"),
    token: "swordfish",
    code: "BAD_INPUT",
    says: /hf_/,
  },
  { what: "no token", base: onHub("base/tiny"), token: "", code: "UNAUTHORIZED", says: /token/ },
  {
    what: "a token without the right to write",
    base: onHub("base/tiny"),
    token: "hf_readOnly",
    code: "FORBIDDEN",
    says: /write/,
  },
  {
    what: "a repository without our receipt",
    base: onHub("base/taken"),
    code: "NOT_OURS",
    says: /acme\/taken-oQ4e/,
  },
];

describe("a run refuses", () => {
  test.each(cases)("$what", (refusal) => scene.expectRefused(refusal));

  test.each([
    ["an unknown method", ["--method", "gptq"], /method: "gptq" is not one of/],
    [
      "an unknown propagation",
      [...tuned, "--propagation", "both"],
      /propagation: "both".*reference, sequential/,
    ],
    [
      "rounding mlx with method tuned",
      [...tuned, "--rounding", "mlx"],
      /rounding mlx .*method tuned/,
    ],
    ["no rows", ["--method", "tuned", "--calibration-samples", "0"], /calibration-samples: "0"/],
    [
      "rows of one token",
      ["--method", "tuned", "--calibration-length", "1"],
      /calibration-length: "1"/,
    ],
  ])("%s", (_, args, says) =>
    scene.expectRefused({ base: onHub("base/tiny"), args, code: "BAD_INPUT", says }),
  );
});
