import { C as describeFailure, E as outOfMemory, c as isLive, n as heapFlags, t as allocatorSettings, u as terminalVariable, w as exitCodes, x as OqeError } from "./memory.js";
import { spawn } from "node:child_process";

// src/entry/supervise.ts
/**
* V8 aborts the whole process when its heap is full, and the system kills a process when memory is
* short: no code of that process can print advice. So the entries run their work in a child
* process, and the parent explains how it ended.
*/
/**
* Set for the child. Whoever sets it by hand gets one process, as test/arm64.test.ts does for an
* emulator.
*/
const marker = "OQE_ONE_PROCESS";
/** Whether this process does the work itself. A child process then ends when its parent ends. */
function isWorker() {
	if (process.env[marker] === void 0) return false;
	process.on("disconnect", () => process.exit(1));
	process.channel?.unref();
	return true;
}
const passedOn = [
	"SIGINT",
	"SIGTERM",
	"SIGHUP"
];
/** Signals by which a user stops a run. */
const stopping = ["SIGINT", "SIGTERM"];
/** What the parent tells the child for the first of them. */
const stopMessage = "oqe:stop";
/**
* Calls `stop` when the user asks this worker to end (Ctrl-C, SIGTERM), until the function that it
* gives is called. A terminal sends Ctrl-C to parent and child, so a supervised child listens to
* its parent alone. Without one, a second signal ends the process at once.
*/
function whenStopped(stop) {
	const isSupervised = process.connected === true;
	let isAsked = false;
	const onSignal = () => {
		if (isSupervised) return;
		if (isAsked) process.exit(exitCodes.stopped);
		isAsked = true;
		stop();
	};
	const onMessage = (message) => {
		if (message === stopMessage) stop();
	};
	for (const signal of stopping) process.on(signal, onSignal);
	process.on("message", onMessage);
	process.channel?.unref();
	return () => {
		for (const signal of stopping) process.off(signal, onSignal);
		process.off("message", onMessage);
	};
}
/** Within this time, in ms, two signals are one: npx passes on what the terminal sends as well. */
const sameSignal = 300;
/**
* Runs this command line again in a child process and ends with its exit code. `report` prints the
* failure if the child could not do so itself.
*/
function supervise(report, { asks = false } = {}) {
	const [node, script, ...args] = process.argv;
	const handed = process.stderr.isTTY && isLive(process.env);
	const child = spawn(node, [
		...heapFlags,
		...process.execArgv,
		script,
		...args
	], {
		stdio: [
			"inherit",
			"inherit",
			"pipe",
			"ipc",
			...handed ? [2] : []
		],
		env: {
			...allocatorSettings,
			...process.env,
			[marker]: "1",
			...handed ? { [terminalVariable]: "4" } : {}
		}
	});
	process.stderr.on("error", ignoreClosed);
	process.stdout.on("error", ignoreClosed);
	const crash = new CrashFilter((text) => process.stderr.write(text));
	child.stderr.setEncoding("utf8").on("data", (text) => crash.add(text));
	let asked = null;
	const passOn = (signal) => {
		if (!asks || !stopping.includes(signal)) return void child.kill(signal);
		const now = performance.now();
		if (asked === null) child.send(stopMessage, () => {});
		else if (now - asked > sameSignal) child.kill("SIGKILL");
		asked ??= now;
	};
	for (const signal of passedOn) process.on(signal, passOn);
	child.once("error", (cause) => {
		const failure = describeFailure(cause, process.env.OQE_DEBUG !== void 0);
		report(failure);
		process.exitCode = failure.exitCode;
	});
	child.once("close", (code, signal) => {
		crash.end(process.env.OQE_DEBUG !== void 0);
		for (const name of passedOn) process.off(name, passOn);
		if (asked !== null && signal !== null) {
			process.exitCode = exitCodes.stopped;
			return;
		}
		const failure = signal === null && code !== abortCode ? null : explain(signal, crash.text);
		if (failure !== null) {
			report(failure);
			process.exitCode = failure.exitCode;
		} else if (signal === null) process.exitCode = code;
		else process.kill(process.pid, signal);
	});
}
function ignoreClosed(error) {
	if (error.code !== "EPIPE") process.exitCode = 1;
}
/** Exit code of an abort where there are no signals. */
const abortCode = 134;
/** Why the system or V8 ended the child; null: somebody else ended it with this signal. */
function explain(signal, crash) {
	if (signal !== null && passedOn.some((name) => name === signal)) return null;
	const isFull = /heap limit|out of memory|allocation failed/i.test(crash);
	if (signal === "SIGKILL" || isFull) return describeFailure(outOfMemory(stopped(signal)), false);
	const message = `the run crashed (${signal ?? `exit code ${abortCode}`})`;
	return describeFailure(new OqeError("INTERNAL", message, "Please report it: the command or workflow, the model, and the log."), false);
}
function stopped(signal) {
	return signal === "SIGKILL" ? "the system killed the run (SIGKILL), so it probably" : "the run";
}
/** The first lines of the text that V8 and Node print when they abort. */
const crashStart = /^(<--- Last few GCs --->|FATAL ERROR: |#\n# Fatal |# Fatal |----- Native stack)/m;
/** Passes text on at once, but holds back the text that V8 prints when it aborts. */
var CrashFilter = class {
	/** The text that was held back. */
	text = "";
	#write;
	/** A line that is not complete yet, and could be the start of a crash. */
	#line = "";
	constructor(write) {
		this.#write = write;
	}
	add(text) {
		if (this.text !== "") {
			this.text += text;
			return;
		}
		const whole = this.#line + text;
		const end = whole.lastIndexOf("\n") + 1;
		const at = whole.search(crashStart);
		this.#line = at === -1 ? whole.slice(end) : "";
		this.#write(whole.slice(0, at === -1 ? end : at));
		if (at !== -1) this.text = whole.slice(at);
	}
	/** `showCrash`: also writes the text that was held back. */
	end(showCrash) {
		this.#write(this.#line + (showCrash ? this.text : ""));
	}
};

export { supervise as n, whenStopped as r, isWorker as t };