import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./action/checkout.ts";

interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly env?: Record<string, string>;
  readonly with?: Record<string, unknown>;
}
interface Job {
  readonly needs?: string | string[];
  readonly if?: string;
  readonly strategy?: { readonly "fail-fast": boolean };
  readonly env: Record<string, string>;
  readonly steps: readonly Step[];
}
interface Workflow {
  readonly on: {
    readonly workflow_call: {
      readonly inputs: Record<string, { readonly type: string; readonly default?: unknown }>;
      readonly secrets: Record<string, { readonly required: boolean }>;
    };
  };
  readonly permissions: unknown;
  readonly concurrency: Record<string, unknown>;
  readonly jobs: Record<string, Job>;
}

const read = async (path: string) => parse(await readFile(`${root}${path}`, "utf8"));
const workflow = (await read(".github/workflows/series.yml")) as Workflow;
const { inputs } = (await read("action.yml")) as { inputs: Record<string, unknown> };
const jobs = Object.entries(workflow.jobs);
const expression = (text: string) => `\${{ ${text} }}`;
const stepOf = (job: Job, uses: string) => job.steps.find((step) => step.uses?.startsWith(uses));

describe("series.yml", () => {
  test("gives every job the same steps; only its environment says what to do", () => {
    const { sensitivity, tune, seal } = workflow.jobs;
    expect(Object.keys(workflow.jobs)).toEqual(["sensitivity", "tune", "seal"]);
    expect(tune!.steps).toEqual(sensitivity!.steps.slice(0, 4));
    expect(seal!.steps).toEqual(tune!.steps);
    expect(jobs.map(([, { env }]) => env.COMMAND)).toEqual(["measure", "tune", "seal"]);
    expect(tune!.env).toMatchObject({ TIERS: expression("matrix.tier"), TARGET_BPW: "" });
    expect(seal!.env.REVISION).toBe(tune!.env.REVISION);
    expect(tune!.strategy!["fail-fast"]).toBe(false);
    expect(seal!.if).toContain("!cancelled()"); // also behind a job that was lost
    expect(seal!.needs).toEqual(["sensitivity", "tune"]);
  });

  test("passes every input of a series on, but for the one that other jobs cannot use", () => {
    const declared = workflow.on.workflow_call.inputs;
    const given = stepOf(workflow.jobs.seal!, "./oqe-publisher")!.with!;
    expect(Object.keys(inputs).filter((name) => !Object.hasOwn(given, name))).toEqual([
      ...["sensitivity", "series-file", "series", "github-token"],
    ]);
    const own = ["runner", "timeout-minutes", "environment"];
    const handedOn = Object.keys(declared).filter((name) => !own.includes(name));
    const fixed = ["hub-token", "work-dir", "command"];
    expect(handedOn.sort()).toEqual(
      Object.keys(given)
        .filter((name) => !fixed.includes(name))
        .sort(),
    );
    for (const name of handedOn) {
      const inEnvironment = expression(`env.${name.toUpperCase().replaceAll("-", "_")}`);
      expect([expression(`inputs.${name}`), inEnvironment], name).toContain(given[name]);
      // The empty text means the Action's own default.
      if (declared[name]!.type === "string" && name !== "time-limit")
        expect(declared[name]!.default ?? "", name).toBe("");
    }
  });

  test("runs the Action of its own commit", () => {
    for (const [, job] of jobs)
      expect(stepOf(job, "actions/checkout@")!.with).toEqual({
        repository: expression("job.workflow_repository || github.repository"),
        ref: expression("job.workflow_sha || github.sha"),
        path: "oqe-publisher",
        "persist-credentials": false,
      });
  });

  test("gives the token to the Action's step only", () => {
    expect(Object.keys(workflow.on.workflow_call.secrets)).toEqual(["HF_TOKEN"]);
    expect(workflow.permissions).toEqual({ contents: "read" });
    for (const [name, job] of jobs) {
      const { steps, ...rest } = job;
      expect(JSON.stringify(rest), name).not.toMatch(/secrets|github\.token/);
      for (const step of steps) {
        const { "hub-token": token, ...others } = step.with ?? {};
        expect(token).toBe(
          step.uses === "./oqe-publisher" ? expression("secrets.HF_TOKEN") : undefined,
        );
        expect(JSON.stringify({ ...step, with: others })).not.toMatch(/secrets|github\.token/);
      }
    }
  });

  test("puts nothing but the JSON of the sensitivity into an artifact", () => {
    const uploads = jobs.flatMap(([name, job]) =>
      job.steps.flatMap((step) => (step.uses?.includes("upload-artifact") ? [{ name, step }] : [])),
    );
    expect(uploads).toMatchObject([
      {
        name: "sensitivity",
        step: { with: { path: `${expression("runner.temp")}/oqe-work/sensitivities/*.json` } },
      },
    ]);
    for (const [, job] of jobs) {
      expect(stepOf(job, "actions/download-artifact@")!.with!.path).toBe(
        `${expression("runner.temp")}/oqe-work/sensitivities`,
      );
      expect(stepOf(job, "./oqe-publisher")!.with!["work-dir"]).toBe(
        `${expression("runner.temp")}/oqe-work`,
      );
    }
  });

  test("lets two runs of a series wait for each other, and lets no run end another", () => {
    expect(workflow.concurrency).toEqual({
      group: `oqe-series-${expression("inputs.namespace")}-${expression("inputs.base-model")}`,
      "cancel-in-progress": false,
    });
  });
});
