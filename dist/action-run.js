import { f as warning, i as getInput, l as setOutput, p as summary, u as setSecret } from "./core.js";
import { a as publishModel, c as parseInputs, d as renderSummary, f as costsSoFar, i as stagesOf, l as unusedInputs, o as gateFailures, p as runWords, r as numberStages, s as decorate, t as openDependencies, u as actionsReport } from "./commands.js";
import { D as reasonOf, _ as OqeError, p as grouped } from "./memory.js";

// src/github/occasion.ts
/**
* The event that started this run, as GitHub's toolkit reads it. null if it cannot be read: the
* toolkit throws on a damaged event file. Only the text of a commit depends on it.
*/
async function readOccasion() {
	try {
		return (await import("./github.js")).context;
	} catch {
		return null;
	}
}
/**
* The event that started this run, for the commits on the Hub: `tag v1.2.0 of acme/models`. Empty
* outside GitHub. `repository`: `owner/name` of the workflow.
*/
function describeOccasion(occasion, repository = "") {
	if (!occasion?.eventName || repository === "") return "";
	const { eventName, ref = "", sha = "" } = occasion;
	const tag = /^refs\/tags\/(.+)$/.exec(ref);
	if (tag !== null) return `tag ${tag[1]} of ${repository}`;
	return `${eventName} of ${repository} at ${sha.slice(0, 12)}`;
}
/**
* The Action as the workflow names it, `owner/name@ref`. null outside GitHub, and where it runs
* from the repository's own files.
*/
function describeAction(environment) {
	const { GITHUB_ACTION_REPOSITORY: repository = "", GITHUB_ACTION_REF: ref = "" } = environment;
	return repository === "" || ref === "" ? null : `${repository}@${ref}`;
}

// src/entry/job-summary.ts
/** In bytes. GitHub drops a larger summary. */
const largestSummary = 1048576;
/**
* Writes the job summary. A summary that cannot be made, or that is too large for GitHub, becomes a
* list of the repositories. One that cannot be written is a warning. Never throws.
*/
async function writeSummary(facts, { render, write, warn }) {
	const text = await decorate({ warn }, {
		what: "the job summary",
		make: () => render(facts),
		placeholder: shortSummary(facts, "could not be made")
	});
	const bytes = Buffer.byteLength(text);
	if (bytes > largestSummary) warn(`the job summary is too large: ${grouped(bytes)} of at most ${grouped(largestSummary)} bytes`);
	const fitting = bytes > largestSummary ? shortSummary(facts, "is too large for GitHub") : text;
	const make = () => write(fitting);
	await decorate({ warn }, {
		what: "the job summary",
		make,
		placeholder: null
	});
}
/** The outcome of each repository, without formatting that could fail. */
function shortSummary({ repositories }, reason) {
	return `The summary of this run ${reason}.\n\n${repositories.map(({ repository, outcome }) => `- \`${repository}\`: ${outcome}`).join("\n")}\n`;
}

// src/entry/action-run.ts
/** One run of the Action: inputs \u2192 publish \u2192 outputs and job summary. Throws the failure. */
async function runAction() {
	const read = (name) => getInput(name);
	const inputs = parseInputs(read, process.env);
	if (inputs.hubToken !== null) setSecret(inputs.hubToken);
	const report = actionsReport();
	const warnings = unusedInputs(read, inputs);
	for (const line of warnings) report.warn(line);
	const occasion = describeOccasion(await readOccasion(), process.env.GITHUB_REPOSITORY);
	const numbered = numberStages(report, stagesOf("publish", inputs));
	const { traffic, ...dependencies } = openDependencies(inputs, numbered, occasion);
	const published = await publishModel(inputs, dependencies).finally(() => report.info(runWords(costsSoFar(traffic))));
	const unset = setOutputs(published);
	await summarize(inputs, published, {
		warnings,
		costs: costsSoFar(traffic)
	});
	const failure = published.failure ?? unset;
	if (failure !== null) throw failure;
}
/**
* Sets the outputs of action.yml. Gives the failure instead of throwing it, so that the caller can
* write the summary first.
*/
function setOutputs({ plan, made, tiers, stopped }) {
	const evaluations = made.map(({ plan: { tier }, evaluation }) => [tier, evaluation]);
	const pending = tiers.filter(({ outcome }) => outcome === "unfinished");
	const outputs = {
		repositories: JSON.stringify(tiers),
		evaluations: JSON.stringify(Object.fromEntries(evaluations)),
		changed: String(tiers.some((tier) => tier.outcome === "published")),
		revision: plan.revision,
		complete: String(stopped === null),
		pending: JSON.stringify(pending.map(({ tier }) => tier))
	};
	try {
		for (const [name, value] of Object.entries(outputs)) setOutput(name, value);
		return null;
	} catch (cause) {
		return new OqeError("DISK", `the outputs cannot be set: ${reasonOf(cause)}`, "The tiers are finished. Check the runner's GITHUB_OUTPUT.", cause);
	}
}
function summarize(inputs, { plan, made, tiers, expected, stopped }, { warnings, costs }) {
	const { model, revision } = plan;
	const facts = {
		series: plan.tiers.map(({ modules: _, ...row }) => row),
		base: {
			id: inputs.baseModel.kind === "hub" ? model : null,
			name: model,
			revision
		},
		repositories: tiers,
		made,
		dryRun: inputs.dryRun,
		private: inputs.private,
		run: {
			...costs,
			action: describeAction(process.env),
			expected
		},
		warnings: [
			...warnings,
			...gateFailures(made),
			...stopped === null ? [] : [stopped.message]
		]
	};
	return writeSummary(facts, {
		render: renderSummary,
		write: (text) => summary.addRaw(text).write(),
		warn: (line) => warning(line)
	});
}

export { runAction };