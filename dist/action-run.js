import { o as __toESM, r as __commonJSMin } from "./undici.js";
import { a as getIDToken, d as setSecret, m as summary, o as getInput, p as warning, u as setOutput } from "./core.js";
import { $n as readJson, $t as figuresOf, A as openDependencies, B as publishModel, C as filesOnHub, Cn as parseInputs, Ct as checkTagName, D as checkBaseReads, Dt as cardPath, E as tokensOf, Er as upkeepCommands, Et as writeSums, Fr as isRepositoryId, G as findForeignWork, Ir as pathFault, It as pictureFilePaths, J as checkWrites, K as refuseForeignWork, L as readModel, Lr as printable, Lt as drawPictures, M as readSeriesFile, Mt as costsSoFar, Nt as runWords, O as numberStages, Pr as checkRevision, Qn as parse, Rt as namePictures, S as filesInRepository, Sn as writeResult, St as readNotes, T as tierPlaces, Tn as unusedInputs, Tr as seriesCommands, Tt as sumsPath, W as inspectVisible, _n as renderNamed, a as planTable, ar as maxLength, b as cardInRepository, bn as readResults, br as unknown, bt as decorate, c as repositoryNames, cr as nullable, ct as changeTable, d as callerText, dr as object, en as readFigures, f as checkCallers, fr as optional, gr as regex$2, gt as parseReceipt, hr as record, in as estimate, j as findModel, jn as inputTable, jr as actionsReport, jt as renderSummary, k as stagesOf, l as checkModels, lt as gateFailures, mr as pipe, n as mostSubjects, p as tellCallers, pn as gigabytes, q as checkRights, r as requireReleasable, rr as integer, s as stateTable, sn as share, sr as minValue, t as mostFiles, tr as boolean, un as bitsPerWeight, ur as number, v as decodeCard, vn as table, w as readTier, wn as parsePlaces, wt as sha256Of, x as cardsFolder, xn as resultOf, xt as findEdits, y as readCheckedOut, yn as bareEnd, yr as string } from "./release-limits.js";
import { a as code, c as link$1, d as webAddress, l as prose, n as secretsIn, o as commentJson, r as withoutSecrets, s as inline } from "./message-place.js";
import { M as reasonOf, S as asKnown, g as grouped, x as OqeError } from "./memory.js";
import { t as RequestError } from "./dist-src.js";
import { t as failureWords } from "./failure-words.js";
import { createHash } from "node:crypto";
import { join, resolve } from "node:path";
import { mkdir, readFile as readFile$1, rm, stat, writeFile } from "node:fs/promises";

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
	const { eventName, sha = "" } = occasion;
	const tag = tagOf(occasion);
	if (tag !== null) return printable(`tag ${tag} of ${repository}`);
	return printable(`${eventName} of ${repository} at ${sha.slice(0, 12)}`);
}
/** The tag that started this run; null: another event did. */
function tagOf(occasion) {
	return /^refs\/tags\/(.+)$/s.exec(occasion?.ref ?? "")?.[1] ?? null;
}
/**
* The Action as the workflow names it, `owner/name@ref`. null outside GitHub, and where it runs
* from the repository's own files.
*/
function describeAction(environment) {
	const { GITHUB_ACTION_REPOSITORY: repository = "", GITHUB_ACTION_REF: ref = "" } = environment;
	return repository === "" || ref === "" ? null : `${repository}@${ref}`;
}
/**
* Whether nobody watches the run: a schedule or a webhook started it, or it goes on with such a run
* that stopped at its time limit. series.yml lets its own token start the latter, so that a bot is
* their actor also where a person's token is given. What goes on at a tag was begun by a person.
*/
function isUnattended({ GITHUB_EVENT_NAME, GITHUB_ACTOR, GITHUB_REF }) {
	if (GITHUB_EVENT_NAME !== "workflow_dispatch") return ["schedule", "repository_dispatch"].includes(GITHUB_EVENT_NAME ?? "");
	return GITHUB_ACTOR?.endsWith("[bot]") === true && !GITHUB_REF?.startsWith("refs/tags/");
}

// src/inputs/action-inputs.ts
/** `environment`: see parseInputs; and GITHUB_WORKSPACE, where the series file is. */
function parseActionInputs(read, environment) {
	const parse = (name) => {
		const row = inputTable.find((one) => one.name === name);
		return row.parse(read(name).trim() || row.default, name);
	};
	const seriesFile = parse("series-file");
	return Object.freeze({
		command: parse("command"),
		seriesFile: {
			path: resolve(environment.GITHUB_WORKSPACE || ".", seriesFile),
			name: seriesFile
		},
		series: parse("series") || null,
		models: parse("models"),
		jobs: parse("jobs"),
		...parsePlaces(parse, environment),
		githubToken: parse("github-token") || null,
		dryRun: parse("dry-run"),
		workers: parse("workers")
	});
}
function isUpkeep(command) {
	return upkeepCommands.some((name) => name === command);
}

// src/entry/run-result.ts
/**
* Runs, and writes how it ended into the work folder, also if it threw: for the jobs that report
* it. Nothing is written for a model that the step's own inputs describe. Throws the failure.
*/
async function keepResult(asked, run) {
	const end = await run().catch((failure) => failedEnd(failure));
	await write(asked, end).catch((error) => {
		throw end.failure ?? error;
	});
	if (end.failure !== null) throw end.failure;
}
/**
* The same for a command on all models: whether it went well as a whole. `run` gives whether what
* it was asked for waits for others; then it is not complete. One that is asked for one model
* leaves a result only if it fails: the jobs behind it tell how that model went.
*/
async function keepUpkeep(asked, run) {
	const keep = (end) => writeFor(asked.series, asked, end);
	const waits = await run().catch(async (failure) => {
		await keep(failedEnd(failure)).catch(() => {});
		throw failure;
	});
	if (asked.series === null) await keep({
		...failedEnd(null),
		stopped: waits || null
	});
}
const failedEnd = (failure) => ({
	...bareEnd(failure),
	isHub: false
});
async function write(asked, end) {
	if (asked.series !== null) await writeFor(asked.series, asked, end);
}
async function writeFor(series, { command, workDir }, end) {
	const result = resultOf({
		series,
		command,
		isHub: end.isHub
	}, end);
	await writeResult(workDir, result, secretsIn(process.env));
}

// src/github/workflow-identity.ts
/**
* The identity of this workflow run, for a Hub that trusts it. null: GitHub offers none, because
* the job lacks the permission `id-token: write`.
*/
function readIdentity(environment) {
	if (!environment.ACTIONS_ID_TOKEN_REQUEST_URL) return null;
	const [path = ""] = (environment.GITHUB_WORKFLOW_REF ?? "").split("@");
	return {
		identityToken: (audience) => getIDToken(audience),
		mask: setSecret,
		repository: environment.GITHUB_REPOSITORY ?? "",
		workflow: path.split("/").at(-1) || null,
		ref: environment.GITHUB_REF ?? ""
	};
}

// src/entry/hub-access.ts
/** Commands that write to repositories of the Hub, or check that they may. */
const writing = [
	"publish",
	"tune",
	"tune-ahead",
	"seal",
	"access",
	"push-cards"
];
/**
* The Hub token. Without one, a command that writes to the Hub uses the identity of this workflow,
* if the job may ask GitHub for it.
*/
function hubAccess({ command }, { hubToken, dryRun }) {
	return hubToken === null && !dryRun && writing.includes(command) ? readIdentity(process.env) : hubToken;
}

// src/entry/job-summary.ts
/** In bytes. GitHub drops a larger summary. */
const largestSummary = 1048576;
/**
* Writes the job summary. A summary that cannot be made, or that is too large for GitHub, becomes a
* list of the repositories. One that cannot be written is a warning. Never throws.
*/
async function writeSummary(facts, { render, write, warn }) {
	await writeText(await decorate({ warn }, {
		what: "the job summary",
		make: () => render(facts),
		placeholder: shortSummary(facts, "could not be made")
	}), shortSummary(facts, "is too large for GitHub"), {
		write,
		warn
	});
}
/** Writes `text`, or `short` if GitHub would drop it. Never throws. */
async function writeText(text, short, { write, warn }) {
	const bytes = Buffer.byteLength(text);
	if (bytes > largestSummary) warn(`the job summary is too large: ${grouped(bytes)} of at most ${grouped(largestSummary)} bytes`);
	const make = () => write(bytes > largestSummary ? short : text);
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

// src/entry/series-run.ts
/** Where a summary goes. */
const jobSummary = {
	write: (text) => summary.addRaw(text).write(),
	warn: (line) => warning(line)
};
/** Makes one series or a part of it, sets the outputs, writes the summary. Throws the failure. */
function runSeries(run) {
	return keepResult(run.asked, () => makeSeries(run));
}
async function makeSeries({ asked, read: given, ...run }) {
	const { report, occasion, tag } = run;
	const model = asked.series === null ? null : await findSeries(asked.series, asked);
	const read = model === null ? given : readModel(model, given);
	const inputs = parseInputs(read, process.env);
	const warnings = unusedInputs(read, inputs);
	for (const line of warnings) report.warn(line);
	const numbered = numberStages(report, stagesOf("publish", inputs));
	const { traffic, ...dependencies } = openDependencies({
		...inputs,
		hubToken: hubAccess(asked, inputs)
	}, numbered, occasion);
	const announcing = {
		tag,
		collection: model?.collection ? model.name : null,
		isWhole: given("tiers").trim() === ""
	};
	const making = {
		...dependencies,
		keepsBetter: run.isUnattended,
		announcing
	};
	const published = await publishModel(inputs, making).finally(() => report.info(runWords(costsSoFar(traffic))));
	const unset = setOutputs(published, inputs);
	await summarize(inputs, published, {
		warnings,
		costs: costsSoFar(traffic)
	});
	const isHub = inputs.baseModel.kind === "hub";
	return {
		...published,
		isHub,
		failure: published.failure ?? unset
	};
}
async function findSeries(name, { seriesFile }) {
	return findModel(await readSeriesFile(seriesFile), name);
}
/**
* Sets the outputs of action.yml. Gives the failure instead of throwing it, so that the caller can
* write the summary first.
*/
function setOutputs({ plan, made, tiers, stopped, paysAhead }, { method }) {
	const evaluations = made.map(({ plan: { tier }, evaluation }) => [tier, evaluation]);
	const pending = tiers.filter(({ outcome }) => outcome === "unfinished");
	const outputs = {
		repositories: JSON.stringify(tiers),
		evaluations: JSON.stringify(Object.fromEntries(evaluations)),
		changed: String(tiers.some((tier) => tier.outcome === "published")),
		revision: plan.revision,
		complete: String(stopped === null),
		pending: JSON.stringify(pending.map(({ tier }) => tier)),
		ahead: String(paysAhead),
		staged: JSON.stringify(method === "rounded" ? [] : pending.map(({ tier }) => tier))
	};
	try {
		for (const [name, value] of Object.entries(outputs)) setOutput(name, value);
		return null;
	} catch (cause) {
		return new OqeError("DISK", `the outputs cannot be set: ${reasonOf(cause)}`, "The tiers are finished. Check the runner's GITHUB_OUTPUT.", cause);
	}
}
function summarize(inputs, { plan, made, tiers, comparisons, expected, announced, stopped }, { warnings, costs }) {
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
		kept: comparisons.filter(({ isWorse }) => isWorse),
		...announced && { announced },
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
		...jobSummary
	});
}

// src/upkeep/each-model.ts
/**
* Runs `work` for each model that the run is asked for. Its lines, in Markdown, are the summary. A
* model that fails is told there and does not stop the others. The failure of the run is the only
* one, or names all. A result file in the work folder tells the command `report` of each; that of a
* run for one model is the entry's.
*/
async function forEachModel({ asked, file, inputsOf, report }, title, work) {
	const isAsked = ({ name }) => asked.models?.includes(name) ?? true;
	const models = asked.series ? [findModel(file, asked.series)] : file.models.filter(isAsked);
	const lines = [];
	const failures = [];
	for (const model of models) {
		const run = () => work(model, inputsOf(model));
		let failure = null;
		const done = await report.stage(model.name, run).catch((error) => {
			failure = asKnown(error);
			const where = `${model.place} (${model.name})`;
			failures.push({
				where,
				failure
			});
			report.warn(`${where}: ${failure.message}`);
			const [reason = ""] = failure.message.split("\n");
			return [`failed: ${inline(reason)} (${failure.code})`];
		});
		const result = {
			series: model.name,
			command: asked.command,
			isHub: true
		};
		if (asked.series === null) await writeResult(asked.workDir, resultOf(result, bareEnd(failure)), tokensOf(asked));
		lines.push(...done.map((line) => `- **${inline(model.name)}**: ${line}`));
	}
	return {
		outputs: {},
		summary: lines.length === 0 ? "" : `## ${title}\n\n${lines.join("\n")}\n`,
		failure: failureOf$1(failures)
	};
}
function failureOf$1(failures) {
	const [first, ...others] = failures;
	if (first === void 0) return null;
	const { code, hint, message } = first.failure;
	if (others.length === 0) return new OqeError(code, `${first.where}: ${message}`, hint);
	const words = failures.map(({ where, failure }) => `${where}: ${failure.message.split("\n")[0]}`);
	return new OqeError(code, `${failures.length} models failed: ${words.join("; ")}`, hint);
}

// src/upkeep/access.ts
/**
* Checks, without writing, that the Hub token may write to every tier repository of the models that
* are to be made, or may make it, and that it may read the base, as the jobs that tune do. Runs
* before any job that measures, and reads one byte of the model.
*/
async function checkAccess(request) {
	const { report } = request;
	const hub = request.connect();
	/** The account is asked once for each namespace. */
	const rights = /* @__PURE__ */ new Map();
	return forEachModel(request, "Write access", async (model, inputs) => {
		const { namespace } = inputs;
		const known = rights.get(namespace) ?? checkRights(hub, inputs, report);
		rights.set(namespace, known);
		const writable = await known;
		await checkBaseReads(hub, inputs, "access");
		const states = /* @__PURE__ */ new Map();
		for (const { repository } of tierPlaces(model.name, inputs)) states.set({ recipe: { repository } }, await hub.inspect(repository));
		await checkWrites(hub, states, {
			writable,
			report
		});
		const missing = [...states].find(([, { exists }]) => !exists)?.[0].recipe.repository;
		if (missing !== void 0) await checkMembership(hub, namespace, missing);
		return [`all repositories may be written; ${[...states.values()].filter(({ exists }) => exists).length} of ${states.size} exist; the base may be read`];
	});
}
/**
* Throws FORBIDDEN if a repository has to be made where the account of the token is no member. The
* Hub lists all organizations for a token with the role write; of other tokens it tells less.
*/
async function checkMembership(hub, namespace, repository) {
	if (hub.access !== "token") return;
	const identity = await hub.identify().catch(() => null);
	if (identity === null || identity.canWrite !== true || identity.writable !== null) return;
	const { name, organizations } = identity;
	const own = [name, ...organizations.map((one) => one.name)];
	if (own.includes(namespace)) return;
	throw new OqeError("FORBIDDEN", `the token of ${name} may not create ${repository}: ${namespace} is neither its user nor one of its organizations (it may write to ${own.join(", ")})`, "Correct namespace in the series file, or save a token of a member with the role write.");
}

