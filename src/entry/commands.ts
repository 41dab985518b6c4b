import { writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { plural } from "../card/figures.ts";
import { paintFor } from "../ground/color.ts";
import { onDisk, tryFile } from "../ground/disk.ts";
import { exitCodes, OqeError } from "../ground/errors.ts";
import { wrap, wrapped } from "../ground/wrap.ts";
import { optionalCount, wholeNumber } from "../inputs/input-kinds.ts";
import { parseModel } from "../inputs/input-values.ts";
import { parseInputs, parsePlaces, type ReadInput } from "../inputs/inputs.ts";
import { startLocalHub } from "../local-hub/local-hub.ts";
import { measureModel, planModel, publishModel, quantizeModel } from "../pipeline.ts";
import { explainPlan } from "../plan/explain.ts";
import { writeSensitivity } from "../sensitivity/sensitivity-file.ts";
import { rewriteCard } from "../series/card-files.ts";
import { TimeIsUp } from "../series/time-limit.ts";
import { verify } from "../series/verify.ts";
import { readModel } from "../series-file/read-model.ts";
import { writeSite } from "../site/write-site.ts";
import { type Call, type Outlet, openCall } from "./call.ts";
import { checkLocally, checksAsJson, failureOf, formatChecks } from "./check-local.ts";
import { parseCommandLine } from "./command-line.ts";
import type { CommandName } from "./command-table.ts";
import { completionScript } from "./completion.ts";
import { openDependencies } from "./dependencies.ts";
import { formatEvaluation } from "./evaluation-table.ts";
import { helpPage } from "./help.ts";
import { describeFirstFiles, writeFirstFiles } from "./init.ts";
import { formatExplanation, formatPlan, formatUnquantized } from "./plan-table.ts";
import { formatRun } from "./run-table.ts";
import { whenStopped } from "./supervise.ts";

const runs: Readonly<Record<CommandName, (call: Call) => Promise<void> | void>> = {
  plan,
  sensitivity: measure,
  quantize,
  publish,
  verify: verifyTarget,
  check,
  card,
  site,
  init,
  hub,
  completion,
};

/**
 * Runs one command line. The result goes to `write` (stdout), everything else to stderr. Gives the
 * exit code of a run that ended as it should, or that its user stopped. Throws OqeError.
 */
export async function runCommand(argv: readonly string[], outlet: Outlet): Promise<number> {
  const { environment, write, columns } = outlet;
  const paint = paintFor(environment, columns !== undefined);
  const line = parseCommandLine(argv, helpPage(write, columns, paint));
  if (line === null) return 0;
  const call = await openCall(line, argv, outlet);
  const { stop, sayCosts } = call;
  const unwatch = whenStopped(() => stop.ask());
  try {
    await Promise.resolve(runs[line.command.name](call)).finally(sayCosts);
    return 0;
  } catch (error) {
    if (!stop.isAsked || !(error instanceof OqeError) || error.code !== "TIME") throw error;
    stop.say(error instanceof TimeIsUp ? error.where : "");
    return exitCodes.stopped;
  } finally {
    unwatch();
  }
}

async function plan({ inputs, flags, dependencies, print, columns }: Call) {
  const parsed = inputs();
  const {
    plan: series,
    base,
    sensitivity,
  } = await planModel(parsed, dependencies(parsed), { measures: flags.measure === true });
  const how = sensitivity === null ? "fixed rules" : "measured sensitivity";
  const title = `${stateOf(series.model, series.revision)}, planned by ${how}`;
  const table = () =>
    [
      ...wrap(title, columns),
      formatPlan(series, columns),
      ...formatUnquantized(series).flatMap((line) => wrapped(line, columns)),
    ].join("\n");
  if (flags.explain !== true) return print(series, table);
  const tiers = series.tiers.map((tier) => ({
    ...tier,
    roles: explainPlan(tier, base.tensors, base.storage, sensitivity),
  }));
  const explain = () =>
    tiers.map((tier) => formatExplanation(tier, tier.roles, columns)).join("\n\n");
  return print({ ...series, tiers }, () => `${table()}\n\n${explain()}`);
}

/** A model and its commit. The hash of a folder says nothing to people. */
function stateOf(name: string, revision: string): string {
  return /^[0-9a-f]{40}$/.test(revision) ? `${name} at ${revision}` : `the folder ${name}`;
}

/** Prints the sensitivity, or writes it to the file of --out. */
async function measure({ inputs, flags, dependencies, print, write }: Call) {
  const parsed = inputs();
  if (flags.out === "") {
    const hint = "Leave it out to print the sensitivity.";
    throw new OqeError("BAD_INPUT", "--out names no file", hint);
  }
  const path = typeof flags.out === "string" ? resolve(flags.out) : null;
  if (path !== null) await tryFile(path);
  const text = writeSensitivity(await measureModel(parsed, dependencies(parsed)));
  if (path === null) return write(text);
  await onDisk(path, text.length, () => writeFile(path, text));
  return print({ sensitivity: path }, () => path);
}

async function quantize({ inputs, flags, dependencies, print, columns, paint }: Call) {
  const parsed = inputs();
  if (typeof flags.out !== "string" || flags.out === "") {
    const hint = "The tiers are written to <folder>/<Model>-<tier>/.";
    throw new OqeError("BAD_INPUT", "oqe quantize needs --out <folder>", hint);
  }
  const made = await quantizeModel(parsed, resolve(flags.out), dependencies(parsed));
  const { plan: series, folders, receipts, stopped, failure } = made;
  const tiers = series.tiers.map((tier) => {
    const receipt = receipts.find(({ plan }) => plan.tier === tier.tier) ?? null;
    return { plan: tier, receipt, outcome: receipt === null ? "unfinished" : "written" } as const;
  });
  const text = () => [series.model, formatRun(tiers, columns, paint), ...folders].join("\n");
  await print({ ...series, folders }, text);
  if (failure !== null) throw failure;
  if (stopped !== null) throw stopped;
}

async function publish({ inputs, dependencies, print, columns, paint }: Call) {
  const parsed = inputs();
  const published = await publishModel(parsed, dependencies(parsed));
  const { plan: series, tiers, made, current, stopped, failure } = published;
  const ended = series.tiers.map((tier) => ({
    plan: tier,
    receipt: [...made, ...current].find(({ plan }) => plan.tier === tier.tier) ?? null,
    outcome: tiers.find((one) => one.tier === tier.tier)?.outcome ?? "failed",
  }));
  // A tier that is held back may have no repository yet.
  const isOnHub = (outcome: string) => ["published", "unchanged", "proposed"].includes(outcome);
  const places = tiers.map(({ url, folder, outcome }) =>
    isOnHub(outcome) ? url : (folder ?? url),
  );
  const text = () => [series.model, formatRun(ended, columns, paint), ...places].join("\n");
  await print({ ...series, repositories: tiers }, text);
  if (failure !== null) throw failure;
  if (stopped !== null) throw stopped;
}

async function verifyTarget({ target, inputs, flags, dependencies, print, columns }: Call) {
  const parsed = inputs();
  const isNamed = typeof flags.base === "string" && flags.base !== "";
  const asked = { ...parsed, baseModel: isNamed ? parsed.baseModel : null };
  const verified = await verify(parseModel(target, ""), asked, dependencies(parsed));
  const { evaluation, failure, conclusion } = verified;
  const title = stateOf(verified.target.name, verified.target.revision);
  await print(
    evaluation,
    () => `${title}\n${formatEvaluation(evaluation, columns)}\n${conclusion}`,
  );
  if (failure !== null) throw failure;
}

async function check({ target, flags, read, variables, report, print, columns }: Call) {
  const workers = optionalCount("", 1, 64).parse(read("workers"), "workers");
  const connection = { ...parsePlaces(read, variables), workers };
  const ofWorkflow: ReadInput = (name) => (name === "base-model" ? "" : read(name));
  const checks = await checkLocally({
    ...openDependencies(connection, report, ""),
    file: target,
    series: typeof flags.series === "string" && flags.series !== "" ? flags.series : null,
    inputsOf: (model) => parseInputs(readModel(model, ofWorkflow), variables),
  });
  await print(checksAsJson(checks.models), () => formatChecks(checks.models, columns));
  const failure = failureOf(checks);
  if (failure !== null) throw failure;
}

async function card({ target, print, report }: Call) {
  const path = await rewriteCard(resolve(target), report);
  return print({ card: path }, () => path);
}

/** Prints the place of the page in its last line. */
async function site({ targets, flags, print, report }: Call) {
  const out = typeof flags.out === "string" && flags.out !== "" ? flags.out : "index.html";
  const made = await writeSite(targets, { out, isLocal: flags.local === true }, report);
  return print(made, () => `${plural(made.tiers, "tier")}\n${made.page}`);
}

async function init({ target, flags, print }: Call) {
  const made = await writeFirstFiles(resolve(target), flags);
  return print(made, () => describeFirstFiles(made));
}

async function hub({ target, flags, print, stop }: Call) {
  const port = wholeNumber(String(flags.port ?? 0), "port", [0, 65535]);
  const server = await startLocalHub({ folder: resolve(target), port });
  const call = "oqe publish <model> --namespace <name>";
  const text = `HF_ENDPOINT=${server.url} HF_TOKEN=hf_rehearsal ${call}\n  stop it with Ctrl-C`;
  await print({ endpoint: server.url }, () => `${server.url}\n  ${text}`);
  await stop.served();
  await server.close();
}

function completion({ target, write }: Call): void {
  write(completionScript(target));
}
