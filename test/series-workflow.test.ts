import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { root } from "./action/checkout.ts";

interface Step {
  readonly id?: string;
  readonly uses?: string;
  readonly if?: string;
  readonly with?: Record<string, unknown>;
}
type Rights = Readonly<Record<string, "read" | "write">>;
interface Job {
  readonly uses?: string;
  readonly needs?: string | readonly string[];
  readonly if?: string;
  readonly with?: Record<string, unknown>;
  readonly strategy?: { readonly "fail-fast": boolean };
  readonly "continue-on-error"?: boolean;
  readonly environment?: string;
  readonly env?: Record<string, string>;
  readonly permissions: Rights;
  readonly concurrency?: Record<string, unknown>;
  readonly outputs?: Record<string, string>;
  readonly secrets?: Record<string, string>;
  readonly steps?: readonly Step[];
}
interface Workflow {
  readonly on: { readonly workflow_call: { readonly inputs: object; readonly secrets: object } };
  readonly permissions: unknown;
  readonly concurrency?: Record<string, unknown>;
  readonly jobs: Record<string, Job>;
}

const read = async (path: string) => parse(await readFile(`${root}${path}`, "utf8")) as Workflow;
const series = await read(".github/workflows/series.yml");
const model = await read(".github/workflows/model.yml");
const caller = await read("templates/first-files/oqe.yml");
const action = (await read("action.yml")) as unknown as { inputs: object };

const jobs = { ...series.jobs, ...model.jobs };
const own = Object.entries(jobs).filter(([, { steps }]) => steps !== undefined);
const expression = (text: string) => `\${{ ${text} }}`;
const ofAction = ({ steps = [] }: Job) => steps.find(({ uses }) => uses === "./.oqe-publisher")!;
/** Names of the jobs whose Action gets this input with this value. */
const given = (input: string, value: string) =>
  own.filter(([, job]) => ofAction(job).with![input] === value).map(([name]) => name);

const work = `${expression("runner.temp")}/oqe-work`;

/** The larger right of each kind. */
function union(rights: readonly Rights[]): Rights {
  const all = new Map<string, "read" | "write">();
  for (const [name, right] of rights.flatMap((one) => Object.entries(one)))
    if (all.get(name) !== "write") all.set(name, right);
  return Object.fromEntries(all);
}