// node_modules/bottleneck/light.js
var require_light = /* @__PURE__ */ __commonJSMin(((exports, module, this$1) => {
	/**
	* This file contains the Bottleneck library (MIT), compiled to ES2017, and without Clustering support.
	* https://github.com/SGrondin/bottleneck
	*/
	(function(global, factory) {
		typeof exports === "object" && typeof module !== "undefined" ? module.exports = factory() : typeof define === "function" && define.amd ? define(factory) : global.Bottleneck = factory();
	})(this$1, (function() {
		"use strict";
		var commonjsGlobal = typeof globalThis !== "undefined" ? globalThis : typeof window !== "undefined" ? window : typeof global !== "undefined" ? global : typeof self !== "undefined" ? self : {};
		function getCjsExportFromNamespace(n) {
			return n && n["default"] || n;
		}
		var load = function(received, defaults, onto = {}) {
			var k, ref, v;
			for (k in defaults) {
				v = defaults[k];
				onto[k] = (ref = received[k]) != null ? ref : v;
			}
			return onto;
		};
		var overwrite = function(received, defaults, onto = {}) {
			var k, v;
			for (k in received) {
				v = received[k];
				if (defaults[k] !== void 0) onto[k] = v;
			}
			return onto;
		};
		var parser = {
			load,
			overwrite
		};
		var DLList_1 = class DLList {
			constructor(incr, decr) {
				this.incr = incr;
				this.decr = decr;
				this._first = null;
				this._last = null;
				this.length = 0;
			}
			push(value) {
				var node;
				this.length++;
				if (typeof this.incr === "function") this.incr();
				node = {
					value,
					prev: this._last,
					next: null
				};
				if (this._last != null) {
					this._last.next = node;
					this._last = node;
				} else this._first = this._last = node;
			}
			shift() {
				var value;
				if (this._first == null) return;
				else {
					this.length--;
					if (typeof this.decr === "function") this.decr();
				}
				value = this._first.value;
				if ((this._first = this._first.next) != null) this._first.prev = null;
				else this._last = null;
				return value;
			}
			first() {
				if (this._first != null) return this._first.value;
			}
			getArray() {
				var node = this._first, ref, results = [];
				while (node != null) results.push((ref = node, node = node.next, ref.value));
				return results;
			}
			forEachShift(cb) {
				var node = this.shift();
				while (node != null) cb(node), node = this.shift();
			}
			debug() {
				var node = this._first, ref, ref1, ref2, results = [];
				while (node != null) results.push((ref = node, node = node.next, {
					value: ref.value,
					prev: (ref1 = ref.prev) != null ? ref1.value : void 0,
					next: (ref2 = ref.next) != null ? ref2.value : void 0
				}));
				return results;
			}
		};
		var Events_1 = class Events {
			constructor(instance) {
				this.instance = instance;
				this._events = {};
				if (this.instance.on != null || this.instance.once != null || this.instance.removeAllListeners != null) throw new Error("An Emitter already exists for this object");
				this.instance.on = (name, cb) => {
					return this._addListener(name, "many", cb);
				};
				this.instance.once = (name, cb) => {
					return this._addListener(name, "once", cb);
				};
				this.instance.removeAllListeners = (name = null) => {
					if (name != null) return delete this._events[name];
					else return this._events = {};
				};
			}
			_addListener(name, status, cb) {
				var base;
				if ((base = this._events)[name] == null) base[name] = [];
				this._events[name].push({
					cb,
					status
				});
				return this.instance;
			}
			listenerCount(name) {
				if (this._events[name] != null) return this._events[name].length;
				else return 0;
			}
			async trigger(name, ...args) {
				var e, promises;
				try {
					if (name !== "debug") this.trigger("debug", `Event triggered: ${name}`, args);
					if (this._events[name] == null) return;
					this._events[name] = this._events[name].filter(function(listener) {
						return listener.status !== "none";
					});
					promises = this._events[name].map(async (listener) => {
						var e, returned;
						if (listener.status === "none") return;
						if (listener.status === "once") listener.status = "none";
						try {
							returned = typeof listener.cb === "function" ? listener.cb(...args) : void 0;
							if (typeof (returned != null ? returned.then : void 0) === "function") return await returned;
							else return returned;
						} catch (error) {
							e = error;
							this.trigger("error", e);
							return null;
						}
					});
					return (await Promise.all(promises)).find(function(x) {
						return x != null;
					});
				} catch (error) {
					e = error;
					this.trigger("error", e);
					return null;
				}
			}
		};
		var DLList$1 = DLList_1, Events$1 = Events_1;
		var Queues_1 = class Queues {
			constructor(num_priorities) {
				this.Events = new Events$1(this);
				this._length = 0;
				this._lists = (function() {
					var j, ref, results = [];
					for (j = 1, ref = num_priorities; 1 <= ref ? j <= ref : j >= ref; 1 <= ref ? ++j : --j) results.push(new DLList$1((() => {
						return this.incr();
					}), (() => {
						return this.decr();
					})));
					return results;
				}).call(this);
			}
			incr() {
				if (this._length++ === 0) return this.Events.trigger("leftzero");
			}
			decr() {
				if (--this._length === 0) return this.Events.trigger("zero");
			}
			push(job) {
				return this._lists[job.options.priority].push(job);
			}
			queued(priority) {
				if (priority != null) return this._lists[priority].length;
				else return this._length;
			}
			shiftAll(fn) {
				return this._lists.forEach(function(list) {
					return list.forEachShift(fn);
				});
			}
			getFirst(arr = this._lists) {
				var j = 0, len = arr.length, list;
				for (; j < len; j++) {
					list = arr[j];
					if (list.length > 0) return list;
				}
				return [];
			}
			shiftLastFrom(priority) {
				return this.getFirst(this._lists.slice(priority).reverse()).shift();
			}
		};
		var BottleneckError_1 = class BottleneckError extends Error {};
		var BottleneckError$1, DEFAULT_PRIORITY, Job, NUM_PRIORITIES = 10, parser$1;
		DEFAULT_PRIORITY = 5;
		parser$1 = parser;
		BottleneckError$1 = BottleneckError_1;
		Job = class Job {
			constructor(task, args, options, jobDefaults, rejectOnDrop, Events, _states, Promise) {
				this.task = task;
				this.args = args;
				this.rejectOnDrop = rejectOnDrop;
				this.Events = Events;
				this._states = _states;
				this.Promise = Promise;
				this.options = parser$1.load(options, jobDefaults);
				this.options.priority = this._sanitizePriority(this.options.priority);
				if (this.options.id === jobDefaults.id) this.options.id = `${this.options.id}-${this._randomIndex()}`;
				this.promise = new this.Promise((_resolve, _reject) => {
					this._resolve = _resolve;
					this._reject = _reject;
				});
				this.retryCount = 0;
			}
			_sanitizePriority(priority) {
				var sProperty = ~~priority !== priority ? DEFAULT_PRIORITY : priority;
				if (sProperty < 0) return 0;
				else if (sProperty > NUM_PRIORITIES - 1) return NUM_PRIORITIES - 1;
				else return sProperty;
			}
			_randomIndex() {
				return Math.random().toString(36).slice(2);
			}
			doDrop({ error, message = "This job has been dropped by Bottleneck" } = {}) {
				if (this._states.remove(this.options.id)) {
					if (this.rejectOnDrop) this._reject(error != null ? error : new BottleneckError$1(message));
					this.Events.trigger("dropped", {
						args: this.args,
						options: this.options,
						task: this.task,
						promise: this.promise
					});
					return true;
				} else return false;
			}
			_assertStatus(expected) {
				var status = this._states.jobStatus(this.options.id);
				if (!(status === expected || expected === "DONE" && status === null)) throw new BottleneckError$1(`Invalid job status ${status}, expected ${expected}. Please open an issue at https://github.com/SGrondin/bottleneck/issues`);
			}
			doReceive() {
				this._states.start(this.options.id);
				return this.Events.trigger("received", {
					args: this.args,
					options: this.options
				});
			}
			doQueue(reachedHWM, blocked) {
				this._assertStatus("RECEIVED");
				this._states.next(this.options.id);
				return this.Events.trigger("queued", {
					args: this.args,
					options: this.options,
					reachedHWM,
					blocked
				});
			}
			doRun() {
				if (this.retryCount === 0) {
					this._assertStatus("QUEUED");
					this._states.next(this.options.id);
				} else this._assertStatus("EXECUTING");
				return this.Events.trigger("scheduled", {
					args: this.args,
					options: this.options
				});
			}
			async doExecute(chained, clearGlobalState, run, free) {
				var error, eventInfo, passed;
				if (this.retryCount === 0) {
					this._assertStatus("RUNNING");
					this._states.next(this.options.id);
				} else this._assertStatus("EXECUTING");
				eventInfo = {
					args: this.args,
					options: this.options,
					retryCount: this.retryCount
				};
				this.Events.trigger("executing", eventInfo);
				try {
					passed = await (chained != null ? chained.schedule(this.options, this.task, ...this.args) : this.task(...this.args));
					if (clearGlobalState()) {
						this.doDone(eventInfo);
						await free(this.options, eventInfo);
						this._assertStatus("DONE");
						return this._resolve(passed);
					}
				} catch (error1) {
					error = error1;
					return this._onFailure(error, eventInfo, clearGlobalState, run, free);
				}
			}
			doExpire(clearGlobalState, run, free) {
				var error, eventInfo;
				if (this._states.jobStatus(this.options.id === "RUNNING")) this._states.next(this.options.id);
				this._assertStatus("EXECUTING");
				eventInfo = {
					args: this.args,
					options: this.options,
					retryCount: this.retryCount
				};
				error = new BottleneckError$1(`This job timed out after ${this.options.expiration} ms.`);
				return this._onFailure(error, eventInfo, clearGlobalState, run, free);
			}
			async _onFailure(error, eventInfo, clearGlobalState, run, free) {
				var retry, retryAfter;
				if (clearGlobalState()) {
					retry = await this.Events.trigger("failed", error, eventInfo);
					if (retry != null) {
						retryAfter = ~~retry;
						this.Events.trigger("retry", `Retrying ${this.options.id} after ${retryAfter} ms`, eventInfo);
						this.retryCount++;
						return run(retryAfter);
					} else {
						this.doDone(eventInfo);
						await free(this.options, eventInfo);
						this._assertStatus("DONE");
						return this._reject(error);
					}
				}
			}
			doDone(eventInfo) {
				this._assertStatus("EXECUTING");
				this._states.next(this.options.id);
				return this.Events.trigger("done", eventInfo);
			}
		};
		var Job_1 = Job;
		var BottleneckError$2, LocalDatastore, parser$2 = parser;
		BottleneckError$2 = BottleneckError_1;
		LocalDatastore = class LocalDatastore {
			constructor(instance, storeOptions, storeInstanceOptions) {
				this.instance = instance;
				this.storeOptions = storeOptions;
				this.clientId = this.instance._randomIndex();
				parser$2.load(storeInstanceOptions, storeInstanceOptions, this);
				this._nextRequest = this._lastReservoirRefresh = this._lastReservoirIncrease = Date.now();
				this._running = 0;
				this._done = 0;
				this._unblockTime = 0;
				this.ready = this.Promise.resolve();
				this.clients = {};
				this._startHeartbeat();
			}
			_startHeartbeat() {
				var base;
				if (this.heartbeat == null && (this.storeOptions.reservoirRefreshInterval != null && this.storeOptions.reservoirRefreshAmount != null || this.storeOptions.reservoirIncreaseInterval != null && this.storeOptions.reservoirIncreaseAmount != null)) return typeof (base = this.heartbeat = setInterval(() => {
					var amount, incr, maximum, now = Date.now(), reservoir;
					if (this.storeOptions.reservoirRefreshInterval != null && now >= this._lastReservoirRefresh + this.storeOptions.reservoirRefreshInterval) {
						this._lastReservoirRefresh = now;
						this.storeOptions.reservoir = this.storeOptions.reservoirRefreshAmount;
						this.instance._drainAll(this.computeCapacity());
					}
					if (this.storeOptions.reservoirIncreaseInterval != null && now >= this._lastReservoirIncrease + this.storeOptions.reservoirIncreaseInterval) {
						({reservoirIncreaseAmount: amount, reservoirIncreaseMaximum: maximum, reservoir} = this.storeOptions);
						this._lastReservoirIncrease = now;
						incr = maximum != null ? Math.min(amount, maximum - reservoir) : amount;
						if (incr > 0) {
							this.storeOptions.reservoir += incr;
							return this.instance._drainAll(this.computeCapacity());
						}
					}
				}, this.heartbeatInterval)).unref === "function" ? base.unref() : void 0;
				else return clearInterval(this.heartbeat);
			}
			async __publish__(message) {
				await this.yieldLoop();
				return this.instance.Events.trigger("message", message.toString());
			}
			async __disconnect__(flush) {
				await this.yieldLoop();
				clearInterval(this.heartbeat);
				return this.Promise.resolve();
			}
			yieldLoop(t = 0) {
				return new this.Promise(function(resolve, reject) {
					return setTimeout(resolve, t);
				});
			}
			computePenalty() {
				var ref;
				return (ref = this.storeOptions.penalty) != null ? ref : 15 * this.storeOptions.minTime || 5e3;
			}
			async __updateSettings__(options) {
				await this.yieldLoop();
				parser$2.overwrite(options, options, this.storeOptions);
				this._startHeartbeat();
				this.instance._drainAll(this.computeCapacity());
				return true;
			}
			async __running__() {
				await this.yieldLoop();
				return this._running;
			}
			async __queued__() {
				await this.yieldLoop();
				return this.instance.queued();
			}
			async __done__() {
				await this.yieldLoop();
				return this._done;
			}
			async __groupCheck__(time) {
				await this.yieldLoop();
				return this._nextRequest + this.timeout < time;
			}
			computeCapacity() {
				var maxConcurrent, reservoir;
				({maxConcurrent, reservoir} = this.storeOptions);
				if (maxConcurrent != null && reservoir != null) return Math.min(maxConcurrent - this._running, reservoir);
				else if (maxConcurrent != null) return maxConcurrent - this._running;
				else if (reservoir != null) return reservoir;
				else return null;
			}
			conditionsCheck(weight) {
				var capacity = this.computeCapacity();
				return capacity == null || weight <= capacity;
			}
			async __incrementReservoir__(incr) {
				var reservoir;
				await this.yieldLoop();
				reservoir = this.storeOptions.reservoir += incr;
				this.instance._drainAll(this.computeCapacity());
				return reservoir;
			}
			async __currentReservoir__() {
				await this.yieldLoop();
				return this.storeOptions.reservoir;
			}
			isBlocked(now) {
				return this._unblockTime >= now;
			}
			check(weight, now) {
				return this.conditionsCheck(weight) && this._nextRequest - now <= 0;
			}
			async __check__(weight) {
				var now;
				await this.yieldLoop();
				now = Date.now();
				return this.check(weight, now);
			}
			async __register__(index, weight, expiration) {
				var now, wait;
				await this.yieldLoop();
				now = Date.now();
				if (this.conditionsCheck(weight)) {
					this._running += weight;
					if (this.storeOptions.reservoir != null) this.storeOptions.reservoir -= weight;
					wait = Math.max(this._nextRequest - now, 0);
					this._nextRequest = now + wait + this.storeOptions.minTime;
					return {
						success: true,
						wait,
						reservoir: this.storeOptions.reservoir
					};
				} else return { success: false };
			}
			strategyIsBlock() {
				return this.storeOptions.strategy === 3;
			}
			async __submit__(queueLength, weight) {
				var blocked, now, reachedHWM;
				await this.yieldLoop();
				if (this.storeOptions.maxConcurrent != null && weight > this.storeOptions.maxConcurrent) throw new BottleneckError$2(`Impossible to add a job having a weight of ${weight} to a limiter having a maxConcurrent setting of ${this.storeOptions.maxConcurrent}`);
				now = Date.now();
				reachedHWM = this.storeOptions.highWater != null && queueLength === this.storeOptions.highWater && !this.check(weight, now);
				blocked = this.strategyIsBlock() && (reachedHWM || this.isBlocked(now));
				if (blocked) {
					this._unblockTime = now + this.computePenalty();
					this._nextRequest = this._unblockTime + this.storeOptions.minTime;
					this.instance._dropAllQueued();
				}
				return {
					reachedHWM,
					blocked,
					strategy: this.storeOptions.strategy
				};
			}
			async __free__(index, weight) {
				await this.yieldLoop();
				this._running -= weight;
				this._done += weight;
				this.instance._drainAll(this.computeCapacity());
				return { running: this._running };
			}
		};
		var LocalDatastore_1 = LocalDatastore;
		var BottleneckError$3 = BottleneckError_1;
		var States_1 = class States {
			constructor(status1) {
				this.status = status1;
				this._jobs = {};
				this.counts = this.status.map(function() {
					return 0;
				});
			}
			next(id) {
				var current = this._jobs[id], next = current + 1;
				if (current != null && next < this.status.length) {
					this.counts[current]--;
					this.counts[next]++;
					return this._jobs[id]++;
				} else if (current != null) {
					this.counts[current]--;
					return delete this._jobs[id];
				}
			}
			start(id) {
				var initial = 0;
				this._jobs[id] = initial;
				return this.counts[initial]++;
			}
			remove(id) {
				var current = this._jobs[id];
				if (current != null) {
					this.counts[current]--;
					delete this._jobs[id];
				}
				return current != null;
			}
			jobStatus(id) {
				var ref;
				return (ref = this.status[this._jobs[id]]) != null ? ref : null;
			}
			statusJobs(status) {
				var k, pos, ref, results, v;
				if (status != null) {
					pos = this.status.indexOf(status);
					if (pos < 0) throw new BottleneckError$3(`status must be one of ${this.status.join(", ")}`);
					ref = this._jobs;
					results = [];
					for (k in ref) {
						v = ref[k];
						if (v === pos) results.push(k);
					}
					return results;
				} else return Object.keys(this._jobs);
			}
			statusCounts() {
				return this.counts.reduce(((acc, v, i) => {
					acc[this.status[i]] = v;
					return acc;
				}), {});
			}
		};
		var DLList$2 = DLList_1;
		var Sync_1 = class Sync {
			constructor(name, Promise) {
				this.schedule = this.schedule.bind(this);
				this.name = name;
				this.Promise = Promise;
				this._running = 0;
				this._queue = new DLList$2();
			}
			isEmpty() {
				return this._queue.length === 0;
			}
			async _tryToRun() {
				var args, cb, error, reject, resolve, returned, task;
				if (this._running < 1 && this._queue.length > 0) {
					this._running++;
					({task, args, resolve, reject} = this._queue.shift());
					cb = await (async function() {
						try {
							returned = await task(...args);
							return function() {
								return resolve(returned);
							};
						} catch (error1) {
							error = error1;
							return function() {
								return reject(error);
							};
						}
					})();
					this._running--;
					this._tryToRun();
					return cb();
				}
			}
			schedule(task, ...args) {
				var promise, reject, resolve = reject = null;
				promise = new this.Promise(function(_resolve, _reject) {
					resolve = _resolve;
					return reject = _reject;
				});
				this._queue.push({
					task,
					args,
					resolve,
					reject
				});
				this._tryToRun();
				return promise;
			}
		};
		var version = "2.19.5";
		var version$2 = /*#__PURE__*/ Object.freeze({
			version,
			default: { version }
		});
		var require$$2 = () => console.log("You must import the full version of Bottleneck in order to use this feature.");
		var require$$3 = () => console.log("You must import the full version of Bottleneck in order to use this feature.");
		var require$$4 = () => console.log("You must import the full version of Bottleneck in order to use this feature.");
		var Events$2, Group, IORedisConnection$1, RedisConnection$1, Scripts$1, parser$3 = parser;
		Events$2 = Events_1;
		RedisConnection$1 = require$$2;
		IORedisConnection$1 = require$$3;
		Scripts$1 = require$$4;
		Group = (function() {
			class Group {
				constructor(limiterOptions = {}) {
					this.deleteKey = this.deleteKey.bind(this);
					this.limiterOptions = limiterOptions;
					parser$3.load(this.limiterOptions, this.defaults, this);
					this.Events = new Events$2(this);
					this.instances = {};
					this.Bottleneck = Bottleneck_1;
					this._startAutoCleanup();
					this.sharedConnection = this.connection != null;
					if (this.connection == null) {
						if (this.limiterOptions.datastore === "redis") this.connection = new RedisConnection$1(Object.assign({}, this.limiterOptions, { Events: this.Events }));
						else if (this.limiterOptions.datastore === "ioredis") this.connection = new IORedisConnection$1(Object.assign({}, this.limiterOptions, { Events: this.Events }));
					}
				}
				key(key = "") {
					var ref;
					return (ref = this.instances[key]) != null ? ref : (() => {
						var limiter = this.instances[key] = new this.Bottleneck(Object.assign(this.limiterOptions, {
							id: `${this.id}-${key}`,
							timeout: this.timeout,
							connection: this.connection
						}));
						this.Events.trigger("created", limiter, key);
						return limiter;
					})();
				}
				async deleteKey(key = "") {
					var deleted, instance = this.instances[key];
					if (this.connection) deleted = await this.connection.__runCommand__(["del", ...Scripts$1.allKeys(`${this.id}-${key}`)]);
					if (instance != null) {
						delete this.instances[key];
						await instance.disconnect();
					}
					return instance != null || deleted > 0;
				}
				limiters() {
					var k, ref = this.instances, results = [], v;
					for (k in ref) {
						v = ref[k];
						results.push({
							key: k,
							limiter: v
						});
					}
					return results;
				}
				keys() {
					return Object.keys(this.instances);
				}
				async clusterKeys() {
					var cursor, end, found, i, k, keys, len, next, start;
					if (this.connection == null) return this.Promise.resolve(this.keys());
					keys = [];
					cursor = null;
					start = `b_${this.id}-`.length;
					end = 9;
					while (cursor !== 0) {
						[next, found] = await this.connection.__runCommand__([
							"scan",
							cursor != null ? cursor : 0,
							"match",
							`b_${this.id}-*_settings`,
							"count",
							1e4
						]);
						cursor = ~~next;
						for (i = 0, len = found.length; i < len; i++) {
							k = found[i];
							keys.push(k.slice(start, -end));
						}
					}
					return keys;
				}
				_startAutoCleanup() {
					var base;
					clearInterval(this.interval);
					return typeof (base = this.interval = setInterval(async () => {
						var e, k, ref, results, time = Date.now(), v;
						ref = this.instances;
						results = [];
						for (k in ref) {
							v = ref[k];
							try {
								if (await v._store.__groupCheck__(time)) results.push(this.deleteKey(k));
								else results.push(void 0);
							} catch (error) {
								e = error;
								results.push(v.Events.trigger("error", e));
							}
						}
						return results;
					}, this.timeout / 2)).unref === "function" ? base.unref() : void 0;
				}
				updateSettings(options = {}) {
					parser$3.overwrite(options, this.defaults, this);
					parser$3.overwrite(options, options, this.limiterOptions);
					if (options.timeout != null) return this._startAutoCleanup();
				}
				disconnect(flush = true) {
					var ref;
					if (!this.sharedConnection) return (ref = this.connection) != null ? ref.disconnect(flush) : void 0;
				}
			}
			Group.prototype.defaults = {
				timeout: 3e5,
				connection: null,
				Promise,
				id: "group-key"
			};
			return Group;
		}).call(commonjsGlobal);
		var Group_1 = Group;
		var Batcher, Events$3, parser$4 = parser;
		Events$3 = Events_1;
		Batcher = (function() {
			class Batcher {
				constructor(options = {}) {
					this.options = options;
					parser$4.load(this.options, this.defaults, this);
					this.Events = new Events$3(this);
					this._arr = [];
					this._resetPromise();
					this._lastFlush = Date.now();
				}
				_resetPromise() {
					return this._promise = new this.Promise((res, rej) => {
						return this._resolve = res;
					});
				}
				_flush() {
					clearTimeout(this._timeout);
					this._lastFlush = Date.now();
					this._resolve();
					this.Events.trigger("batch", this._arr);
					this._arr = [];
					return this._resetPromise();
				}
				add(data) {
					var ret;
					this._arr.push(data);
					ret = this._promise;
					if (this._arr.length === this.maxSize) this._flush();
					else if (this.maxTime != null && this._arr.length === 1) this._timeout = setTimeout(() => {
						return this._flush();
					}, this.maxTime);
					return ret;
				}
			}
			Batcher.prototype.defaults = {
				maxTime: null,
				maxSize: null,
				Promise
			};
			return Batcher;
		}).call(commonjsGlobal);
		var Batcher_1 = Batcher;
		var require$$4$1 = () => console.log("You must import the full version of Bottleneck in order to use this feature.");
		var require$$8 = getCjsExportFromNamespace(version$2);
		var Bottleneck, DEFAULT_PRIORITY$1, Events$4, Job$1, LocalDatastore$1, NUM_PRIORITIES$1, Queues$1, RedisDatastore$1, States$1, Sync$1, parser$5, splice = [].splice;
		NUM_PRIORITIES$1 = 10;
		DEFAULT_PRIORITY$1 = 5;
		parser$5 = parser;
		Queues$1 = Queues_1;
		Job$1 = Job_1;
		LocalDatastore$1 = LocalDatastore_1;
		RedisDatastore$1 = require$$4$1;
		Events$4 = Events_1;
		States$1 = States_1;
		Sync$1 = Sync_1;
		Bottleneck = (function() {
			class Bottleneck {
				constructor(options = {}, ...invalid) {
					var storeInstanceOptions, storeOptions;
					this._addToQueue = this._addToQueue.bind(this);
					this._validateOptions(options, invalid);
					parser$5.load(options, this.instanceDefaults, this);
					this._queues = new Queues$1(NUM_PRIORITIES$1);
					this._scheduled = {};
					this._states = new States$1([
						"RECEIVED",
						"QUEUED",
						"RUNNING",
						"EXECUTING"
					].concat(this.trackDoneStatus ? ["DONE"] : []));
					this._limiter = null;
					this.Events = new Events$4(this);
					this._submitLock = new Sync$1("submit", this.Promise);
					this._registerLock = new Sync$1("register", this.Promise);
					storeOptions = parser$5.load(options, this.storeDefaults, {});
					this._store = (function() {
						if (this.datastore === "redis" || this.datastore === "ioredis" || this.connection != null) {
							storeInstanceOptions = parser$5.load(options, this.redisStoreDefaults, {});
							return new RedisDatastore$1(this, storeOptions, storeInstanceOptions);
						} else if (this.datastore === "local") {
							storeInstanceOptions = parser$5.load(options, this.localStoreDefaults, {});
							return new LocalDatastore$1(this, storeOptions, storeInstanceOptions);
						} else throw new Bottleneck.prototype.BottleneckError(`Invalid datastore type: ${this.datastore}`);
					}).call(this);
					this._queues.on("leftzero", () => {
						var ref;
						return (ref = this._store.heartbeat) != null ? typeof ref.ref === "function" ? ref.ref() : void 0 : void 0;
					});
					this._queues.on("zero", () => {
						var ref;
						return (ref = this._store.heartbeat) != null ? typeof ref.unref === "function" ? ref.unref() : void 0 : void 0;
					});
				}
				_validateOptions(options, invalid) {
					if (!(options != null && typeof options === "object" && invalid.length === 0)) throw new Bottleneck.prototype.BottleneckError("Bottleneck v2 takes a single object argument. Refer to https://github.com/SGrondin/bottleneck#upgrading-to-v2 if you're upgrading from Bottleneck v1.");
				}
				ready() {
					return this._store.ready;
				}
				clients() {
					return this._store.clients;
				}
				channel() {
					return `b_${this.id}`;
				}
				channel_client() {
					return `b_${this.id}_${this._store.clientId}`;
				}
				publish(message) {
					return this._store.__publish__(message);
				}
				disconnect(flush = true) {
					return this._store.__disconnect__(flush);
				}
				chain(_limiter) {
					this._limiter = _limiter;
					return this;
				}
				queued(priority) {
					return this._queues.queued(priority);
				}
				clusterQueued() {
					return this._store.__queued__();
				}
				empty() {
					return this.queued() === 0 && this._submitLock.isEmpty();
				}
				running() {
					return this._store.__running__();
				}
				done() {
					return this._store.__done__();
				}
				jobStatus(id) {
					return this._states.jobStatus(id);
				}
				jobs(status) {
					return this._states.statusJobs(status);
				}
				counts() {
					return this._states.statusCounts();
				}
				_randomIndex() {
					return Math.random().toString(36).slice(2);
				}
				check(weight = 1) {
					return this._store.__check__(weight);
				}
				_clearGlobalState(index) {
					if (this._scheduled[index] != null) {
						clearTimeout(this._scheduled[index].expiration);
						delete this._scheduled[index];
						return true;
					} else return false;
				}
				async _free(index, job, options, eventInfo) {
					var e, running;
					try {
						({running} = await this._store.__free__(index, options.weight));
						this.Events.trigger("debug", `Freed ${options.id}`, eventInfo);
						if (running === 0 && this.empty()) return this.Events.trigger("idle");
					} catch (error1) {
						e = error1;
						return this.Events.trigger("error", e);
					}
				}
				_run(index, job, wait) {
					var clearGlobalState, free, run;
					job.doRun();
					clearGlobalState = this._clearGlobalState.bind(this, index);
					run = this._run.bind(this, index, job);
					free = this._free.bind(this, index, job);
					return this._scheduled[index] = {
						timeout: setTimeout(() => {
							return job.doExecute(this._limiter, clearGlobalState, run, free);
						}, wait),
						expiration: job.options.expiration != null ? setTimeout(function() {
							return job.doExpire(clearGlobalState, run, free);
						}, wait + job.options.expiration) : void 0,
						job
					};
				}
				_drainOne(capacity) {
					return this._registerLock.schedule(() => {
						var args, index, next, options, queue;
						if (this.queued() === 0) return this.Promise.resolve(null);
						queue = this._queues.getFirst();
						({options, args} = next = queue.first());
						if (capacity != null && options.weight > capacity) return this.Promise.resolve(null);
						this.Events.trigger("debug", `Draining ${options.id}`, {
							args,
							options
						});
						index = this._randomIndex();
						return this._store.__register__(index, options.weight, options.expiration).then(({ success, wait, reservoir }) => {
							var empty;
							this.Events.trigger("debug", `Drained ${options.id}`, {
								success,
								args,
								options
							});
							if (success) {
								queue.shift();
								empty = this.empty();
								if (empty) this.Events.trigger("empty");
								if (reservoir === 0) this.Events.trigger("depleted", empty);
								this._run(index, next, wait);
								return this.Promise.resolve(options.weight);
							} else return this.Promise.resolve(null);
						});
					});
				}
				_drainAll(capacity, total = 0) {
					return this._drainOne(capacity).then((drained) => {
						var newCapacity;
						if (drained != null) {
							newCapacity = capacity != null ? capacity - drained : capacity;
							return this._drainAll(newCapacity, total + drained);
						} else return this.Promise.resolve(total);
					}).catch((e) => {
						return this.Events.trigger("error", e);
					});
				}
				_dropAllQueued(message) {
					return this._queues.shiftAll(function(job) {
						return job.doDrop({ message });
					});
				}
				stop(options = {}) {
					var done, waitForExecuting;
					options = parser$5.load(options, this.stopDefaults);
					waitForExecuting = (at) => {
						var finished = () => {
							var counts = this._states.counts;
							return counts[0] + counts[1] + counts[2] + counts[3] === at;
						};
						return new this.Promise((resolve, reject) => {
							if (finished()) return resolve();
							else return this.on("done", () => {
								if (finished()) {
									this.removeAllListeners("done");
									return resolve();
								}
							});
						});
					};
					done = options.dropWaitingJobs ? (this._run = function(index, next) {
						return next.doDrop({ message: options.dropErrorMessage });
					}, this._drainOne = () => {
						return this.Promise.resolve(null);
					}, this._registerLock.schedule(() => {
						return this._submitLock.schedule(() => {
							var k, ref = this._scheduled, v;
							for (k in ref) {
								v = ref[k];
								if (this.jobStatus(v.job.options.id) === "RUNNING") {
									clearTimeout(v.timeout);
									clearTimeout(v.expiration);
									v.job.doDrop({ message: options.dropErrorMessage });
								}
							}
							this._dropAllQueued(options.dropErrorMessage);
							return waitForExecuting(0);
						});
					})) : this.schedule({
						priority: NUM_PRIORITIES$1 - 1,
						weight: 0
					}, () => {
						return waitForExecuting(1);
					});
					this._receive = function(job) {
						return job._reject(new Bottleneck.prototype.BottleneckError(options.enqueueErrorMessage));
					};
					this.stop = () => {
						return this.Promise.reject(new Bottleneck.prototype.BottleneckError("stop() has already been called"));
					};
					return done;
				}
				async _addToQueue(job) {
					var args, blocked, error, options, reachedHWM, shifted, strategy;
					({args, options} = job);
					try {
						({reachedHWM, blocked, strategy} = await this._store.__submit__(this.queued(), options.weight));
					} catch (error1) {
						error = error1;
						this.Events.trigger("debug", `Could not queue ${options.id}`, {
							args,
							options,
							error
						});
						job.doDrop({ error });
						return false;
					}
					if (blocked) {
						job.doDrop();
						return true;
					} else if (reachedHWM) {
						shifted = strategy === Bottleneck.prototype.strategy.LEAK ? this._queues.shiftLastFrom(options.priority) : strategy === Bottleneck.prototype.strategy.OVERFLOW_PRIORITY ? this._queues.shiftLastFrom(options.priority + 1) : strategy === Bottleneck.prototype.strategy.OVERFLOW ? job : void 0;
						if (shifted != null) shifted.doDrop();
						if (shifted == null || strategy === Bottleneck.prototype.strategy.OVERFLOW) {
							if (shifted == null) job.doDrop();
							return reachedHWM;
						}
					}
					job.doQueue(reachedHWM, blocked);
					this._queues.push(job);
					await this._drainAll();
					return reachedHWM;
				}
				_receive(job) {
					if (this._states.jobStatus(job.options.id) != null) {
						job._reject(new Bottleneck.prototype.BottleneckError(`A job with the same id already exists (id=${job.options.id})`));
						return false;
					} else {
						job.doReceive();
						return this._submitLock.schedule(this._addToQueue, job);
					}
				}
				submit(...args) {
					var cb, fn, job, options, ref, ref1, task;
					if (typeof args[0] === "function") {
						ref = args, [fn, ...args] = ref, [cb] = splice.call(args, -1);
						options = parser$5.load({}, this.jobDefaults);
					} else {
						ref1 = args, [options, fn, ...args] = ref1, [cb] = splice.call(args, -1);
						options = parser$5.load(options, this.jobDefaults);
					}
					task = (...args) => {
						return new this.Promise(function(resolve, reject) {
							return fn(...args, function(...args) {
								return (args[0] != null ? reject : resolve)(args);
							});
						});
					};
					job = new Job$1(task, args, options, this.jobDefaults, this.rejectOnDrop, this.Events, this._states, this.Promise);
					job.promise.then(function(args) {
						return typeof cb === "function" ? cb(...args) : void 0;
					}).catch(function(args) {
						if (Array.isArray(args)) return typeof cb === "function" ? cb(...args) : void 0;
						else return typeof cb === "function" ? cb(args) : void 0;
					});
					return this._receive(job);
				}
				schedule(...args) {
					var job, options, task;
					if (typeof args[0] === "function") {
						[task, ...args] = args;
						options = {};
					} else [options, task, ...args] = args;
					job = new Job$1(task, args, options, this.jobDefaults, this.rejectOnDrop, this.Events, this._states, this.Promise);
					this._receive(job);
					return job.promise;
				}
				wrap(fn) {
					var schedule = this.schedule.bind(this), wrapped = function(...args) {
						return schedule(fn.bind(this), ...args);
					};
					wrapped.withOptions = function(options, ...args) {
						return schedule(options, fn, ...args);
					};
					return wrapped;
				}
				async updateSettings(options = {}) {
					await this._store.__updateSettings__(parser$5.overwrite(options, this.storeDefaults));
					parser$5.overwrite(options, this.instanceDefaults, this);
					return this;
				}
				currentReservoir() {
					return this._store.__currentReservoir__();
				}
				incrementReservoir(incr = 0) {
					return this._store.__incrementReservoir__(incr);
				}
			}
			Bottleneck.default = Bottleneck;
			Bottleneck.Events = Events$4;
			Bottleneck.version = Bottleneck.prototype.version = require$$8.version;
			Bottleneck.strategy = Bottleneck.prototype.strategy = {
				LEAK: 1,
				OVERFLOW: 2,
				OVERFLOW_PRIORITY: 4,
				BLOCK: 3
			};
			Bottleneck.BottleneckError = Bottleneck.prototype.BottleneckError = BottleneckError_1;
			Bottleneck.Group = Bottleneck.prototype.Group = Group_1;
			Bottleneck.RedisConnection = Bottleneck.prototype.RedisConnection = require$$2;
			Bottleneck.IORedisConnection = Bottleneck.prototype.IORedisConnection = require$$3;
			Bottleneck.Batcher = Bottleneck.prototype.Batcher = Batcher_1;
			Bottleneck.prototype.jobDefaults = {
				priority: DEFAULT_PRIORITY$1,
				weight: 1,
				expiration: null,
				id: "<no-id>"
			};
			Bottleneck.prototype.storeDefaults = {
				maxConcurrent: null,
				minTime: 0,
				highWater: null,
				strategy: Bottleneck.prototype.strategy.LEAK,
				penalty: null,
				reservoir: null,
				reservoirRefreshInterval: null,
				reservoirRefreshAmount: null,
				reservoirIncreaseInterval: null,
				reservoirIncreaseAmount: null,
				reservoirIncreaseMaximum: null
			};
			Bottleneck.prototype.localStoreDefaults = {
				Promise,
				timeout: null,
				heartbeatInterval: 250
			};
			Bottleneck.prototype.redisStoreDefaults = {
				Promise,
				timeout: null,
				heartbeatInterval: 5e3,
				clientTimeout: 1e4,
				Redis: null,
				clientOptions: {},
				clusterNodes: null,
				clearDatastore: false,
				connection: null
			};
			Bottleneck.prototype.instanceDefaults = {
				datastore: "local",
				connection: null,
				id: "<no-id>",
				rejectOnDrop: true,
				trackDoneStatus: false,
				Promise
			};
			Bottleneck.prototype.stopDefaults = {
				enqueueErrorMessage: "This limiter has been stopped and cannot accept new jobs.",
				dropWaitingJobs: true,
				dropErrorMessage: "This limiter has been stopped."
			};
			return Bottleneck;
		}).call(commonjsGlobal);
		var Bottleneck_1 = Bottleneck;
		return Bottleneck_1;
	}));
}));

// node_modules/@octokit/plugin-retry/dist-bundle/index.js
var import_light = /* @__PURE__ */ __toESM(require_light(), 1);
var VERSION$1 = "0.0.0-development";
function isRequestError(error) {
	return error.request !== void 0;
}
async function errorRequest(state, octokit, error, options) {
	if (!isRequestError(error) || !error?.request.request) throw error;
	if (error.status >= 400 && !state.doNotRetry.includes(error.status)) {
		const retries = options.request.retries != null ? options.request.retries : state.retries;
		const retryAfter = Math.pow((options.request.retryCount || 0) + 1, 2);
		throw octokit.retry.retryRequest(error, retries, retryAfter);
	}
	throw error;
}
async function wrapRequest$1(state, octokit, request, options) {
	const limiter = new import_light.default();
	limiter.on("failed", function(error, info) {
		const maxRetries = ~~error.request.request?.retries;
		const after = ~~error.request.request?.retryAfter;
		options.request.retryCount = info.retryCount + 1;
		if (maxRetries > info.retryCount) return after * state.retryAfterBaseValue;
	});
	return limiter.schedule(requestWithGraphqlErrorHandling.bind(null, state, octokit, request), options);
}
async function requestWithGraphqlErrorHandling(state, octokit, request, options) {
	const response = await request(options);
	if (response.data && response.data.errors && response.data.errors.length > 0 && /Something went wrong while executing your query/.test(response.data.errors[0].message)) return errorRequest(state, octokit, new RequestError(response.data.errors[0].message, 500, {
		request: options,
		response
	}), options);
	return response;
}
function retry(octokit, octokitOptions) {
	const state = Object.assign({
		enabled: true,
		retryAfterBaseValue: 1e3,
		doNotRetry: [
			400,
			401,
			403,
			404,
			410,
			422,
			451
		],
		retries: 3
	}, octokitOptions.retry);
	const retryPlugin = { retry: { retryRequest: (error, retries, retryAfter) => {
		error.request.request = Object.assign({}, error.request.request, {
			retries,
			retryAfter
		});
		return error;
	} } };
	if (state.enabled) {
		octokit.hook.error("request", errorRequest.bind(null, state, retryPlugin));
		octokit.hook.wrap("request", wrapRequest$1.bind(null, state, retryPlugin));
	}
	return retryPlugin;
}
retry.VERSION = VERSION$1;

// node_modules/@octokit/plugin-throttling/dist-bundle/index.js
var VERSION = "0.0.0-development";
var noop = () => Promise.resolve();
function wrapRequest(state, request, options) {
	return state.retryLimiter.schedule(doRequest, state, request, options);
}
async function doRequest(state, request, options) {
	const { pathname } = new URL(options.url, "http://github.test");
	const isAuth = isAuthRequest(options.method, pathname);
	const isWrite = !isAuth && options.method !== "GET" && options.method !== "HEAD";
	const isSearch = options.method === "GET" && pathname.startsWith("/search/");
	const isGraphQL = pathname.startsWith("/graphql");
	const jobOptions = ~~request.retryCount > 0 ? {
		priority: 0,
		weight: 0
	} : {};
	if (state.clustering) jobOptions.expiration = 6e4;
	if (isWrite || isGraphQL) await state.write.key(state.id).schedule(jobOptions, noop);
	if (isWrite && state.triggersNotification(pathname)) await state.notifications.key(state.id).schedule(jobOptions, noop);
	if (isSearch) await state.search.key(state.id).schedule(jobOptions, noop);
	const req = (isAuth ? state.auth : state.global).key(state.id).schedule(jobOptions, request, options);
	if (isGraphQL) {
		const res = await req;
		if (res.data.errors != null && res.data.errors.some((error) => error.type === "RATE_LIMITED")) throw Object.assign(/* @__PURE__ */ new Error("GraphQL Rate Limit Exceeded"), {
			response: res,
			data: res.data
		});
	}
	return req;
}
function isAuthRequest(method, pathname) {
	return method === "PATCH" && /^\/applications\/[^/]+\/token\/scoped$/.test(pathname) || method === "POST" && (/^\/applications\/[^/]+\/token$/.test(pathname) || /^\/app\/installations\/[^/]+\/access_tokens$/.test(pathname) || pathname === "/login/oauth/access_token");
}
var triggers_notification_paths_default = [
	"/orgs/{org}/invitations",
	"/orgs/{org}/invitations/{invitation_id}",
	"/orgs/{org}/teams/{team_slug}/discussions",
	"/orgs/{org}/teams/{team_slug}/discussions/{discussion_number}/comments",
	"/repos/{owner}/{repo}/collaborators/{username}",
	"/repos/{owner}/{repo}/commits/{commit_sha}/comments",
	"/repos/{owner}/{repo}/issues",
	"/repos/{owner}/{repo}/issues/{issue_number}/comments",
	"/repos/{owner}/{repo}/issues/{issue_number}/sub_issue",
	"/repos/{owner}/{repo}/issues/{issue_number}/sub_issues/priority",
	"/repos/{owner}/{repo}/pulls",
	"/repos/{owner}/{repo}/pulls/{pull_number}/comments",
	"/repos/{owner}/{repo}/pulls/{pull_number}/comments/{comment_id}/replies",
	"/repos/{owner}/{repo}/pulls/{pull_number}/merge",
	"/repos/{owner}/{repo}/pulls/{pull_number}/requested_reviewers",
	"/repos/{owner}/{repo}/pulls/{pull_number}/reviews",
	"/repos/{owner}/{repo}/releases",
	"/teams/{team_id}/discussions",
	"/teams/{team_id}/discussions/{discussion_number}/comments"
];
function routeMatcher(paths) {
	const regex2 = `^(?:${paths.map((path) => path.split("/").map((c) => c.startsWith("{") ? "(?:.+?)" : c).join("/")).map((r) => `(?:${r})`).join("|")})[^/]*$`;
	return new RegExp(regex2, "i");
}
var regex = routeMatcher(triggers_notification_paths_default);
var triggersNotification = regex.test.bind(regex);
var groups = {};
var createGroups = function(Bottleneck, common) {
	groups.global = new Bottleneck.Group({
		id: "octokit-global",
		maxConcurrent: 10,
		...common
	});
	groups.auth = new Bottleneck.Group({
		id: "octokit-auth",
		maxConcurrent: 1,
		...common
	});
	groups.search = new Bottleneck.Group({
		id: "octokit-search",
		maxConcurrent: 1,
		minTime: 2e3,
		...common
	});
	groups.write = new Bottleneck.Group({
		id: "octokit-write",
		maxConcurrent: 1,
		minTime: 1e3,
		...common
	});
	groups.notifications = new Bottleneck.Group({
		id: "octokit-notifications",
		maxConcurrent: 1,
		minTime: 3e3,
		...common
	});
};
function throttling(octokit, octokitOptions) {
	const { enabled = true, Bottleneck = import_light.default, id = "no-id", timeout = 12e4, connection } = octokitOptions.throttle || {};
	if (!enabled) return {};
	const common = { timeout };
	if (typeof connection !== "undefined") common.connection = connection;
	const state = Object.assign({
		clustering: connection != null,
		triggersNotification,
		fallbackSecondaryRateRetryAfter: 60,
		retryAfterBaseValue: 1e3,
		id
	}, octokitOptions.throttle);
	if (typeof state.onSecondaryRateLimit !== "function" || typeof state.onRateLimit !== "function") throw new Error(`octokit/plugin-throttling error:
        You must pass the onSecondaryRateLimit and onRateLimit error handlers.
        See https://octokit.github.io/rest.js/#throttling

        const octokit = new Octokit({
          throttle: {
            onSecondaryRateLimit: (retryAfter, options) => {/* ... */},
            onRateLimit: (retryAfter, options) => {/* ... */}
          }
        })
    `);
	let initialized = false;
	const initializeBottleneck = () => {
		if (initialized) return;
		initialized = true;
		if (groups.global == null) createGroups(Bottleneck, common);
		state.global = state.global ?? groups.global;
		state.auth = state.auth ?? groups.auth;
		state.search = state.search ?? groups.search;
		state.write = state.write ?? groups.write;
		state.notifications = state.notifications ?? groups.notifications;
		state.retryLimiter = state.retryLimiter ?? new Bottleneck();
		const events = {};
		const emitter = new Bottleneck.Events(events);
		events.on("secondary-limit", state.onSecondaryRateLimit);
		events.on("rate-limit", state.onRateLimit);
		events.on("error", (e) => octokit.log.warn("Error in throttling-plugin limit handler", e));
		state.retryLimiter.on("failed", async function(error, info) {
			const [state2, request, options] = info.args;
			const { pathname } = new URL(options.url, "http://github.test");
			if (!(pathname.startsWith("/graphql") && error.status !== 401 || error.status === 403 || error.status === 429)) return;
			const retryCount = ~~request.retryCount;
			request.retryCount = retryCount;
			options.request.retryCount = retryCount;
			const { wantRetry, retryAfter = 0 } = await (async function() {
				if (/\bsecondary rate\b/i.test(error.message)) {
					const retryAfter2 = Number(error.response.headers["retry-after"]) || state2.fallbackSecondaryRateRetryAfter;
					return {
						wantRetry: await emitter.trigger("secondary-limit", retryAfter2, options, octokit, retryCount),
						retryAfter: retryAfter2
					};
				}
				if (error.response.headers != null && error.response.headers["x-ratelimit-remaining"] === "0" || (error.response.data?.errors ?? []).some((error2) => error2.type === "RATE_LIMITED")) {
					const rateLimitReset = (/* @__PURE__ */ new Date(~~error.response.headers["x-ratelimit-reset"] * 1e3)).getTime();
					const retryAfter2 = Math.max(Math.ceil((rateLimitReset - Date.now()) / 1e3) + 1, 0);
					return {
						wantRetry: await emitter.trigger("rate-limit", retryAfter2, options, octokit, retryCount),
						retryAfter: retryAfter2
					};
				}
				return {};
			})();
			if (wantRetry) {
				request.retryCount++;
				return retryAfter * state2.retryAfterBaseValue;
			}
		});
	};
	octokit.hook.wrap("request", (request, options) => {
		initializeBottleneck();
		return wrapRequest(state, request, options);
	});
	return {};
}
throttling.VERSION = VERSION;
throttling.triggersNotification = triggersNotification;