describe("series.yml and model.yml", () => {
  test("give each job the rights that it needs, and no more", () => {
    for (const { permissions } of [series, model]) expect(permissions).toEqual({});
    expect(Object.fromEntries(own.map(([name, job]) => [name, job.permissions]))).toEqual({
      plan: { contents: "read", "pull-requests": "write" },
      check: { contents: "read", actions: "read" },
      "push-cards": { contents: "read", "id-token": "write" },
      cards: { contents: "write", "pull-requests": "write" },
      release: { contents: "write", "id-token": "write", attestations: "write" },
      report: { contents: "read", issues: "write", actions: "write" },
      access: { contents: "read", "id-token": "write" },
      measure: { contents: "read", actions: "read" },
      tune: { contents: "read", "id-token": "write" },
      "tune-ahead": { contents: "read", "id-token": "write" },
      seal: { contents: "read", "id-token": "write" },
    });
  });

  test("may do what their jobs need: rights only shrink on the way down", () => {
    const ofModel = union(Object.values(model.jobs).map(({ permissions }) => permissions));
    expect(series.jobs.series!.permissions).toEqual(ofModel);
    const ofSeries = union(Object.values(series.jobs).map(({ permissions }) => permissions));
    expect(caller.jobs.series!.permissions).toEqual(ofSeries);
  });

  test("give the Hub's write token to jobs that write, in their environment", () => {
    const writing = ["push-cards", "access", "tune", "tune-ahead", "seal"];
    expect(given("hub-token", expression("secrets.HF_TOKEN || secrets.hub-token"))).toEqual(
      writing,
    );
    for (const [name, job] of own)
      expect(job.environment, name).toBe(
        writing.includes(name) ? expression("inputs.environment") : undefined,
      );
    const reading = given("hub-token", expression("secrets.hub-read-token"));
    expect(reading).toEqual(["plan", "check", "cards", "release", "measure"]);
    expect(own.filter(([, job]) => !("hub-token" in ofAction(job).with!))).toMatchObject([
      ["report", {}],
    ]);
  });

  test("give GitHub's token to jobs that write there, and tokens to the Action's step only", () => {
    const token = "secrets.github-token || github.token";
    const first = expression(`steps.app.outputs.token || ${token}`);
    expect(given("github-token", first)).toEqual(["cards", "release"]);
    // Anyone can propose the series file of Plan. What Report starts must not count as started by a
    // person.
    expect(given("github-token", expression("github.token"))).toEqual(["plan", "report"]);
    for (const [name, { steps = [], ...rest }] of own) {
      const others = steps.map(({ with: inputs, ...step }) => {
        const { "hub-token": _, "github-token": __, ...plain } = inputs ?? {};
        // To read an artifact of another run.
        const reads = step.uses?.startsWith("actions/download-artifact@") && "run-id" in plain;
        if (step.uses !== "./.oqe-publisher" && !reads && step.id !== "app")
          return { ...step, with: inputs };
        const { "client-id": ___, "private-key": ____, ...open } = plain;
        return { ...step, with: open };
      });
      const { HAS_APP: _, ...env } = rest.env ?? {};
      expect(JSON.stringify([{ ...rest, env }, others]), name).not.toMatch(
        /secrets\.|github\.token/,
      );
    }
    expect(series.jobs.series!.secrets).toEqual({
      HF_TOKEN: expression("secrets.HF_TOKEN"),
      "hub-token": expression("secrets.hub-token"),
      "hub-read-token": expression("secrets.hub-read-token"),
    });
  });

  test("pass to the Action what it has, and read models from the series file only", () => {
    for (const [name, job] of own) {
      const inputs = ofAction(job).with!;
      expect(Object.keys(action.inputs), name).toEqual(expect.arrayContaining(Object.keys(inputs)));
      expect(inputs["series-file"], name).toBe(expression("inputs.series-file"));
    }
    const commands = own.map(([name, job]) => [name, ofAction(job).with!.command]);
    expect(Object.fromEntries(commands)).toEqual({
      ...{ plan: "check", check: "check", "push-cards": "push-cards", cards: "cards" },
      ...{ release: "release", report: "report" },
      ...{ access: "access", measure: "measure", tune: "tune", seal: "seal" },
      "tune-ahead": "tune-ahead",
    });
    expect(Object.keys(series.jobs.series!.with!).sort()).toEqual(
      Object.keys(model.on.workflow_call.inputs).sort(),
    );
  });

  test("run the Action of their own commit, and keep no credentials", () => {
    for (const [name, { steps = [] }] of own) {
      const checkouts = steps.filter(({ uses }) => uses?.startsWith("actions/checkout@"));
      expect(
        checkouts.map((step) => step.with),
        name,
      ).toEqual([
        { "persist-credentials": false },
        {
          repository: expression("job.workflow_repository || github.repository"),
          ref: expression("job.workflow_sha || github.sha"),
          path: ".oqe-publisher",
          "persist-credentials": false,
        },
      ]);
    }
  });

  test("attest what is released before it is released", () => {
    const { steps = [] } = series.jobs.release!;
    const prepared = "steps.prepare.outputs.changed == 'true'";
    const open = `${prepared} && !github.event.repository.private`;
    const from = steps.findIndex(({ id }) => id === "prepare");
    const [prepare, receipts, weights, publish] = steps.slice(from);
    expect(prepare!.with).toMatchObject({ command: "release", "dry-run": true });
    for (const step of [receipts!, weights!]) {
      expect(step.uses).toMatch(/^actions\/attest@/);
      expect(step.if).toBe(open);
    }
    expect(receipts!.with).toEqual({ "subject-path": `${work}/release/*.receipt.json` });
    expect(weights!.with).toEqual({ "subject-checksums": `${work}/attest/SHA256SUMS` });
    expect(publish!.if).toBe(prepared);
    const { "dry-run": _, ...same } = prepare!.with!;
    expect(publish!.with).toEqual(same);
  });

  test("keep the result of each job also if it failed, for the job that reports it", () => {
    const of = (name: string) =>
      jobs[name]!.steps!.filter(({ with: inputs }) =>
        String(inputs?.path).endsWith("/oqe-result-*.json"),
      );
    const names = ["check", "push-cards", "cards", "release"].map((name) => {
      const [keep, ...more] = of(name);
      expect([keep!.if, keep!.with!.overwrite, more]).toEqual([
        ...[expression("!cancelled()"), true, []],
      ]);
      expect(ofAction(jobs[name]!).with!["work-dir"], name).toBe(work);
      return keep!.with!.name;
    });
    expect(names).toEqual(
      ["check", "push-cards", "cards", "release"].map((name) => `oqe-results-of-${name}`),
    );
    const report = ofAction(series.jobs.report!).with!;
    const told = ["push-cards", "cards", "release"].map((name) => [
      name,
      expression(`needs.${name}.result`),
    ]);
    expect(JSON.parse(String(report.jobs))).toEqual(Object.fromEntries(told));
  });

  test("hand on sensitivities and results, and no weights", () => {
    const uploads = own.flatMap(([name, { steps = [] }]) =>
      steps.flatMap(({ uses, with: inputs }) =>
        uses?.startsWith("actions/upload-artifact@") ? [[name, inputs!.path]] : [],
      ),
    );
    expect(uploads).toEqual([
      ["check", `${work}/oqe-result-*.json`],
      ["push-cards", `${work}/oqe-result-*.json`],
      ["cards", `${work}/oqe-result-*.json`],
      ["release", `${work}/oqe-result-*.json`],
      ["access", `${work}/oqe-result-*.json`],
      ["measure", `${work}/sensitivities/*.json`],
      ["measure", `${work}/oqe-result-*.json`],
      ["seal", `${work}/oqe-result-*.json`],
    ]);
  });

  test("let runs of a model wait for each other; none is lost, and one model fails alone", () => {
    expect(model.concurrency).toEqual({
      group: `oqe-series-${expression("inputs.name")}`,
      "cancel-in-progress": false,
      queue: "max",
    });
    const groups = ["push-cards", "cards", "release", "report"].map(
      (name) => series.jobs[name]!.concurrency!,
    );
    expect(groups.map(({ queue }) => queue)).toEqual(groups.map(() => "max"));
    expect(new Set(groups.map(({ group }) => group)).size).toBe(groups.length);
    expect(series.jobs.series!.strategy!["fail-fast"]).toBe(false);
    expect(model.jobs.tune!.strategy!["fail-fast"]).toBe(false);
    // Seal makes the tier of a lost job, so that alone fails neither the model nor its release.
    const tolerant = Object.entries(jobs).filter(([, job]) => job["continue-on-error"]);
    expect(tolerant.map(([name]) => name)).toEqual(["tune", "tune-ahead"]);
    // The command looks at the results: it needs to know what had to be made.
    expect(series.jobs.release!.if).not.toContain("needs.series.result");
    expect(ofAction(series.jobs.release!).with!.models).toBe(
      expression("needs.check.outputs.models"),
    );
    // Seal measures too, if the runner of Measure was lost.
    expect(model.jobs.measure!.outputs!.outcome).toBe(expression("steps.measure.outcome"));
    expect(model.jobs.seal!.if).toMatch(/&&\s+needs\.measure\.outputs\.outcome != 'failure'$/m);
    // Both commit to the main of a tier.
    expect(series.jobs["push-cards"]!.needs).toEqual(["check", "series"]);
    // Also behind a job that was lost.
    const after = ["push-cards", "cards", "release", "report"].map((name) => series.jobs[name]!);
    for (const job of [model.jobs.seal!, ...after]) expect(job.if).toContain("!cancelled()");
    expect(series.jobs.report!.needs).toEqual([
      "check",
      "series",
      "push-cards",
      "cards",
      "release",
    ]);
  });

  test("run nothing but the plan for a pull request, whose series file anyone can write", () => {
    expect(series.jobs.plan!.if).toBe("github.event_name == 'pull_request'");
    expect(series.jobs.check!.if).toBe("github.event_name != 'pull_request'");
    for (const [name, { needs, if: condition = "" }] of Object.entries(series.jobs)) {
      if (["plan", "check"].includes(name)) continue;
      expect([needs].flat(), name).toContain("check");
      // A skipped check has no outputs; an empty one is not "[]".
      expect(condition, name).toMatch(
        /check\.result == 'success'|check\.outputs\.mode == 'release'|^\$\{\{ !cancelled\(\) && github\.event_name != 'pull_request'|^needs\.check\.outputs/,
      );
    }
  });
});