// src/github/refusal.ts
function isRefused(error) {
	return error instanceof Error && typeof error.status === "number";
}
/**
* Whether the state on GitHub may differ from what was read before the failed call. A failed read
* has been repeated already.
*/
function isWorthAnother(error) {
	if (!isRefused(error)) return false;
	return isMoved(error) || error.status >= 500 && error.request?.method !== "GET";
}
/** Someone else was faster: a ref moved, or what was to be made is there. */
function isMoved({ status, message }) {
	if (status === 409) return true;
	return status === 422 && /fast.?forward|already exists|already_exists|Reference does not exist/i.test(message);
}
/** An error of Octokit as an OqeError: what failed, what GitHub said, what to do. */
function explain(error, verb, { repository, token }) {
	const cannot = `cannot ${verb.what} in ${repository}`;
	if (!isRefused(error)) return new OqeError("INTERNAL", cannot, void 0, withoutToken(error));
	const said = printable(withoutSecrets(error.message.split(" - http")[0], [token]));
	const { code, reason, hint } = reasonFor(error, verb, said);
	const answer = error.response === void 0 ? "" : ` (GitHub: ${error.status} "${said}")`;
	const page = isBarred(error, said) && verb.byHand !== void 0 ? byHand(verb.byHand) : "";
	return new OqeError(code, `${cannot}: ${reason}${answer}${page}`, hint);
}
/** The switch that lets Actions open pull requests is off. */
function isBarred({ status }, said) {
	return status === 403 && /not permitted to create or approve pull requests/i.test(said);
}
const byHand = (page) => `. Its branch is ready, so a person can open it: ${page}`;
/** An error without the request, whose headers hold the token. */
function withoutToken(error) {
	return new Error(reasonOf(error));
}
function reasonFor(error, verb, said) {
	const { status } = error;
	if (isRateLimit(error, said)) return rateLimit(error);
	if (status === 401) return unknownToken;
	if (isBarred(error, said)) return barred;
	if (status === 403) return forbidden(verb, said);
	if (status === 404) return notFound(verb);
	if (status === 410) return disabled;
	if (isMoved(error)) return moved;
	if (status >= 500) return unavailable(error);
	return {
		code: "BAD_INPUT",
		reason: "GitHub does not accept it",
		hint: "GitHub's answer names what it does not accept."
	};
}
function isRateLimit({ status, response }, said) {
	if (status !== 403 && status !== 429) return false;
	return status === 429 || /rate limit|abuse/i.test(said) || String(response?.headers?.["x-ratelimit-remaining"]) === "0";
}
function rateLimit({ response }) {
	const reset = Number(response?.headers?.["x-ratelimit-reset"]);
	return {
		code: "NETWORK",
		reason: "GitHub's rate limit is reached, and it ends later than a run waits (15 minutes)",
		hint: `Run again later.${Number.isFinite(reset) ? ` It ends at ${(/* @__PURE__ */ new Date(1e3 * reset)).toISOString().slice(0, 16).replace("T", " ")} UTC.` : ""} The job's own token has 1,000 requests an hour, which all jobs of the repository share.`
	};
}
const unknownToken = {
	code: "UNAUTHORIZED",
	reason: "GitHub does not know the token",
	hint: "Correct github-token: leave it out for the job's own token, or give a personal access token that has not expired. For a GitHub App give series.yml app-client-id and app-private-key."
};
const barred = {
	code: "FORBIDDEN",
	reason: "this repository does not let Actions open pull requests",
	hint: "In the repository's Settings > Actions > General > Workflow permissions, switch on \"Allow GitHub Actions to create and approve pull requests\"; an organization may have to allow it in its own settings first. Or give series.yml the secrets app-client-id and app-private-key of a GitHub App, or github-token of a person."
};
function forbidden({ permission }, said) {
	return {
		code: "FORBIDDEN",
		reason: /not accessible by|must have|permission|denied/i.test(said) ? "the token lacks the right" : "GitHub forbids it",
		hint: permission === null ? "GitHub's answer says why. A token may need to be allowed by the organization." : `Add "${permission}" to \`permissions:\` of the job, and of the job that calls the workflow. An App's or a personal access token needs the same right. A pull request from a fork runs with a token that can only read.`
	};
}
const notFound = ({ permission }) => ({
	code: "NOT_FOUND",
	reason: "it does not exist, or GitHub hides it from this token",
	hint: "Check that the repository, branch or number still exists." + (permission === null ? "" : ` In a private repository the job also needs "${permission}" in \`permissions:\`.`)
});
const disabled = {
	code: "FORBIDDEN",
	reason: "the repository has this feature switched off",
	hint: "Switch it on in the repository's Settings > General > Features."
};
const moved = {
	code: "CONFLICT",
	reason: "someone else changes the same thing at the same time",
	hint: "Nothing was overwritten. Run again when the other run or person is done."
};
function unavailable({ response, cause, message }) {
	return {
		code: "NETWORK",
		reason: response === void 0 ? `no answer from GitHub: ${reasonOf(innermost(cause ?? new Error(message)))}` : "GitHub's servers fail",
		hint: "Look at https://www.githubstatus.com and run again. What is finished is kept."
	};
}
/** What made a request fail is below the errors of the libraries in between. */
function innermost(cause) {
	return cause instanceof Error && cause.cause instanceof Error ? innermost(cause.cause) : cause;
}

// src/github/client.ts
/** Limits of waiting, in seconds unless said otherwise. docs/github-writes.md names them too. */
const patience = {
	/** Of one client, for all rate limits together. A job has better things to do than to wait. */
	longestWait: 900,
	/** Where a secondary limit has no `Retry-After`: GitHub asks for at least a minute. */
	untoldWait: 60,
	/** Attempts of a read that GitHub's servers fail. The waits are 1, 4 and 9 s. */
	reads: 4,
	/** Attempts of a verb whose write fails or meets someone else's. Each reads the state again. */
	attempts: 3,
	/** Until an answer begins. */
	silence: 120
};
/**
* Opens a repository on GitHub. Nothing is sent yet. Reads are repeated after failures, all calls
* wait for rate limits as GitHub asks, and writes keep GitHub's pace of one a second.
* Throws BAD_INPUT or UNAUTHORIZED for options that cannot be used.
*/
async function openGitHub(options) {
	const { repository, report, second = 1e3 } = options;
	const { token, apiUrl } = checkOptions(options);
	const { getOctokit } = await loadToolkit();
	const waiting = new RateWaiting(report);
	const octokit = getOctokit(token, {
		baseUrl: apiUrl,
		log: {
			debug: silent,
			info: silent,
			warn: silent,
			error: silent
		},
		retry: {
			retries: patience.reads - 1,
			retryAfterBaseValue: second,
			doNotRetry: [
				400,
				401,
				403,
				404,
				409,
				410,
				422,
				429,
				451
			]
		},
		throttle: {
			fallbackSecondaryRateRetryAfter: patience.untoldWait,
			retryAfterBaseValue: second,
			onRateLimit: waiting.ask("rate limit"),
			onSecondaryRateLimit: waiting.ask("secondary rate limit"),
			...second < 1e3 && {
				write: unpaced,
				notifications: unpaced
			}
		}
	}, deadline, retry, throttling);
	octokit.hook.before("request", (request) => {
		if (request.method !== "GET") request.request = {
			...request.request,
			retries: 0
		};
	});
	const [owner = "", repo = ""] = repository.split("/");
	const account = new Account(octokit, (verb, run) => settle(verb, run));
	const settle = (verb, attempt) => settleWith({
		repository,
		token,
		report,
		second
	}, verb, attempt);
	return {
		repository,
		report,
		settle,
		at: {
			owner,
			repo
		},
		rest: octokit.rest,
		request: octokit.request,
		paginate: octokit.paginate,
		isOwn: (author) => account.wrote(author)
	};
}
const silent = () => {};
/** Stands for a queue of the throttling plugin, without its pauses. */
const unpaced = { key: () => ({ schedule: (_options, run) => run() }) };
function checkOptions({ token, apiUrl, repository }) {
	if (!/^[\w-]+\/(?!\.{1,2}$)[\w.-]+$/.test(repository)) throw new OqeError("BAD_INPUT", `"${printable(repository)}" is not a repository on GitHub: expected <owner>/<name>`, "GITHUB_REPOSITORY names it; a runner sets that.");
	if (!/^[\x21-\x7e]+$/.test(token)) throw new OqeError("UNAUTHORIZED", `no usable token for ${repository} on GitHub`, "Set the input github-token. Its default is the job's own token.");
	const url = URL.canParse(apiUrl) ? new URL(apiUrl) : null;
	const isLocal = url?.protocol === "http:" && /^(127\.0\.0\.1|localhost)$/.test(url.hostname);
	if (url === null || url.protocol !== "https:" && !isLocal) throw new OqeError("BAD_INPUT", `"${printable(apiUrl)}" is not the address of GitHub's API: expected https`, "GITHUB_API_URL names it; a runner sets that. http is for this machine only.");
	return {
		token,
		apiUrl: apiUrl.replace(/\/+$/, "")
	};
}
/** The toolkit reads the event when it is loaded, and throws if that is damaged. */
async function loadToolkit() {
	try {
		return await import("./github.js");
	} catch (cause) {
		throw new OqeError("BAD_INPUT", "the event of this run cannot be read", "GITHUB_EVENT_PATH must name the event's JSON file; a runner sets that.", cause);
	}
}
/**
* A plugin that gives up an attempt without an answer. It is the innermost: one call, one clock.
*/
function deadline(octokit) {
	octokit.hook.wrap("request", (request, options) => {
		const signal = AbortSignal.timeout(patience.silence * 1e3);
		return request({
			...options,
			request: {
				...options.request,
				signal
			}
		});
	});
}
/** What is left of the time for rate limits. */
var RateWaiting = class {
	#left = patience.longestWait;
	#report;
	constructor(report) {
		this.#report = report;
	}
	/** Answers the throttling plugin whether to wait, and tells the log. */
	ask(limit) {
		return (seconds, { method, url }) => {
			const call = `${method} ${url}`;
			if (!(seconds <= this.#left)) {
				this.#report.info(`GitHub's ${limit} is reached (${call}). It asks for ${seconds} s, and of the ${patience.longestWait} s that a run waits ${this.#left} s are left.`);
				return false;
			}
			this.#left -= Math.max(0, seconds);
			this.#report.info(`GitHub's ${limit} is reached (${call}): waiting ${seconds} s.`);
			return true;
		};
	}
};
/** The token's account. The token of a job or of an App has none that it could ask for. */
var Account = class {
	#login;
	#octokit;
	#settle;
	constructor(octokit, settle) {
		this.#octokit = octokit;
		this.#settle = settle;
	}
	async wrote(author) {
		if (!author) return false;
		this.#login ??= this.#ask();
		const login = await this.#login;
		return login === null ? author.type === "Bot" : author.login === login;
	}
	#ask() {
		return this.#settle({
			what: "ask whose token this is",
			permission: null
		}, () => this.#octokit.rest.users.getAuthenticated().then(({ data }) => data.login, (error) => {
			if (/not accessible by integration/i.test(error?.message)) return null;
			throw error;
		}));
	}
};
async function settleWith(settling, verb, attempt) {
	for (let count = 1;; count++) try {
		return await attempt();
	} catch (error) {
		if (error instanceof OqeError) throw error;
		if (count === patience.attempts || !isWorthAnother(error)) {
			const { repository, token } = settling;
			throw explain(error, verb, {
				repository,
				token
			});
		}
		settling.report.info(`Reading again before the next attempt to ${verb.what}.`);
		await new Promise((done) => setTimeout(done, count ** 2 * settling.second));
	}
}

// src/github/merged-branch.ts
/**
* Removes a branch of ours whose pull request was merged as it is now, if GitHub did not. What was
* squashed would look like new commits of people. True if it was there.
*/
async function removeMerged(github, branch) {
	const { rest, at } = github;
	const verb = {
		what: `remove the merged branch ${branch}`,
		permission: "contents: write"
	};
	return github.settle(verb, async () => {
		const ref = `heads/${branch}`;
		const head = await rest.git.getRef({
			...at,
			ref
		}).catch((error) => {
			if (error?.status === 404) return null;
			throw error;
		});
		if (head === null) return false;
		const sought = {
			...at,
			head: `${at.owner}:${branch}`,
			state: "all"
		};
		const { data } = await rest.pulls.list({
			...sought,
			sort: "created",
			direction: "desc"
		});
		const [newest] = data;
		const { sha } = head.data.object;
		if (!newest?.merged_at || newest.head.sha !== sha) return false;
		await rest.git.deleteRef({
			...at,
			ref
		});
		return true;
	});
}

// src/github/tree-reader.ts
/** Compares files with a git tree on GitHub. It reads the folders that the files lie in, once. */
var TreeReader = class {
	#github;
	#trees = /* @__PURE__ */ new Map();
	constructor(github) {
		this.#github = github;
	}
	/** The files that are not in the tree just like that. A removed file that is absent is. */
	async differences(tree, files) {
		const found = /* @__PURE__ */ new Map();
		for (const [path, content] of files) if (await this.#blobAt(tree, path.split("/")) !== (content === null ? null : blobHash(content))) found.set(path, content);
		return found;
	}
	/** The bytes of a file; null if there is none. */
	async content(tree, path) {
		const file_sha = await this.#blobAt(tree, path.split("/"));
		if (file_sha === null) return null;
		const { rest, at } = this.#github;
		const { data } = await rest.git.getBlob({
			...at,
			file_sha
		});
		return Buffer.from(data.content, data.encoding === "base64" ? "base64" : "utf8");
	}
	/** Hash of the file at a path of a tree; null if there is none. */
	async #blobAt(tree, [name = "", ...below]) {
		const entry = (await this.#read(tree)).get(name);
		if (entry === void 0) return null;
		if (below.length === 0) return entry.type === "blob" ? entry.sha : null;
		return entry.type === "tree" ? this.#blobAt(entry.sha, below) : null;
	}
	#read(sha) {
		const known = this.#trees.get(sha) ?? this.#ask(sha);
		this.#trees.set(sha, known);
		return known;
	}
	async #ask(tree_sha) {
		const { rest, at } = this.#github;
		const { data } = await rest.git.getTree({
			...at,
			tree_sha
		});
		return new Map(data.tree.map(({ path = "", type = "", sha = "" }) => [path, {
			type,
			sha
		}]));
	}
};
/** The name that git gives to a file's content. */
function blobHash(content) {
	const bytes = Buffer.from(content);
	return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}

// src/github/commit.ts
const permission$3 = "contents: write";
/**
* Puts files onto a branch by GitHub's API, in one commit that GitHub signs where the token is a
* job's or an App's. The branch is made if it is missing and never moved by force. Commits of
* people on it stay: the files are put on top of them. A branch that has the files writes nothing.
* Throws CONFLICT if the branch moved since `seen`: the files lack what came.
*/
async function commitFiles(github, wanted) {
	checkRevision(wanted.branch);
	for (const path of wanted.files.keys()) checkPath(path);
	return github.settle({
		what: `commit to the branch ${wanted.branch}`,
		permission: permission$3
	}, async () => {
		const start = await findStart(github, wanted);
		checkSeen(wanted, start.head);
		const trees = new TreeReader(github);
		const changes = await trees.differences(start.tree, wanted.files);
		const commit = start.head?.commit ?? null;
		if (start.kept === 0 && changes.size === 0) return {
			outcome: "nothing",
			commit,
			kept: 0
		};
		if (!await isStale(trees, start, wanted)) return {
			outcome: "unchanged",
			commit,
			kept: start.kept
		};
		const tree = await writeTree(github, start.tree, changes);
		return {
			outcome: "committed",
			commit: await writeCommit(github, {
				...start,
				tree
			}, wanted),
			kept: start.kept
		};
	});
}
/** Whether the base lacks one of the files: otherwise there is nothing to propose. */
async function isNew(github, wanted) {
	const verb = {
		what: `read the branch ${wanted.base}`,
		permission: "contents: read"
	};
	return github.settle(verb, async () => {
		const { tree } = await baseHead(github, wanted.base);
		return (await new TreeReader(github).differences(tree, wanted.files)).size > 0;
	});
}
/** The head of a branch, null if it is missing; and the same if people committed to it. */
async function headsOf(github, at) {
	const { head, kept } = await findStart(github, at);
	return {
		head,
		people: kept === 0 ? null : head
	};
}
function checkSeen({ branch, seen }, head) {
	if (seen === void 0 || seen === (head?.commit ?? null)) return;
	throw new OqeError("CONFLICT", `the branch ${printable(branch)} moved while its files were made`, "Nothing was overwritten. Run again when the other run or person is done.");
}
function checkPath(path) {
	const fault = pathFault(path) ?? (/^\.github(\/|$)/i.test(path) ? "workflows are a person's to change" : null);
	if (fault === null) return;
	throw new OqeError("BAD_INPUT", `"${printable(path)}" cannot be committed: ${fault}`, "Please report this: the paths come from names that were checked.");
}
async function findStart(github, { branch, base }) {
	const onto = await baseHead(github, base);
	const head = await readHead(github, branch);
	const fresh = {
		tree: onto.tree,
		parents: [onto.commit],
		kept: 0,
		leftOver: []
	};
	if (head === null) return {
		...fresh,
		head
	};
	const basehead = `${onto.commit}...${head.commit}`;
	const { data } = await github.rest.repos.compareCommitsWithBasehead({
		...github.at,
		basehead
	});
	if (data.ahead_by === 0) return {
		...fresh,
		head
	};
	const foreign = data.commits.filter(({ commit }) => !isOwnCommit(commit));
	const unseen = data.ahead_by - data.commits.length;
	const kept = foreign.length + Math.max(0, unseen);
	if (kept > 0) return {
		tree: head.tree,
		parents: [head.commit],
		head,
		kept,
		leftOver: []
	};
	const parents = data.behind_by === 0 ? [head.commit] : [head.commit, onto.commit];
	const leftOver = (data.files ?? []).map(({ filename }) => filename);
	return {
		...fresh,
		parents,
		head,
		leftOver
	};
}
/** Whether the branch lacks a wanted file, or has one that only an earlier proposal wanted. */
async function isStale(trees, start, { files }) {
	if (start.head === null) return true;
	if (start.leftOver.some((path) => !files.has(path))) return true;
	return (await trees.differences(start.head.tree, files)).size > 0;
}
/** Throws NOT_FOUND if there is no such branch. */
async function baseHead(github, base) {
	const head = await readHead(github, base);
	if (head !== null) return head;
	throw new OqeError("NOT_FOUND", `${github.repository} has no branch ${printable(base)}`, "Push a first commit to it, or check the repository's default branch.");
}
async function readHead({ rest, at }, branch) {
	const found = await rest.git.getRef({
		...at,
		ref: `heads/${branch}`
	}).catch((error) => {
		if (error?.status === 404) return null;
		throw error;
	});
	if (found === null) return null;
	const commit = found.data.object.sha;
	const { data } = await rest.git.getCommit({
		...at,
		commit_sha: commit
	});
	return {
		commit,
		tree: data.tree.sha
	};
}
/**
* A commit of ours names its own tree. So one that a person amended, rebased or merged is not ours,
* whoever its author is.
*/
function isOwnCommit({ message, tree }) {
	return message.trimEnd().endsWith(`\nOqe-Tree: ${tree.sha}`);
}
/** Text goes with the tree itself, other bytes as blobs before it. */
async function writeTree({ rest, at }, base, changes) {
	if (changes.size === 0) return base;
	const entries = [];
	for (const [path, content] of changes) {
		const entry = {
			path,
			mode: "100644",
			type: "blob"
		};
		if (typeof content === "string") entries.push({
			...entry,
			content
		});
		else entries.push({
			...entry,
			sha: content === null ? null : await writeBlob(content)
		});
	}
	const { data } = await rest.git.createTree({
		...at,
		base_tree: base,
		tree: entries
	});
	return data.sha;
	async function writeBlob(bytes) {
		const content = Buffer.from(bytes).toString("base64");
		const { data } = await rest.git.createBlob({
			...at,
			content,
			encoding: "base64"
		});
		return data.sha;
	}
}
/** Without author and committer, so that GitHub fills them in and signs. */
async function writeCommit({ rest, at }, { tree, parents, head }, { branch, message }) {
	const text = `${message.trim()}\n\nOqe-Tree: ${tree}`;
	const { data } = await rest.git.createCommit({
		...at,
		message: text,
		tree,
		parents: [...parents]
	});
	if (head === null) await rest.git.createRef({
		...at,
		ref: `refs/heads/${branch}`,
		sha: data.sha
	});
	else await rest.git.updateRef({
		...at,
		ref: `heads/${branch}`,
		sha: data.sha,
		force: false
	});
	return data.sha;
}
/** A hash of files and their contents, in any order. */
function filesDigest(files) {
	const hash = createHash("sha256");
	for (const path of [...files.keys()].sort()) {
		const content = files.get(path);
		const own = content === null ? "none" : createHash("sha256").update(content).digest("hex");
		hash.update(`${JSON.stringify(path)} ${own}\n`);
	}
	return hash.digest("hex").slice(0, 32);
}

// src/github/sealed-text.ts
/** GitHub's limits, in characters. */
const longest = {
	body: 65536,
	title: 256
};
/** Length of marker, seal and what says that a text was cut. */
const reserve = 600;
/** Characters of a body that are never cut. */
const longestBody = longest.body - reserve;
/** The marker of one thing, such as the plan of `series.yml` or the cards of `nano`. */
function marker(kind, name) {
	const plain = (text) => text.replace(/[^\w.-]+/g, "-").replace(/^-+|-+$/g, "") || "x";
	return `<!-- oqe:${plain(kind)}:${plain(name)} -->`;
}
/** A hash for a seal. The parts are told apart. */
function digestOf(...parts) {
	return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}
/**
* The text to send: marker, body, seals. A body that is too long for GitHub is cut at the end of a
* line and says so. Nobody is notified: an `@name` gets an invisible character behind its `@`.
*/
function sealedText(mark, body, seals) {
	const quiet = withoutMentions(body.trim());
	return `${mark}\n${quiet.length <= longestBody ? quiet : cut(quiet, longestBody)}\n\n${sealOf(seals)}`;
}
function sealOf(seals) {
	return `<!-- oqe-seal ${Object.entries(seals).map(([name, hash]) => `${name}=${hash}`).join(" ")} -->`;
}
/** A text of ours with other seals. */
function resealed(text, seals) {
	return `${text.replace(/<!-- oqe-seal [^>]*-->\s*$/, "").trimEnd()}\n\n${sealOf(seals)}`;
}
/** Whether a text on GitHub has this marker at its very beginning; a quotation has it elsewhere. */
function isMarked(text, mark) {
	return text?.split(/\r?\n/, 1)[0] === mark;
}
/** The seals of a text on GitHub; empty if there are none. */
function sealsOf(text) {
	const words = /<!-- oqe-seal ([\w= -]*) -->\s*$/.exec(text ?? "")?.[1] ?? "";
	return Object.fromEntries([...words.matchAll(/(\w+)=([0-9a-f]+)/g)].map(([, a, b]) => [a, b]));
}
/** A title on one line, without mentions. */
function plainTitle(title) {
	const line = withoutMentions(title.replace(/[\p{Cc}\s]+/gu, " ").trim());
	return line.length > longest.title ? `${line.slice(0, longest.title - 1)}\u2026` : line;
}
/** GitHub takes `@name` for a person unless a letter, a digit or `/` is before it. */
function withoutMentions(text) {
	return text.replace(/(?<![\w/])@(?=[\w-])/g, "@\u200b");
}
/** At most `room` characters of whole lines. What is open is closed: code, details. */
function cut(text, room) {
	const end = text.lastIndexOf("\n", room);
	const kept = text.slice(0, end > 0 ? end : room);
	const left = text.length - kept.length;
	const fences = kept.match(/^ {0,3}```/gm)?.length ?? 0;
	const opened = (kept.match(/<details/g)?.length ?? 0) - (kept.match(/<\/details>/g)?.length ?? 0);
	return `${kept}${[...fences % 2 === 1 ? ["\n```"] : [], ...Array(Math.max(0, opened)).fill("\n</details>")].join("")}\n\n*${left} characters more are too many for GitHub and left out.*`;
}

// src/github/pull-request.ts
const permission$2 = "pull-requests: write";
/** Who a job's own token is. */
const jobLogin = "github-actions[bot]";
const noChecks = (number) => `GitHub starts no checks on pull request ${number}, because a job's own token opened it. Close and reopen it by hand to start them, or give series.yml the secrets app-client-id and app-private-key of a GitHub App, or github-token of a person.`;
/**
* Proposes files in the one pull request of a branch: commits them and makes or updates the pull
* request. The same files again write nothing. If GitHub lets no pull request be opened, the branch
* stays, and the failure names the page where a person can open it.
*/
async function proposeFiles(github, { message, files, seen, body, ...text }) {
	const wanted = {
		branch: text.branch,
		base: text.base,
		files,
		message,
		...seen !== void 0 && { seen }
	};
	if (!await isNew(github, wanted)) return withdraw(github, text);
	const declined = await findDeclined(github, text);
	if (declined !== null) return declined;
	const words = await body("");
	const { commit, kept } = await commitFiles(github, wanted);
	if (commit === null) return withdraw(github, text);
	return {
		...await upsertPullRequest(github, {
			...text,
			words,
			body: await body(commit)
		}),
		kept
	};
}
/**
* Makes or updates the one pull request of a branch, which must have a commit that the base lacks.
* The same words and content again write nothing. Labels are put on a new one only, so a person may
* take them off.
*/
async function upsertPullRequest(github, text) {
	const { rest, at } = github;
	const title = plainTitle(text.title);
	const seals = {
		content: text.content,
		text: digestOf(title, text.words)
	};
	const body = sealedText(text.marker, text.body, seals);
	const verb = {
		what: `open the pull request of ${text.branch}`,
		permission: permission$2,
		byHand: text.byHand
	};
	return github.settle(verb, async () => {
		const open = await findOpen(github, text);
		if (open !== null) {
			const { number, html_url: url } = open.pull;
			const found = {
				number,
				url,
				kept: 0
			};
			if (!open.isOwn) return {
				outcome: "theirs",
				...found
			};
			const before = sealsOf(open.pull.body);
			if (before.content === seals.content && before.text === seals.text) return {
				outcome: "unchanged",
				...found
			};
			await rest.pulls.update({
				...at,
				pull_number: number,
				title,
				body
			});
			return {
				outcome: "updated",
				...found
			};
		}
		const declined = await findDeclined(github, text);
		if (declined !== null) return declined;
		const { branch: head, base, labels } = text;
		const { data } = await rest.pulls.create({
			...at,
			head,
			base,
			title,
			body
		});
		const { number, html_url: url } = data;
		if (data.user?.login === jobLogin) github.report.info(noChecks(number));
		if (labels.length > 0) await rest.issues.addLabels({
			...at,
			issue_number: number,
			labels: [...labels]
		});
		return {
			outcome: "created",
			number,
			url,
			kept: 0
		};
	});
}
async function findOpen(github, { branch, base, marker }) {
	const { rest, at } = github;
	const head = `${at.owner}:${branch}`;
	const { data } = await rest.pulls.list({
		...at,
		head,
		base,
		state: "open"
	});
	const [pull] = data;
	if (pull === void 0) return null;
	return {
		pull,
		isOwn: isMarked(pull.body, marker) && await github.isOwn(pull.user)
	};
}
/** The newest pull request of ours with this content, if a person closed it without merging. */
function findDeclined(github, { branch, base, marker, content }) {
	const { rest, at } = github;
	const listed = {
		...at,
		head: `${at.owner}:${branch}`,
		base,
		state: "all"
	};
	const verb = {
		what: `look for pull requests of ${branch}`,
		permission: permission$2
	};
	return github.settle(verb, async () => {
		const order = {
			sort: "created",
			direction: "desc",
			per_page: 30
		};
		const { data } = await rest.pulls.list({
			...listed,
			...order
		});
		const [newest] = data.filter(({ body }) => isMarked(body, marker));
		if (newest === void 0 || newest.state === "open" || newest.merged_at !== null) return null;
		if (sealsOf(newest.body).content !== content || !await github.isOwn(newest.user)) return null;
		const { number, html_url: url } = newest;
		return {
			outcome: "declined",
			number,
			url,
			kept: 0
		};
	});
}
/** Closes our open pull request: what it proposed is in the base, or is no longer wanted. */
async function withdraw(github, text) {
	const { rest, at } = github;
	const verb = {
		what: `close the pull request of ${text.branch}`,
		permission: permission$2
	};
	return github.settle(verb, async () => {
		const open = await findOpen(github, text);
		if (open === null || !open.isOwn) return {
			outcome: "nothing",
			number: null,
			url: null,
			kept: 0
		};
		const { number, html_url: url } = open.pull;
		const body = resealed(open.pull.body ?? "", {});
		await rest.pulls.update({
			...at,
			pull_number: number,
			state: "closed",
			body
		});
		return {
			outcome: "nothing",
			number,
			url,
			kept: 0
		};
	});
}

// src/upkeep/card-proposal.ts
/** The branch of a series' pull request. */
function cardsBranch(series) {
	return `oqe/${cardsFolder(series)}`;
}
/**
* Drafts the pull request of a series. Notes are those of the default branch, or of the pull
* request's branch if people committed there, or, for a new file, of the card on the Hub. Throws
* BAD_INPUT for a card with broken markers.
*/
async function draftProposal(github, request) {
	const { series, tiers, pages } = request;
	const branch = cardsBranch(series);
	const verb = {
		what: `read the cards of ${series}`,
		permission: "contents: read"
	};
	return github.settle(verb, async () => {
		const { data } = await github.rest.repos.get(github.at);
		const { tree } = await baseHead(github, data.default_branch);
		const { head, people } = await headsOf(github, {
			branch,
			base: data.default_branch
		});
		const reader = {
			trees: new TreeReader(github),
			base: tree,
			people
		};
		const files = /* @__PURE__ */ new Map();
		const plain = /* @__PURE__ */ new Map();
		const changes = [];
		for (const tier of tiers) {
			const before = await readCard(reader, tree, tier.path);
			const made = await cardInRepository(tier);
			const card = await keepNotes(github, reader, {
				tier,
				branch,
				before,
				made
			});
			const own = filesInRepository(tier, card);
			const differing = await reader.trees.differences(tree, own);
			for (const [path, content] of own) files.set(path, content);
			for (const [path, content] of filesInRepository(tier, made)) plain.set(path, content);
			if (differing.size === 0) continue;
			const figures = before === null ? null : readFigures(before);
			changes.push({
				tier,
				before: figures,
				isNew: before === null
			});
		}
		const site = `${pages.github ?? "https://github.com"}/${github.repository}`;
		const template = "pull-request.md.jinja";
		return {
			branch,
			base: data.default_branch,
			files,
			labels: ["oqe"],
			seen: head?.commit ?? null,
			content: filesDigest(plain),
			message: `Cards of ${series}\n\nMade from the receipts on the Hub.`,
			marker: marker("cards", series),
			title: `Model cards of ${series}`,
			body: (commit) => renderNamed(template, bodyFacts(request, changes, `${site}/raw/${commit}`)),
			byHand: `${site}/compare/${[data.default_branch, branch].map(inPath).join("...")}?expand=1`,
			changed: changes.map((change) => change.tier.tier)
		};
	});
}
/** The name of a branch as part of an address. */
const inPath = (branch) => branch.split("/").map(encodeURIComponent).join("/");
async function readCard({ trees }, tree, path) {
	const bytes = await trees.content(tree, path);
	return bytes === null ? null : decodeCard(bytes, path);
}
/** The card with the notes of people. Warns of their other changes on the branch. */
async function keepNotes({ report }, reader, { tier, branch, before, made }) {
	const { path, hubNotes } = tier;
	const theirs = reader.people && await readCard(reader, reader.people.tree, path);
	const text = theirs ?? before;
	if (text === null) return cardInRepository(tier, hubNotes ?? "\n");
	const found = {
		where: theirs === null ? path : `${path} on ${branch}`,
		text
	};
	const edits = theirs === null || theirs === before ? "" : findEdits(found, made);
	if (edits !== "") report.warn(`${found.where} is made from the receipt again, outside its notes:\n${edits}`);
	return cardInRepository(tier, readNotes(found, made));
}
/** The facts of `templates/pull-request.md.jinja`. `raw`: address of the files of a commit. */
function bodyFacts({ tiers, pages }, changes, raw) {
	const imagesOf = ({ path, pictures }) => pictures.flatMap((picture) => {
		const address = webAddress(`${raw}/${path.replace(/\.md$/, "")}/${picture.path}`);
		return address === null ? [] : [`![${inline(picture.alt)}](${address})`];
	});
	const rows = changes.map(({ tier, before, isNew }) => {
		const after = figuresOf(tier.receipt);
		return {
			title: link$1(inline(tier.repository), `${pages.hub}/${tier.repository}`),
			tier: inline(tier.tier),
			why: reason(before, after, isNew),
			table: changeTable(["Before", "After"], [before, after]),
			pictures: imagesOf(tier).join("\n\n")
		};
	});
	const same = tiers.filter((tier) => !changes.some((change) => change.tier === tier));
	return {
		tiers: table([
			"title",
			"tier",
			"why",
			"table",
			"pictures"
		], rows),
		unchanged: same.map(({ tier }) => inline(tier)).join(", ")
	};
}
/** Why a card changed, in one or more sentences. */
function reason(before, after, isNew) {
	if (isNew) return "The card is new.";
	if (before === null) return "The card here does not state its figures, so they cannot be compared.";
	const words = [
		[before.revision !== after.revision, `The base moved to ${code(after.revision ?? "?")}.`],
		[before.recipe !== after.recipe, "The engine has a new recipe."],
		[before.version !== after.version, `oqe-publisher ${inline(after.version ?? "?")} made it.`],
		[before.bytes !== after.bytes, "The plan of bits changed."],
		[before.meanKl !== after.meanKl, "The figures changed."]
	].flatMap(([is, sentence]) => is ? [sentence] : []);
	return words.length > 0 ? words.join(" ") : "The tier is the same. Words or pictures differ from those that its receipt gives now.";
}

// src/github/issue.ts
const permission$1 = "issues: write";
/**
* Seal of an issue that we closed. Who closed it does not tell: the token may be that of a person.
*/
const closedByUs = digestOf("closed");
/**
* Makes or updates the one issue with this marker. The same text again writes nothing. If two runs
* open it at once, that of the lower number stays. If a person closed it, the same cause leaves it
* closed (`dismissed`); a new cause, or a failure after `closeIssue`, opens it again. Issues of
* others are left alone.
*/
async function upsertIssue(github, text) {
	const { rest, at } = github;
	const title = plainTitle(text.title);
	const seals = {
		content: digestOf(title, text.body),
		cause: digestOf(text.cause)
	};
	const body = sealedText(text.marker, text.body, seals);
	return github.settle({
		what: `open the issue "${title}"`,
		permission: permission$1
	}, async () => {
		const found = await findIssue(github, text.marker, text.labels[0]);
		if (found === null) {
			const labels = [...text.labels];
			const { data } = await rest.issues.create({
				...at,
				title,
				body,
				labels
			});
			return keepFirst(github, text, data);
		}
		const { number, html_url: url } = found;
		const before = sealsOf(found.body);
		if (found.state === "closed" && before.content !== closedByUs && before.cause === seals.cause) return {
			outcome: "dismissed",
			number,
			url
		};
		if (found.state === "open" && before.content === seals.content) return {
			outcome: "unchanged",
			number,
			url
		};
		await rest.issues.update({
			...at,
			issue_number: number,
			title,
			body,
			state: "open"
		});
		return {
			outcome: found.state === "open" ? "updated" : "reopened",
			number,
			url
		};
	});
}
/**
* Closes the issue with this marker, and puts `words` (why) above its text, in one write. Gives its
* number; null if there is none that is open.
*/
async function closeIssue(github, { marker, label }, words) {
	const { rest, at } = github;
	return github.settle({
		what: "close the issue of a mended failure",
		permission: permission$1
	}, async () => {
		const found = await findIssue(github, marker, label);
		if (found === null || found.state === "closed") return null;
		const old = (found.body ?? "").split(/\r?\n/).slice(1).join("\n").replace(/\s*<!-- oqe-seal [^>]*-->\s*$/, "");
		const seals = {
			...sealsOf(found.body),
			content: closedByUs
		};
		await rest.issues.update({
			...at,
			issue_number: found.number,
			body: sealedText(marker, `${words.trim()}\n\n---\n\n${old}`, seals),
			state: "closed",
			state_reason: "completed"
		});
		return found.number;
	});
}
/** GitHub lets two runs open the same issue. The one of the later run is closed again. */
async function keepFirst(github, { marker, labels }, made) {
	const { rest, at } = github;
	let first = made;
	for await (const issue of ownIssues(github, marker, {
		label: labels[0],
		state: "open"
	})) if (issue.number < first.number) first = issue;
	const { number, html_url: url } = first;
	if (number === made.number) return {
		outcome: "created",
		number,
		url
	};
	const body = `Another run opened #${number} about the same at the same time.`;
	await rest.issues.update({
		...at,
		issue_number: made.number,
		body,
		state: "closed",
		state_reason: "not_planned"
	});
	return {
		outcome: "unchanged",
		number,
		url
	};
}
/** The newest issue of ours with this marker, open ones first. */
async function findIssue(github, marker, label) {
	let closed = null;
	for await (const issue of ownIssues(github, marker, {
		label,
		state: "all"
	})) {
		if (issue.state === "open") return issue;
		closed ??= issue;
	}
	return closed;
}
/** The issues of ours with this marker, newest first. */
async function* ownIssues(github, marker, { label, state }) {
	const { rest, at, paginate } = github;
	const listed = {
		...at,
		labels: label,
		state,
		per_page: 100
	};
	for await (const { data } of paginate.iterator(rest.issues.listForRepo, listed)) for (const issue of data) if (issue.pull_request === void 0 && isMarked(issue.body, marker)) {
		if (await github.isOwn(issue.user)) yield issue;
	}
}

// src/github/start-again.ts
/** Most runs of one commit within `days` that are started this way or by hand. */
const mostStarts = {
	runs: 20,
	days: 14
};
/**
* Starts a workflow again at the ref of this run. GitHub starts no run for what a job's token does,
* but for this. False: so many runs of this commit were started that another one would hardly help.
* Throws as `settle` does.
*/
function startAgain(github, { workflow, ref, commit }) {
	const verb = {
		what: `start ${workflow} again`,
		permission: "actions: write"
	};
	const asked = {
		...github.at,
		workflow_id: workflow
	};
	const since = (/* @__PURE__ */ new Date(Date.now() - mostStarts.days * 864e5)).toISOString().slice(0, 10);
	return github.settle(verb, async () => {
		const { data } = await github.rest.actions.listWorkflowRuns({
			...asked,
			event: "workflow_dispatch",
			created: `>=${since}`,
			head_sha: await commitOf(github, ref, commit),
			per_page: 1
		});
		if (data.total_count >= mostStarts.runs) return false;
		const name = ref.replace(/^refs\/(heads|tags)\//, "");
		await github.rest.actions.createWorkflowDispatch({
			...asked,
			ref: name
		});
		return true;
	});
}
/** GITHUB_SHA of an annotated tag may name the tag; runs are listed by commit. */
async function commitOf(github, ref, commit) {
	const [, tag] = /^refs\/tags\/(.+)$/.exec(ref) ?? [];
	if (tag === void 0) return commit;
	const { data } = await github.rest.repos.getCommit({
		...github.at,
		ref: `tags/${tag}`
	});
	return data.sha;
}
/** The workflow's file in GITHUB_WORKFLOW_REF. Throws BAD_INPUT. */
function workflowFile(reference) {
	const [, file] = /\/\.github\/workflows\/([^/@]+\.ya?ml)@/.exec(reference ?? "") ?? [];
	if (file !== void 0) return file;
	throw new OqeError("BAD_INPUT", "this run does not say which workflow it belongs to", "GITHUB_WORKFLOW_REF names it; a runner sets that.");
}

// src/upkeep/verdicts.ts
/** Whether this is the command of a job that makes one model. */
function isMaker(command) {
	return ["access", ...seriesCommands].includes(command);
}
/**
* One verdict per model that the run looked at. One that had nothing to be made is green if the
* check says so. After a check that failed as a whole, nothing is known of any model.
*/
function verdictsOf({ models, expected, results }) {
	if (expected === null) return [];
	return models.flatMap((name) => {
		const own = results.filter(({ series }) => series === name);
		const check = own.find(({ command }) => command === "check");
		const last = own.find(({ command }) => isMaker(command));
		const isExpected = expected.includes(name);
		if (check === void 0 && !isExpected) return [];
		return [{
			name,
			...judge(isExpected ? last : check)
		}];
	});
}
/** `result`: of the last job that left one. */
function judge(result) {
	if (result === void 0) return {
		state: "red",
		report: lost
	};
	if (result.failure !== null) return {
		state: "red",
		report: describe(result)
	};
	if (![
		"check",
		"seal",
		"publish"
	].includes(result.command)) return {
		state: "red",
		report: lost
	};
	return {
		state: result.complete ? "green" : "stopped",
		report: ""
	};
}
/** A job of which nothing is known. */
const lostJob = "A job ended without a result: it was cancelled, ran into its timeout, or lost its runner. The log of the run has more.";
const lost = `${lostJob} What was finished is kept, and the next run goes on.`;
/** A failure in words, and what the run left, in Markdown. */
function describe({ failure, tables, tiers, base }) {
	const why = failure === null ? [] : [failureWords(failure.message, failure.code), ...failure.hint === "" ? [] : [prose(failure.hint)]];
	const rows = tiers.map(({ tier, repository, outcome, url }) => `| ${inline(tier)} | ${link$1(inline(repository), url)} | ${inline(outcome)} |`);
	const table = rows.length === 0 ? [] : [[
		"| Tier | Repository | Outcome |",
		"|---|---|---|",
		...rows
	].join("\n")];
	const from = base === null ? [] : [`Base model: ${base.id === null ? "a folder" : code(base.id)} at ${code(base.revision)}`];
	const proofs = tables.map(({ title, markdown }) => `**${inline(title)}**\n\n${markdown}`);
	return [
		...why,
		...from,
		...table,
		...proofs
	].join("\n\n");
}

// src/upkeep/topics.ts
/** The jobs behind the models: title on GitHub, what failed of one model, and what to do then. */
const jobs = [
	{
		job: "cards",
		title: "Card pull requests",
		failed: "the card pull request failed",
		advice: "The next run tries again."
	},
	{
		job: "push-cards",
		title: "Send cards to the Hub",
		failed: "merged cards were not sent to the Hub",
		advice: "Run the failed jobs of that run again when the cause is repaired. Other runs do not send these cards, unless `cards/` changes again."
	},
	{
		job: "release",
		title: "Release",
		failed: "",
		advice: "Run the failed jobs of that tag again when the cause is repaired. A run that is not of a tag makes no release."
	}
];
/** A model that was not made. */
function modelTopic({ name, state, report }) {
	const title = `oQe series ${name} was not published`;
	return {
		name,
		marker: marker("failure", name),
		title,
		state,
		report
	};
}
/** The series file, and the check of it: if that failed, nothing is known of any model. */
function checkTopic({ file, unreadable, expected, results }) {
	const about = {
		name: `check of ${file}`,
		marker: marker("check", file)
	};
	if (unreadable === null && expected !== null) return {
		...about,
		title: "",
		state: "green",
		report: ""
	};
	const found = results.find(({ series, command }) => series === null && command === "check");
	const failed = unreadable === null ? found : unreadableResult(unreadable);
	const what = unreadable === null ? "the check failed" : `${file} cannot be read`;
	const report = `${failed === void 0 || failed.failure === null ? lostJob : describe(failed)}\n\nNothing was made. The next run that can read the file goes on.`;
	return {
		...about,
		title: `oQe series: ${what}`,
		state: "red",
		report
	};
}
function unreadableResult(failure) {
	return resultOf({
		series: null,
		command: "report",
		isHub: false
	}, bareEnd(failure));
}
/** What the jobs behind the models did: as a whole, and for each model. */
function jobTopics(run) {
	return jobs.flatMap((job) => [...wholeTopic(job, run), ...topicsOfModels(job, run)]);
}
function wholeTopic(job, run) {
	const outcome = outcomeOf(job, run);
	if (outcome === "skipped") return [];
	const own = run.results.filter(({ command }) => command === job.job);
	const about = {
		name: job.title,
		marker: marker(job.job, `all-of-${run.file}`)
	};
	const title = `oQe series: the job "${job.title}" failed`;
	const whole = own.find(({ series }) => series === null);
	if (whole?.failure === null && !whole.complete) return [];
	const isOfModels = own.some(({ series, failure }) => series !== null && failure !== null);
	if (outcome === "success" || isOfModels) return [{
		...about,
		title,
		state: "green",
		report: ""
	}];
	const why = whole === void 0 ? lostJob : whole.failure === null ? otherStep : describe(whole);
	return [{
		...about,
		title,
		state: "red",
		report: `${why}\n\n${job.advice}`
	}];
}
const otherStep = "The command of the job went well, but another step failed, such as an attestation or the upload of its result. The log of the run has more.";
function topicsOfModels(job, run) {
	return run.models.flatMap((name) => {
		const about = {
			name: `${job.title} of ${name}`,
			marker: marker(job.job, name)
		};
		const title = `oQe series ${name}: ${job.failed}`;
		const own = run.results.find(({ series, command }) => series === name && command === job.job);
		if (own !== void 0 && own.failure !== null) return [{
			...about,
			title,
			state: "red",
			report: `${describe(own)}\n\n${job.advice}`
		}];
		return own !== void 0 || job.job === "cards" && needsNoCards(name, run) ? [{
			...about,
			title,
			state: "green",
			report: ""
		}] : [];
	});
}
/** Whether the check looked at a model, and gave it to no job for cards. */
function needsNoCards(name, run) {
	const check = run.results.find(({ series, command }) => series === name && command === "check");
	return run.expected !== null && check !== void 0 && check.failure === null && ["success", "skipped"].includes(outcomeOf(jobs[0], run));
}
function outcomeOf({ job }, run) {
	const whole = run.results.find(({ series, command }) => series === null && command === job);
	const told = whole === void 0 ? "skipped" : whole.failure === null ? "success" : "failure";
	return run.jobs?.[job] ?? told;
}

// src/upkeep/report.ts
const label = "oqe";
/** Files of the jobs' results, below the work folder. */
const resultsFolder = "results";
/**
* One issue per model: opened or updated if the run failed for it, closed if it went well. The same
* for its cards, and for what concerns all models: the series file, and each job behind them. Then
* the workflow is started again for models that stopped at their time limit. `asked.models` are
* those that had to be made; without them the check failed, and one issue says so.
*/
async function reportResults(request) {
	const { asked, file, environment, report } = request;
	const { results, unreadable } = await readResults(join(asked.workDir, resultsFolder));
	for (const line of unreadable) report.warn(line);
	const models = file.models.map(({ name }) => name);
	const run = {
		file: file.name,
		models,
		results,
		expected: asked.models,
		jobs: asked.jobs,
		unreadable: request.unreadable ?? null
	};
	const verdicts = verdictsOf(run);
	const github = await openRepository(request);
	const place = placeOf(environment);
	const open = await openMarks(github);
	const lines = [];
	const settle = async (topics) => {
		for (const topic of topics) lines.push(await settleTopic(github, topic, {
			open,
			place
		}));
	};
	const stopped = verdicts.filter(({ state }) => state === "stopped");
	const others = verdicts.filter(({ state }) => state !== "stopped");
	await settle([
		checkTopic(run),
		...others.map(modelTopic),
		...jobTopics(run)
	]);
	const { started, failure } = stopped.length === 0 ? nothingStopped : await goOn(github, environment);
	if (failure === null) await settle((started ? stopped : stopped.map(exhausted)).map(modelTopic));
	else lines.push(...stopped.map(({ name }) => `${inline(name)}: stopped, no new run goes on`));
	return {
		outputs: {},
		summary: lines.map((line) => `- ${line}\n`).join(""),
		failure
	};
}
/** The repository that runs the workflow. Throws UNAUTHORIZED, BAD_INPUT. */
function openRepository({ asked, environment, report }) {
	return openGitHub({
		token: asked.githubToken ?? "",
		apiUrl: environment.GITHUB_API_URL ?? "https://api.github.com",
		repository: environment.GITHUB_REPOSITORY ?? "",
		report
	});
}
const nothingStopped = {
	started: false,
	failure: null
};
async function goOn(github, environment) {
	try {
		return {
			started: await startAgain(github, {
				workflow: workflowFile(environment.GITHUB_WORKFLOW_REF),
				ref: environment.GITHUB_REF ?? "",
				commit: environment.GITHUB_SHA ?? ""
			}),
			failure: null
		};
	} catch (failure) {
		return {
			started: false,
			failure
		};
	}
}
/** A model that stopped, and for which no further run was started. */
function exhausted(verdict) {
	if (verdict.state !== "stopped") return verdict;
	const report = `${mostStarts.runs} runs of this commit stopped at the time limit within ${mostStarts.days} days, so no further one was started. Raise \`time-limit\` or \`timeout-minutes\`, take a faster runner or fewer rows, or run the workflow by hand.`;
	return {
		...verdict,
		state: "red",
		report
	};
}
/** The first lines of our open issues. One list for all models: rate limits are per hour. */
async function openMarks(github) {
	const { rest, at, paginate } = github;
	const issues = await github.settle({
		what: "list the issues",
		permission: "issues: read"
	}, () => paginate(rest.issues.listForRepo, {
		...at,
		labels: label,
		state: "open",
		per_page: 100
	}));
	return new Set(issues.map(({ body }) => (body ?? "").split(/\r?\n/, 1)[0]));
}
/** Opens, updates or closes the issue of a topic. Gives a line for the summary. */
async function settleTopic(github, { name, marker, title, state, report }, { open, place }) {
	const subject = inline(name);
	if (state === "stopped") return `${subject}: stopped at its time limit, a new run goes on`;
	if (state === "green") {
		const closed = open.has(marker) ? await closeIssue(github, {
			marker,
			label
		}, "The last run went well.") : null;
		return `${subject}: went well${closed === null ? "" : `, issue ${closed} is closed`}`;
	}
	const text = {
		marker,
		title,
		body: `${report}\n\n${place}`,
		labels: [label],
		cause: report
	};
	const { outcome, number, url } = await upsertIssue(github, text);
	return `${subject}: failed, ${link$1(`issue ${number}`, url)} (${outcome})`;
}
/** Where to look: the same text for every run, so that the same failure changes no issue. */
function placeOf({ GITHUB_SERVER_URL, GITHUB_REPOSITORY, GITHUB_WORKFLOW_REF }) {
	const pages = `${GITHUB_SERVER_URL ?? "https://github.com"}/${GITHUB_REPOSITORY}/actions`;
	const [, file] = /\/([^/@]+)@/.exec(GITHUB_WORKFLOW_REF ?? "") ?? [];
	const url = file === void 0 ? pages : `${pages}/workflows/${encodeURIComponent(file)}`;
	return link$1("Runs of this workflow", url);
}

// src/upkeep/cards.ts
/**
* Makes the cards of every model again, from the receipts on the Hub, and proposes what differs
* from the default branch in the one pull request of the model. Nothing is written if nothing
* differs. A model that fails does not stop the others. Tests pass an `open` that keeps no pace.
*/
async function refreshCards(request, open = openRepository) {
	const { asked, environment, report } = request;
	const hub = request.connect();
	const github = await open(request);
	const refresh = async (series, inputs) => {
		const tiers = [];
		for (const place of tierPlaces(series, inputs)) {
			const tier = await readTier(hub, place, inputs.private);
			if (tier === null) report.info(`${place.repository} is not published yet`);
			else tiers.push(tier);
			for (const { failure } of tier?.pictures ?? []) if (failure !== null) report.warn(`${place.repository}: a picture was not drawn: ${failure}`);
		}
		if (tiers.length === 0) return "no tier is published yet";
		const pages = {
			hub: hub.endpoint,
			github: environment.GITHUB_SERVER_URL
		};
		if (!asked.dryRun) await removeMerged(github, cardsBranch(series));
		const { changed, ...proposal } = await draftProposal(github, {
			series,
			tiers,
			pages
		});
		if (asked.dryRun) return `dry run; ${changed.length} cards differ from ${proposal.base}`;
		return resultWords(await proposeFiles(github, proposal));
	};
	return forEachModel(request, "Cards in this repository", async ({ name }, inputs) => {
		for (let attempt = 1;; attempt++) try {
			return [await refresh(name, inputs)];
		} catch (error) {
			if (!(error instanceof OqeError && error.code === "CONFLICT") || attempt === patience.attempts) throw error;
			report.info(`${name}: ${error.message}; it is read again`);
		}
	});
}
function resultWords({ outcome, number, url, kept }) {
	const pull = number === null || url === null ? "" : link$1(`#${number}`, url);
	return {
		created: `opened ${pull}`,
		updated: `updated ${pull}`,
		unchanged: `${pull} has these cards already`,
		declined: `a person closed ${pull} with these very cards, so it stays closed`,
		theirs: `the branch has a pull request of a person, ${pull}; its text is left as it is`,
		nothing: pull === "" ? "the cards are up to date" : `closed ${pull}: the cards are up to date`
	}[outcome] + (kept === 0 ? "" : `; commits of people that are kept: ${kept}`);
}

// src/github/earlier-run.ts
/**
* The newest run of this repository that left an artifact of this name; null if there is none. Runs
* of a fork's pull request do not count: anyone can put anything into their artifacts.
*/
function findEarlierRun(github, artifact) {
	const { rest, at, settle } = github;
	return settle({
		what: `look for the artifact ${artifact}`,
		permission: "actions: read"
	}, async () => {
		const { data } = await rest.actions.listArtifactsForRepo({
			...at,
			name: artifact,
			per_page: 30
		});
		return data.artifacts.flatMap(({ name, expired, created_at, workflow_run: run }) => {
			const isOwn = run?.head_repository_id != null && run.head_repository_id === run.repository_id;
			if (name !== artifact || expired || !isOwn || run.id === void 0) return [];
			return [{
				id: run.id,
				at: created_at ?? ""
			}];
		}).sort((a, b) => a.at < b.at ? 1 : -1)[0]?.id ?? null;
	});
}

// src/github/event.ts
/** GitHub delivers events of at most 25 MB. */
const largest = 33554432;
const zeros = /^0+$/;
/**
* Reads the event of the run from the environment of a runner. `workflow_call` has the event of its
* caller. A branch or tag that git would not allow, and an id that the Hub would not allow, are
* refused. Throws BAD_INPUT.
*/
async function readEvent(environment) {
	const name = environment.GITHUB_EVENT_NAME ?? "";
	const payload = await readPayload(environment.GITHUB_EVENT_PATH ?? "");
	switch (name) {
		case "push":
		case "workflow_call": return readPush(check(pushSchema, payload), environment);
		case "schedule": return {
			kind: "schedule",
			cron: check(scheduleSchema, payload).schedule
		};
		case "workflow_dispatch": return {
			kind: "workflow_dispatch",
			inputs: readInputs(check(dispatchSchema, payload))
		};
		case "repository_dispatch": return readDispatch(check(repositoryDispatchSchema, payload));
		case "pull_request":
		case "pull_request_target": return readPull(check(pullSchema, payload));
		default: return {
			kind: "other",
			name: name.replace(/[^\w]/g, "")
		};
	}
}
const hint = "A runner writes this file. If it is GitHub's own, please report the event.";
const where = "the event of this run (GITHUB_EVENT_PATH)";
const check = (schema, payload) => parse(schema, payload, {
	where,
	code: "BAD_INPUT",
	hint
});
async function readPayload(path) {
	const fault = (reason, cause) => new OqeError("BAD_INPUT", `${where} ${reason}`, hint, cause);
	const text = await stat(path).then(({ size }) => {
		if (size > largest) throw fault(`has ${size} bytes; GitHub's have at most 25 MB`);
		return readFile$1(path, "utf8");
	}).catch((cause) => {
		throw cause instanceof OqeError ? cause : fault(`cannot be read: ${reasonOf(cause)}`, cause);
	});
	return readJson(text, {
		where,
		code: "BAD_INPUT",
		hint
	});
}
const text = (limit) => pipe(string("a text"), maxLength(limit, `at most ${limit} characters`));
const hash = pipe(string("a commit"), regex$2(/^[0-9a-f]{40}$/, "a commit of 40 hexadecimal digits"));
const ref = text(512);
const pushSchema = object({
	ref: optional(ref),
	before: optional(hash),
	after: optional(hash),
	forced: optional(boolean("true or false"), false),
	created: optional(boolean("true or false"), false),
	deleted: optional(boolean("true or false"), false),
	repository: optional(object({ default_branch: optional(ref) }))
});
const scheduleSchema = object({ schedule: optional(text(100), "") });
const dispatchSchema = object({ inputs: optional(nullable(record(string(), unknown()))) });
const repositoryDispatchSchema = object({
	action: optional(text(100), ""),
	client_payload: optional(nullable(object({ repository: optional(unknown()) })))
});
const pullSchema = object({
	number: pipe(number("a number"), integer("a whole number"), minValue(1, "at least 1")),
	pull_request: object({
		head: object({
			sha: hash,
			repo: nullable(object({ full_name: text(200) }))
		}),
		base: object({ repo: object({ full_name: text(200) }) })
	})
});
function readPush(push, { GITHUB_REF, GITHUB_SHA }) {
	const ref = push.ref ?? GITHUB_REF ?? "";
	const sha = push.after ?? GITHUB_SHA ?? "";
	const [, kind, name = ""] = /^refs\/(tags|heads)\/(.+)$/s.exec(ref) ?? [];
	if (ref === "") throw new OqeError("BAD_INPUT", `${where} names no branch or tag`, hint);
	if (push.deleted || kind === void 0) return {
		kind: "other",
		name: "push"
	};
	checkName$1(name);
	if (!/^[0-9a-f]{40}$/.test(sha)) throw new OqeError("BAD_INPUT", `${where} names no commit for ${name}`, hint);
	if (kind === "tags") return {
		kind: "tag",
		tag: name,
		sha,
		forced: push.forced && !push.created
	};
	return {
		kind: "push",
		branch: name,
		sha,
		before: push.before === void 0 || zeros.test(push.before) ? null : push.before,
		isDefaultBranch: name === (push.repository?.default_branch ?? "main")
	};
}
/**
* git allows names that a shell or a workflow would take for something else, such as `$(id)`. A tag
* becomes a tag on the Hub and the name of a release, so it must be plain.
*/
function checkName$1(name) {
	checkRevision(name);
	if (/^[\p{L}\p{N}._+@#=,/-]+$/u.test(name)) return;
	throw new OqeError("BAD_INPUT", `"${printable(name)}" cannot be the branch or tag of a run`, "Letters, digits and . _ + @ # = , / - are allowed. Push a tag or branch with a plain name.");
}
/** Inputs of a run by hand: texts, numbers and truth values, each as a text. */
function readInputs({ inputs }) {
	const plain = Object.entries(inputs ?? {}).flatMap(([name, value]) => [
		"string",
		"number",
		"boolean"
	].includes(typeof value) ? [[name, String(value)]] : []);
	return Object.fromEntries(plain);
}
function readDispatch({ action, client_payload }) {
	const named = client_payload?.repository ?? null;
	if (named !== null && (typeof named !== "string" || !isRepositoryId(named))) throw new OqeError("BAD_INPUT", "the repository_dispatch names a repository that the Hub does not allow", "Send client_payload: { repository: <namespace>/<name> }, or leave it out for all models.");
	return {
		kind: "repository_dispatch",
		type: action.replace(/[^\w-]/g, ""),
		repository: named
	};
}
/** A fork that was deleted since is a fork. */
function readPull({ number, pull_request }) {
	const { head, base } = pull_request;
	const isFork = head.repo?.full_name.toLowerCase() !== base.repo.full_name.toLowerCase();
	return {
		kind: "pull_request",
		number,
		head: head.sha,
		isFork
	};
}
/** GitHub compares at most this many files. */
const mostCompared = 300;
/**
* Paths that a push or pull request changes; the payload does not tell them. null where they are
* not known: a new branch, too many files, any other event.
*/
async function changedPaths(github, event) {
	const { rest, at, paginate } = github;
	if (event.kind === "pull_request") {
		const what = `list the files of pull request ${event.number}`;
		return github.settle({
			what,
			permission: "pull-requests: read"
		}, async () => {
			const sought = {
				...at,
				pull_number: event.number,
				per_page: 100
			};
			return namesOf(await paginate(rest.pulls.listFiles, sought), 3e3);
		});
	}
	if (event.kind !== "push" || event.before === null) return null;
	const basehead = `${event.before}...${event.sha}`;
	const verb = {
		what: `compare the commits of ${event.branch}`,
		permission: "contents: read"
	};
	return github.settle(verb, async () => {
		const answer = await rest.repos.compareCommitsWithBasehead({
			...at,
			basehead
		}).catch((error) => {
			if (error?.status === 404) return null;
			throw error;
		});
		return answer === null ? null : namesOf(answer.data.files ?? [], mostCompared);
	});
}
/** The names of changed files, old ones of renamed files included; null if GitHub cut the list. */
function namesOf(files, most) {
	if (files.length >= most) return null;
	return files.flatMap(({ filename, previous_filename: old }) => old === void 0 ? [filename] : [filename, old]);
}

// src/upkeep/agenda.ts
/**
* What the event asks for. `paths`: the files that it changed; null: not known, so any may have
* changed. `callers`: the workflows that call series.yml. Throws BAD_INPUT for a model that is not
* in the file, CONFLICT for a tag that was moved.
*/
function agendaOf(event, { file, paths, callers = [] }, report) {
	const all = {
		models: file.models,
		changedCards: []
	};
	const changes = paths === null || paths.includes(file.name);
	switch (event.kind) {
		case "tag":
			if (event.forced) throw movedTag(event.tag);
			return {
				task: "release",
				...all
			};
		case "schedule": return {
			task: "make",
			...all
		};
		case "workflow_dispatch": return {
			task: "make",
			models: chosen(file, event.inputs.series ?? ""),
			changedCards: []
		};
		case "repository_dispatch": return {
			task: "make",
			models: ofBase(file, event.repository, report),
			changedCards: []
		};
		case "push": {
			if (!event.isDefaultBranch) return nothing$1;
			const changedCards = cardsIn(paths, file, report);
			if (changes) return {
				task: "make",
				models: file.models,
				changedCards
			};
			return {
				...nothing$1,
				changedCards
			};
		}
		case "pull_request": {
			const changedCards = cardsIn(paths, file, report);
			if (changes) return {
				task: "comment",
				models: file.models,
				changedCards
			};
			const isCaller = callers.some((path) => paths?.includes(path));
			return changedCards.length > 0 || isCaller ? {
				...nothing$1,
				task: "comment",
				changedCards
			} : nothing$1;
		}
		case "other":
			report.info(`nothing is done for the event ${event.name}`);
			return nothing$1;
	}
}
const nothing$1 = {
	task: "none",
	models: [],
	changedCards: []
};
function movedTag(tag) {
	return new OqeError("CONFLICT", `the tag ${tag} was moved to another commit, and a release is of one commit for good`, "Push a new tag. Move the old one back if others use it.");
}
/** Models by name, separated by commas; all for an empty text. */
function chosen(file, names) {
	const words = names.split(/[\s,]+/).filter((word) => word !== "");
	return words.length === 0 ? file.models : words.map((name) => findModel(file, name));
}
/** The models of a base that moved; all if the sender names none. */
function ofBase({ name, models }, repository, report) {
	if (repository === null) return models;
	const idOf = ({ inputs }) => (inputs["base-model"] ?? "").replace(/^hf:\/\/|@.*$/g, "").toLowerCase();
	const found = models.filter((model) => idOf(model) === repository.toLowerCase());
	if (found.length === 0) report.info(`${repository} is the base of no model of ${name}`);
	return found;
}
/** The models whose cards changed: `cards/<name>/\u2026`. */
function cardsIn(paths, { name: file, models }, report) {
	const names = models.map(({ name }) => name);
	if (paths === null) return names;
	const changed = paths.flatMap((path) => /^cards\/([^/]+)\//.exec(path)?.[1] ?? []);
	const folders = [...new Set(changed)];
	const stray = folders.filter((folder) => !names.includes(folder));
	if (stray.length > 0) {
		const list = stray.slice(0, 10).map((folder) => JSON.stringify(folder));
		report.warn(`cards/ has folders of no model of ${file}, which are left alone: ${list}`);
	}
	return names.filter((name) => folders.includes(name));
}

// src/upkeep/check-cards.ts
/**
* Checks the cards of these models in the checked-out repository before they are merged, against
* the receipts on the Hub. Writes nothing. The failure is BAD_INPUT with the difference for a card
* whose markers are broken, because it could not be sent to the Hub.
*/
async function checkCards(models, request) {
	const { asked, environment } = request;
	if (models.length === 0) return {
		outputs: {},
		summary: "",
		failure: null
	};
	const hub = request.connect();
	const chosen = {
		...request,
		asked: {
			...asked,
			models
		}
	};
	return forEachModel(chosen, "What merging these cards does", async ({ name }, inputs) => {
		const lines = [];
		for (const place of tierPlaces(name, inputs)) {
			const { path } = place;
			const text = await readCheckedOut(environment.GITHUB_WORKSPACE || ".", path);
			if (text === null) continue;
			const tier = await readTier(hub, place);
			if (tier === null) {
				lines.push(`${code(path)} cannot be sent: its tier is not published yet`);
				continue;
			}
			const made = await cardInRepository(tier);
			const found = {
				where: path,
				text
			};
			readNotes(found, made);
			const isEdited = findEdits(found, made) !== "";
			lines.push(`${code(path)}: the notes between the markers are sent${isEdited ? undone : ""}`);
		}
		return lines;
	});
}
const undone = "; the rest differs from the card that the receipt gives, and is replaced by that card";

// src/github/comment.ts
/**
* Makes or updates the one comment with this marker on a pull request. The same body again writes
* nothing, even if a person edited the comment since. If two runs make it at once, one stays.
* Comments of others are left alone, also those that quote the marker.
*/
async function upsertComment(github, pull, mark, body) {
	const { rest, at } = github;
	const verb = {
		what: `comment on pull request ${pull}`,
		permission: "pull-requests: write"
	};
	const seals = { content: digestOf(body) };
	const text = sealedText(mark, body, seals);
	return github.settle(verb, async () => {
		const found = await findComment(github, pull, mark);
		if (found === null) {
			const { data } = await rest.issues.createComment({
				...at,
				issue_number: pull,
				body: text
			});
			const first = await findComment(github, pull, mark);
			if (first === null || first.id === data.id) return {
				outcome: "created",
				url: data.html_url
			};
			await rest.issues.deleteComment({
				...at,
				comment_id: data.id
			});
			return update(first);
		}
		return update(found);
	});
	async function update({ id, body, html_url: url }) {
		if (sealsOf(body).content === seals.content) return {
			outcome: "unchanged",
			url
		};
		await rest.issues.updateComment({
			...at,
			comment_id: id,
			body: text
		});
		return {
			outcome: "updated",
			url
		};
	}
}
/** The oldest comment of ours with this marker. */
async function findComment(github, pull, mark) {
	const { rest, at, paginate } = github;
	const pages = paginate.iterator(rest.issues.listComments, {
		...at,
		issue_number: pull,
		per_page: 100
	});
	for await (const { data } of pages) for (const comment of data) if (isMarked(comment.body, mark) && await github.isOwn(comment.user)) return comment;
	return null;
}

// src/upkeep/plan-comment.ts
/**
* Makes or updates the one comment on a pull request that says what merging it would make. A token
* of a fork's pull request can only read: there the job summary has to do.
*/
async function commentPlan({ number, isFork }, { file: { name }, checked, others }, request) {
	if (isFork) {
		request.report.info("the plan is in the summary of this job: a fork's token cannot comment");
		return;
	}
	const github = await openRepository(request);
	const body = [checked.length === 0 ? "" : planText(name, checked), ...others].filter((part) => part !== "").join("\n");
	const { outcome, url } = await upsertComment(github, number, marker("plan", name), body);
	request.report.info(`the comment with the plan: ${outcome}, ${url}`);
}
/** The same text for the same plan, so that it is written once. */
function planText(file, checked) {
	const table = planTable(checked);
	const nothing = "Every tier is current: merging this makes nothing.\n";
	const isNothing = checked.every(({ look, failure }) => failure === null && look?.tiers.every(({ pending, isCardStale }) => pending.length === 0 && !isCardStale));
	return `### What ${code(file)} would make\n\n${isNothing ? nothing : table}`;
}

// src/upkeep/check.ts
/**
* Finds what is to be made, from the event, the series file, and headers and receipts on the Hub.
* Writes nothing to the Hub, and to GitHub one comment on a pull request. A model that cannot be
* looked at is told and left out. It fails the command only on a pull request, where nothing is
* made, and if no model is left.
*/
async function checkSeries(request) {
	const { file, report, environment } = request;
	const event = await readEvent(environment);
	const paths = await changesOf(event, request);
	const callers = await checkCallers(request);
	const asked = agendaOf(event, {
		file,
		paths,
		callers: callers.map(({ path }) => path)
	}, report);
	const isTag = environment.GITHUB_REF?.startsWith("refs/tags/") === true;
	const agenda = asked.task === "make" && isTag ? {
		...asked,
		task: "release"
	} : asked;
	if (agenda.task === "release") requireReleasable(request);
	const checked = await checkModels(agenda.models, request);
	const unattended = isUnattended(environment);
	const outputs = outputsOf(agenda, checked, {
		isUnattended: unattended,
		earlier: await earlierRuns(checked, unattended, request)
	});
	const isPull = agenda.task === "comment";
	const cards = isPull ? await checkCards(agenda.changedCards, request) : null;
	const calling = callerText(callers, isPull && callers.some(({ path }) => paths?.includes(path)));
	const others = [cards?.summary ?? "", calling];
	if (event.kind === "pull_request" && isPull) await commentPlan(event, {
		file,
		checked,
		others
	}, request);
	const found = [stateTable(checked), ...others].filter((text) => text !== "");
	const summary = `## Check of ${code(file.name)}\n\n${found.join("\n") || nothing}`;
	const refused = tellCallers(callers, isPull, request);
	return {
		outputs,
		summary,
		failure: failureOf(agenda, checked) ?? cards?.failure ?? refused
	};
}
const nothing = "This event asks for nothing.\n";
/** Paths that the event changed, for the events that ask for different things by them. */
async function changesOf(event, request) {
	return event.kind === "pull_request" || event.kind === "push" && event.isDefaultBranch ? changedPaths(await openRepository(request), event) : null;
}
/** Runs that left a sensitivity of a model that is to be made, by the model's name. */
async function earlierRuns(checked, isUnattended, request) {
	const found = /* @__PURE__ */ new Map();
	if (request.asked.githubToken === null) return found;
	const github = await openRepository(request);
	for (const { model, look } of checked) {
		if (pendingOf(look, isUnattended).length === 0) continue;
		const run = await findEarlierRun(github, `oqe-sensitivity-${model.name}`).catch((error) => {
			request.report.info(`${model.name} is measured anew: ${reasonOf(error)}`);
			return null;
		});
		if (run !== null) found.set(model.name, run);
	}
	return found;
}
function outputsOf({ task, changedCards }, checked, { isUnattended, earlier }) {
	const makes = task === "make" || task === "release";
	const models = checked.flatMap(({ model, look }) => {
		const pending = pendingOf(look, isUnattended);
		const isNeeded = pending.length > 0 || look !== null && task === "release";
		if (!makes || !isNeeded) return [];
		const { name, runner, timeoutMinutes: timeout, environment } = model;
		const run = earlier.get(name);
		return [{
			name,
			runner,
			timeout,
			environment,
			pending,
			...run === void 0 ? {} : { earlier: String(run) }
		}];
	});
	const cards = checked.filter(needsCards).map(({ model }) => model.name);
	const lists = {
		models,
		cards: makes ? cards : [],
		pushCards: task === "comment" ? [] : changedCards
	};
	return {
		mode: modeOf(task, lists),
		models: JSON.stringify(lists.models),
		cards: JSON.stringify(lists.cards),
		"push-cards": JSON.stringify(lists.pushCards)
	};
}
/** Tiers to be made. A run that nobody watches made those already that it holds back. */
function pendingOf(look, isUnattended = false) {
	return (look?.tiers ?? []).filter(({ pending, isHeldBack }) => pending.length > 0 && !(isUnattended && isHeldBack)).map(({ tier }) => tier);
}
/** New receipts give new cards, so a model that is made counts too. */
function needsCards({ look, hasOldCards }) {
	const isStale = look?.tiers.some((tier) => tier.isCardStale) === true;
	return hasOldCards || isStale || pendingOf(look).length > 0;
}
function modeOf(task, { models, cards, pushCards }) {
	if (task === "release" || task === "comment") return task;
	if (models.length > 0) return "requantize";
	if (pushCards.length > 0) return "push-cards";
	return cards.length > 0 ? "cards" : "none";
}
/** What fails the command. */
function failureOf({ task }, checked) {
	const failed = checked.filter(({ failure }) => failure !== null);
	const [first] = failed;
	if (first === void 0) return null;
	if (task !== "comment" && failed.length < checked.length) return null;
	const words = failed.map(({ model, failure }) => `${model.place} (${model.name}): ${failure.message}`);
	return new OqeError(first.failure.code, words.join("; "), first.failure.hint);
}

// src/upkeep/push-cards.ts
/**
* Sends the cards of the GitHub repository and their pictures, with a new SHA256SUMS and nothing
* else, to the tiers' repositories on the Hub: one commit each, or one pull request. Of a card only
* the notes count; the rest is made from the receipt on the Hub again. All tiers of a model are
* checked before the first is changed. A model that fails does not stop the others.
*/
async function pushCards(request) {
	const hub = request.connect();
	return forEachModel(request, "Cards sent to the Hub", async (model, inputs) => {
		const root = request.environment.GITHUB_WORKSPACE || ".";
		const changes = [];
		for (const place of tierPlaces(model.name, inputs)) {
			const text = await readCheckedOut(root, place.path);
			if (text === null) request.report.info(`${place.path}: there is no such card`);
			else changes.push(await prepare(hub, {
				...place,
				text
			}, request.report));
		}
		for (const change of changes) await checkMetadata(hub, change);
		const lines = [];
		const proposes = inputs.hubPullRequest;
		for (const change of changes) lines.push(await send(hub, {
			...change,
			proposes
		}, request));
		return lines;
	});
}
/** Throws NOT_FOUND, NOT_OURS, BAD_INPUT; warns of what people changed outside the markers. */
async function prepare(hub, file, report) {
	const { repository, path, text } = file;
	const tier = await readTier(hub, file);
	if (tier === null) throw new OqeError("NOT_FOUND", `${path} cannot be sent: ${repository} has no receipt on main`, `Publish the tier again, or remove ${path} and its pictures.`);
	refuseForeignWork(repository, tier.state, findForeignWork(tier.state, /* @__PURE__ */ new Map()));
	const found = {
		where: path,
		text
	};
	const made = await cardInRepository(tier);
	const notes = readNotes(found, made);
	const edits = findEdits(found, made);
	if (edits !== "") report.warn(`${path} differs from the card that the receipt gives, outside the markers for notes. The Hub gets the card from the receipt, with the notes:\n${edits}`);
	const { card, files, failures } = await filesOnHub(tier, notes);
	for (const failure of failures) report.warn(`${repository}: a picture could not be drawn: ${failure}`);
	return {
		tier,
		card,
		...findChanges(tier, files)
	};
}
/** Compares main with card, pictures and the list of files that they give. */
function findChanges({ state }, made) {
	const deleted = pictureFilePaths.filter((path) => !made.has(path) && state.files.has(path));
	const sums = new Map(state.sums);
	for (const path of deleted) sums.delete(path);
	for (const [path, content] of made) sums.set(path, sha256Of(content));
	const files = new Map([...made].filter(([path, content]) => state.files.get(path)?.sha256 !== sha256Of(content)));
	const list = writeSums(sums);
	if (writeSums(state.sums) !== list) files.set(sumsPath, new TextEncoder().encode(list));
	return {
		files,
		deleted
	};
}
/** Throws TEMPLATE for a card whose front matter the Hub refuses. */
async function checkMetadata(hub, { tier, card, files }) {
	if (!files.has("README.md")) return;
	const errors = await hub.validateCard(card).catch((error) => {
		if (error instanceof OqeError && error.code === "NOT_FOUND") return [];
		throw error;
	});
	if (errors.length === 0) return;
	throw new OqeError("TEMPLATE", `the Hub refuses the metadata of ${tier.repository}: ${errors.join("; ")}`, "It comes from the base model's card: check license, language and tags there.");
}
/** Sends one tier's changes; gives a line for the summary. */
async function send(hub, { tier, files, deleted, proposes }, { asked, occasion, report }) {
	const { repository, state } = tier;
	const page = link$1(inline(repository), `${hub.endpoint}/${repository}`);
	if (files.size === 0 && deleted.length === 0) return `${page}: unchanged`;
	const named = [...files.keys(), ...deleted].map(code).join(", ");
	if (asked.dryRun) return `${page}: dry run; would change ${named}`;
	const cause = occasion === "" || proposes ? "" : `, for ${occasion}`;
	const { commit, pull } = await hub.amend({
		repository,
		files: [...files].map(([path, content]) => ({
			path,
			content
		})),
		deleted,
		title: `Update the card${cause}`.slice(0, 200),
		parent: state.head,
		proposes
	});
	if (pull !== null) {
		report.info(`${repository}: card and pictures proposed: ${pull}`);
		return `${page}: ${link$1("proposed", pull)}: ${named}`;
	}
	report.info(`${repository}: card and pictures sent, commit ${commit}`);
	return `${page}: ${code(commit)} changed ${named}`;
}

// src/github/release.ts
const permission = "contents: write";
/**
* Publishes the release of a tag: draft, assets, publication, so that an immutable release is
* whole. A draft that an earlier run left is continued. A published release is never changed: with
* the same assets it is `unchanged`. A dry run only tells what would come of it. Two runs at once
* publish one; the other's draft is removed. Throws CONFLICT if the tag has moved since, or the
* assets differ.
*/
async function publishRelease(github, text, { dryRun = false } = {}) {
	checkRevision(text.tag);
	for (const { name } of text.assets) checkName(name);
	const verb = {
		what: `publish the release ${text.tag}`,
		permission
	};
	/** A draft that this call made. Another run may publish its own before it. */
	let made = null;
	return github.settle(verb, async () => {
		const commit = await taggedCommit(github, text.tag);
		const found = await findRelease(github, text.tag);
		if (found !== null && !found.draft && made !== null && made !== found.id) {
			await github.rest.repos.deleteRelease({
				...github.at,
				release_id: made
			});
			made = null;
		}
		if (found !== null && !await isOwnRelease(github, found, text.tag)) return attach(github, found, {
			...text,
			dryRun
		});
		if (found !== null) checkCommit(sealsOf(found.body).commit, commit, text.tag);
		if (found !== null && !found.draft) {
			checkAssets(found, text);
			return {
				outcome: "unchanged",
				url: found.html_url
			};
		}
		if (dryRun) return {
			outcome: "published",
			url: found?.html_url ?? null
		};
		const draft = await openDraft(github, found, {
			text,
			commit
		});
		if (found === null) made = draft.id;
		await upload(github, draft, text);
		const { data } = await github.rest.repos.updateRelease({
			...github.at,
			release_id: draft.id,
			...releaseWords(text, commit),
			draft: false
		});
		return {
			outcome: "published",
			url: data.html_url
		};
	});
}
/** GitHub renames assets with other characters. */
function checkName(name) {
	if (/^\w[\w.+-]{0,200}$/.test(name)) return;
	throw new OqeError("BAD_INPUT", `"${printable(name)}" cannot be the name of a release's asset`, "Letters, digits, `.`, `_`, `+` and `-` are allowed.");
}
function releaseWords({ tag, title, body, assets }, commit) {
	const seals = {
		commit,
		assets: assetsDigest(assets)
	};
	return {
		name: plainTitle(title),
		body: sealedText(marker("release", tag), body, seals)
	};
}
/** The commit of a tag, through an annotated tag. Throws NOT_FOUND for a tag that is gone. */
async function taggedCommit({ rest, at, repository }, tag) {
	const { type, sha } = (await rest.git.getRef({
		...at,
		ref: `tags/${tag}`
	}).catch((error) => {
		if (error?.status !== 404) throw error;
		throw new OqeError("NOT_FOUND", `${repository} has no tag ${printable(tag)} any more`, "It was deleted after the run began. Push the tag again to release.");
	})).data.object;
	if (type !== "tag") return sha;
	return (await rest.git.getTag({
		...at,
		tag_sha: sha
	})).data.object.sha;
}
/** The published release of a tag, else its newest draft. */
async function findRelease({ rest, at, paginate }, tag) {
	let draft = null;
	const pages = paginate.iterator(rest.repos.listReleases, {
		...at,
		per_page: 100
	});
	for await (const { data } of pages) for (const release of data) {
		if (release.tag_name !== tag) continue;
		if (!release.draft) return release;
		draft ??= release;
	}
	return draft;
}
async function isOwnRelease(github, release, tag) {
	return isMarked(release.body, marker("release", tag)) && github.isOwn(release.author);
}
function checkCommit(released, commit, tag) {
	if (released === void 0 || released === commit) return;
	throw new OqeError("CONFLICT", `the tag ${tag} was moved: its release was made of commit ${released.slice(0, 12)}, and the tag is at ${commit.slice(0, 12)} now`, "A release is not changed afterwards. Move the tag back, or push a new tag.");
}
function checkAssets(release, { tag, assets }) {
	if (sealsOf(release.body).assets === assetsDigest(assets)) return;
	const differing = lacking(release, assets).map(({ name }) => name);
	if (differing.length === 0) return;
	throw new OqeError("CONFLICT", `the release ${tag} is published with other assets: ${differing.slice(0, 5).join(", ")}`, "A release is not changed afterwards. Push a new tag for what is new.");
}
function lacking(release, assets) {
	return assets.filter((asset) => !release.assets.some((there) => holds(there, asset)));
}
/** Whether a stored asset is this one. Older servers of GitHub give no hash to prove it. */
function holds(there, asset) {
	const isWhole = there.state === "uploaded" && there.size === asset.bytes.length;
	return there.name === asset.name && isWhole && (there.digest == null || isProven(there, asset));
}
function isProven({ name, digest }, asset) {
	return name === asset.name && digest === `sha256:${sha256(asset.bytes)}`;
}
/** A draft whose seal names the assets to come. One of an earlier try with others is emptied. */
async function openDraft({ rest, at }, found, { text, commit }) {
	const words = releaseWords(text, commit);
	if (found === null) {
		const draft = {
			...at,
			tag_name: text.tag,
			draft: true
		};
		return (await rest.repos.createRelease({
			...draft,
			...words
		})).data;
	}
	if (sealsOf(found.body).assets === assetsDigest(text.assets)) return found;
	for (const asset of found.assets) if (!text.assets.some((own) => isProven(asset, own))) await rest.repos.deleteReleaseAsset({
		...at,
		asset_id: asset.id
	});
	return (await rest.repos.updateRelease({
		...at,
		release_id: found.id,
		...words
	})).data;
}
/** Uploads what a release lacks. An upload that broke off left an asset of the same name. */
async function upload(github, release, { assets }) {
	const { rest, at, request } = github;
	const address = release.upload_url.replace(/\{.*$/, "");
	for (const asset of assets) {
		if (release.assets.some((there) => holds(there, asset))) continue;
		const broken = release.assets.find(({ name }) => name === asset.name);
		if (broken !== void 0) await rest.repos.deleteReleaseAsset({
			...at,
			asset_id: broken.id
		});
		await request({
			method: "POST",
			url: `${address}?name=${encodeURIComponent(asset.name)}`,
			data: asset.bytes,
			headers: { "content-type": asset.type }
		});
	}
}
/** Adds assets to a release that a person made. */
async function attach(github, release, { dryRun, ...text }) {
	const url = release.html_url;
	const missing = lacking(release, text.assets);
	const taken = missing.filter(({ name }) => release.assets.some((other) => other.name === name));
	const isLocked = release.immutable === true;
	if (taken.length > 0 || isLocked && missing.length > 0) throw new OqeError("CONFLICT", `a person published the release ${text.tag}` + (isLocked ? ", and it is immutable, so nothing can be attached to it" : ` with other files of the same name: ${taken[0].name}`), "Push the tag with git and leave its release to this workflow; use a new tag for that.");
	if (!dryRun) await upload(github, release, {
		...text,
		assets: missing
	});
	return {
		outcome: missing.length > 0 ? "attached" : "unchanged",
		url
	};
}
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");
function assetsDigest(assets) {
	const lines = assets.map(({ name, bytes }) => `${sha256(bytes)} ${JSON.stringify(name)}`).sort();
	return createHash("sha256").update(lines.join("\n")).digest("hex").slice(0, 32);
}

// src/upkeep/prepared-release.ts
const noteOf = ({ tag, files }) => JSON.stringify({
	tag,
	sha256: sha256Of(JSON.stringify(files))
});
const placeIn = (workDir) => join(workDir, "prepared-release.json");
/** Notes in the work folder which files were prepared, and may be attested now. */
function notePrepared(workDir, prepared) {
	return writeFile(placeIn(workDir), noteOf(prepared));
}
/**
* Throws CONFLICT if other files were prepared for this tag: the Hub changed in between, and what
* would be released is not what was attested. Without a note nothing was prepared.
*/
async function requirePrepared(workDir, prepared) {
	const note = await readFile$1(placeIn(workDir), "utf8").catch(() => null);
	if (note === null || note === noteOf(prepared)) return;
	if (!note.startsWith(`{"tag":${JSON.stringify(prepared.tag)},`)) return;
	throw new OqeError("CONFLICT", `a tier on the Hub changed while the release ${prepared.tag} was prepared`, "Nothing was released. Run the job again: it prepares and attests what the Hub has now.");
}

// src/upkeep/release-notes.ts
/** SHA-256 of every file of weights, as `<sha256>  <namespace>/<repository>/<file>`. */
function listWeights(models) {
	return [...models.flatMap(({ tiers }) => tiers.flatMap(({ repository, sums }) => [...sums].filter(([path]) => path.endsWith(".safetensors")).map(([path, sha256]) => `${sha256}  ${repository}/${path}\n`)))].sort((a, b) => a.slice(66) < b.slice(66) ? -1 : 1).join("");
}
/**
* What is attested besides the receipts, in the format of SHA256SUMS: the weights, or their list if
* they are more than an attestation holds.
*/
function attestedSums(models) {
	const list = listWeights(models);
	return countLines(list) <= 1024 ? list : `${sha256Of(list)}  ${sumsPath}\n`;
}
const countLines = (text) => text.split("\n").length - 1;
/** Whether GitHub takes the pictures of all tiers too. */
function hasPictures(models) {
	return models.flatMap(({ tiers }) => tiers.map(({ receipt }) => 1 + namePictures(receipt).length)).reduce((sum, files) => sum + files, 2) <= mostFiles;
}
/** The matrix, the list of weights and, of each tier, the receipt and, if they fit, pictures. */
function releaseFiles(models) {
	const tiers = models.flatMap((model) => model.tiers);
	const draw = hasPictures(models) ? drawPictures : () => [];
	const ofTiers = tiers.flatMap(({ repository, receipt, receiptText }) => {
		const name = repository.replace("/", ".");
		return [{
			name: `${name}.receipt.json`,
			content: receiptText
		}, ...draw(receipt).map(({ path, svg }) => ({
			name: `${name}.${path}`,
			content: svg
		}))];
	});
	return [
		{
			name: "matrix.md",
			content: matrix(models)
		},
		{
			name: sumsPath,
			content: listWeights(models)
		},
		...ofTiers
	];
}
/** The table of every model: one row per tier. */
function matrix(models) {
	return `${models.map(matrixOf).join("\n\n")}\n`;
}
function matrixOf({ name, tiers }) {
	const rows = tiers.map(({ url, receipt: { plan, evaluation } }) => {
		const figures = evaluation === null ? ["\u2013", "\u2013"] : [estimate(evaluation.meanKl, evaluation.meanKlError), share(evaluation.sameTop)];
		return [
			...[
				link$1(inline(plan.tier), url),
				grouped(plan.bytes),
				gigabytes(plan.bytes)
			],
			bitsPerWeight(plan.bpw),
			...figures
		].join(" | ");
	});
	return [
		`### ${inline(name)}`,
		"",
		...baseOf(tiers),
		"| Tier | Bytes | GB | bpw | Mean KL | Same top token |",
		"|---|---:|---:|---:|---:|---:|",
		...rows.map((row) => `| ${row} |`)
	].join("\n");
}
function baseOf(tiers) {
	const base = tiers[0]?.receipt.base;
	if (base === void 0) return [];
	const { id, name, revision } = base;
	const label = id === null ? code(name) : link$1(inline(id), `https://huggingface.co/${id}/tree/${revision}`);
	const named = tiers.map((tier) => ({
		...tier,
		tier: tier.receipt.plan.tier
	}));
	return [
		`Repositories: ${repositoryNames(named)}`,
		"",
		`Base model: ${label} at ${code(revision)}`,
		""
	];
}
/** Notes of a release, in Markdown. */
function releaseNotes(request) {
	const { models, mark, unchangedSince } = request;
	const news = unchangedSince === null ? "" : `Nothing changed since ${code(unchangedSince)}: the weights are the same.\n\n`;
	const end = [
		attachedWords(models),
		"",
		...verifyLines(request),
		"",
		`<!-- oqe:release ${commentJson(mark)} -->`,
		""
	].join("\n");
	const room = longestBody - withoutMentions(news + end).length;
	return `${news}${fit(withoutMentions(matrix(models)), room)}\n${end}`;
}
/** What a table says that is too long for the notes. The end of the notes must not be cut. */
const goesOn = "\n\n*The table goes on in the attached `matrix.md`.*\n";
function fit(table, room) {
	if (table.length < room) return table;
	return table.slice(0, table.lastIndexOf("\n", room - 51 - 1)) + goesOn;
}
function attachedWords(models) {
	const pictures = hasPictures(models) ? "the receipt and the pictures of every tier" : `the receipt of every tier (pictures would be more files than the ${grouped(mostFiles)} that GitHub takes)`;
	const weights = countLines(listWeights(models));
	return `Attached: ${pictures}, and \`SHA256SUMS\` of all weights. On public repositories GitHub attests ${weights <= 1024 ? "receipts and weights" : `receipts and, as ${grouped(weights)} files of weights are too many, \`SHA256SUMS\``}:`;
}
/**
* The command that checks an attestation. GitHub names the called workflow as its signer, so `gh`
* refuses it unless it is told that workflow's repository.
*/
function verifyLines({ repository, signer }) {
	return [
		"```sh",
		`gh attestation verify <file> --repo ${repository}${signer === repository ? "" : ` --signer-repo ${signer ?? "<owner>/oqe-publisher"}`}`,
		"```",
		...signer === null ? ["", "`<owner>` is the one that the line `uses:` of the workflow names."] : []
	];
}
/** The mark in the notes of a release; null if it is not ours. */
function readMark(notes) {
	const found = /<!-- oqe:release (\{.*?\}) -->/.exec(notes);
	if (found === null) return null;
	try {
		const { weights } = JSON.parse(found[1]);
		return typeof weights === "string" ? { weights } : null;
	} catch {
		return null;
	}
}

// src/upkeep/signer.ts
/** Where series.yml checks out the repository that it is in, below the workspace. */
const checkout = ".oqe-publisher";
/**
* `owner/name` of the repository whose workflow signs the attestations. A workflow of `caller`
* that names the Action signs itself. series.yml runs the Action from a checkout of its own
* repository, whose address Git keeps. null: neither is there.
*/
async function signerOf(caller, environment) {
	if (environment.GITHUB_ACTION_REPOSITORY) return caller;
	const path = join(environment.GITHUB_WORKSPACE || ".", checkout, ".git/config");
	const config = await readFile$1(path, "utf8").catch(() => "");
	const server = environment.GITHUB_SERVER_URL ?? "https://github.com";
	const [, url = ""] = /^\[remote "origin"\]\n(?:\s+\w+ = .*\n)*?\s+url = (\S+)$/m.exec(config) ?? [];
	if (!url.startsWith(`${server}/`)) return null;
	const name = url.slice(server.length + 1).replace(/\.git$/, "");
	return /^[\w-]+\/[\w.-]+$/.test(name) ? name : null;
}

// src/upkeep/release.ts
/** Folder of the attached files, below the work folder. The workflow attests the receipts. */
const releaseFolder = "release";
/** Folder of the list of the other files that the workflow attests, below the work folder. */
const attestFolder = "attest";
/**
* The GitHub release of the tag that started the run: matrix, receipts, pictures and the list of
* all weights, as the Hub has them now. A release that is published is never changed. None is made
* while a model was not made, or waits on the Hub for a person. A dry run leaves the files in the
* work folder: they are attested before the release has them. Throws BAD_INPUT without a tag, or
* for more tiers than a release holds, NOT_FOUND for a tier that is not published, CONFLICT for a
* tag that moved, or for tiers that are not those of the dry run before.
*/
async function releaseTag(request) {
	const { asked, environment, file, inputsOf } = request;
	const tag = requireTag(environment.GITHUB_REF);
	requireReleasable(request);
	const { results } = await readResults(join(asked.workDir, resultsFolder));
	const waits = waitsFor(request, results);
	if (waits.length > 0) {
		const lines = waits.map((line) => `- ${line}\n`);
		return {
			outputs: { changed: "false" },
			summary: `No release ${inline(tag)} yet.\n\n${lines.join("")}`,
			failure: null,
			waits: true
		};
	}
	const hub = request.connect();
	const models = [];
	for (const model of file.models) models.push({
		name: model.name,
		tiers: await publishedTiers(hub, tierPlaces(model.name, inputsOf(model)))
	});
	const github = await openRepository(request);
	const files = releaseFiles(models);
	await keepFiles(join(asked.workDir, releaseFolder), files);
	const attested = [{
		name: sumsPath,
		content: attestedSums(models)
	}];
	await keepFiles(join(asked.workDir, attestFolder), attested);
	await (asked.dryRun ? notePrepared : requirePrepared)(asked.workDir, {
		tag,
		files
	});
	const weights = sha256Of(listWeights(models));
	const last = await lastRelease(github, tag);
	const text = {
		tag,
		title: tag,
		body: releaseNotes({
			models,
			mark: { weights },
			repository: github.repository,
			signer: await signerOf(github.repository, environment),
			unchangedSince: last?.weights === weights ? last.tag : null
		}),
		assets: files.map(assetOf)
	};
	const { outcome, url } = await publishRelease(github, text, asked);
	const isPlan = asked.dryRun && outcome !== "unchanged";
	const summary = `Release ${url === null ? inline(tag) : link$1(inline(tag), url)}: ${isPlan ? `dry run; would be ${outcome}` : outcome}\n`;
	return {
		outputs: { changed: String(outcome !== "unchanged") },
		summary,
		failure: null
	};
}
/** Why the models are not ready to be released, in Markdown. */
function waitsFor({ asked, file }, results) {
	const models = file.models.map(({ name }) => name);
	const made = results.flatMap(({ series, command }) => isMaker(command) ? series ?? [] : []);
	const unfinished = verdictsOf({
		models,
		expected: asked.models ?? made,
		results
	}).flatMap(({ name, state }) => {
		if (state === "green") return [];
		const why = state === "stopped" ? "is not finished: the next run goes on" : "was not made";
		return [`${inline(name)} ${why}.`];
	});
	const merges = results.flatMap((result) => result.tiers).filter(({ outcome }) => outcome === "proposed").map(({ repository, url }) => `${link$1(inline(repository), url)} waits for a person to merge it. Then run the tag again.`);
	return [...unfinished, ...merges];
}
function requireTag(ref = "") {
	const tag = tagOf({ ref });
	if (tag !== null) return checkTagName(tag);
	throw new OqeError("BAD_INPUT", `command release needs a tag, but this run is of ${inline(ref || "no ref")}`, "Run it on a push of a tag, or start the workflow at a tag.");
}
/** The tiers of a model on the Hub. Throws NOT_FOUND, CONFLICT. */
async function publishedTiers(hub, places) {
	const found = [];
	for (const { repository } of places) {
		const { receipt, sums } = await inspectVisible(hub, repository);
		if (receipt === null || sums === null) throw new OqeError(receipt === null ? "NOT_FOUND" : "CONFLICT", `${repository} cannot be released: it has no ${receipt === null ? "receipt" : "SHA256SUMS of ours"} on main`, "Run the jobs of this model again. They publish what is missing. A private tier needs the secret hub-read-token.");
		found.push({
			repository,
			url: `${hub.endpoint}/${repository}`,
			sums,
			receipt: parseReceipt(receipt, repository),
			receiptText: receipt
		});
	}
	return found;
}
/** Tag and weights of the latest release; null: there is none of ours, or it is this very one. */
async function lastRelease(github, tag) {
	return github.settle({
		what: "read the latest release",
		permission: "contents: read"
	}, async () => {
		const found = await github.rest.repos.getLatestRelease(github.at).catch((error) => {
			if (error?.status === 404) return null;
			throw error;
		});
		const mark = readMark(found?.data.body ?? "");
		if (found === null || mark === null || found.data.tag_name === tag) return null;
		return {
			tag: found.data.tag_name,
			weights: mark.weights
		};
	});
}
async function keepFiles(folder, files) {
	await rm(folder, {
		recursive: true,
		force: true
	});
	await mkdir(folder, { recursive: true });
	for (const { name, content } of files) await writeFile(join(folder, name), content);
}
function assetOf({ name, content }) {
	const type = {
		json: "application/json",
		svg: "image/svg+xml",
		md: "text/markdown"
	}[name.split(".").at(-1)] ?? "text/plain";
	return {
		name,
		bytes: new TextEncoder().encode(content),
		type
	};
}

// src/entry/upkeep-run.ts
const runs = {
	check: checkSeries,
	access: checkAccess,
	cards: refreshCards,
	"push-cards": pushCards,
	release: releaseTag,
	report: reportResults
};
const tooLarge = "The summary of this run is too large for GitHub. The log has it.\n";
/** `report` tells of a series file that cannot be read; for the others it is a failure. */
async function readFile(command, { seriesFile }) {
	try {
		return {
			file: await readSeriesFile(seriesFile),
			unreadable: null
		};
	} catch (error) {
		if (command !== "report") throw error;
		return {
			file: {
				name: seriesFile.name,
				models: []
			},
			unreadable: asKnown(error)
		};
	}
}
/**
* A command that works on all models of the series file. Gives whether what was asked for waits for
* others. Throws its failure.
*/
async function runUpkeep(command, { asked, read, occasion, report }) {
	const { file, unreadable } = await readFile(command, asked);
	const environment = process.env;
	const inputsOf = (model) => parseInputs(readModel(model, read), environment);
	const request = {
		...openDependencies({
			...asked,
			hubToken: hubAccess(asked, asked)
		}, report, occasion),
		asked,
		file,
		unreadable,
		inputsOf,
		environment
	};
	const { outputs, summary, failure, waits = false } = await runs[command](request);
	for (const [name, value] of Object.entries(outputs)) setOutput(name, value);
	if (summary !== "") await writeText(summary, tooLarge, jobSummary);
	if (failure !== null) throw failure;
	return waits;
}

// src/entry/action-run.ts
/** One run of the Action: inputs \u2192 command \u2192 outputs and job summary. Throws the failure. */
async function runAction() {
	const read = (name) => getInput(name);
	const asked = parseActionInputs(read, process.env);
	for (const token of [asked.hubToken, asked.githubToken]) if (token !== null) setSecret(token);
	const event = await readOccasion();
	const run = {
		asked,
		read,
		occasion: describeOccasion(event, process.env.GITHUB_REPOSITORY),
		tag: tagOf(event),
		report: actionsReport(),
		isUnattended: isUnattended(process.env)
	};
	const { command } = asked;
	if (!isUpkeep(command)) return runSeries(run);
	return keepUpkeep(asked, () => runUpkeep(command, run));
}

export { runAction };