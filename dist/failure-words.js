import { a as code, l as prose } from "./message-place.js";

// src/card/failure-words.ts
/** Columns of a code block in a comment on GitHub, which is 740 pixels wide. */
const columns = 84;
/** More lines, as of a long difference, are in the log only. */
const mostLines = 60;
/**
* A failure's message in Markdown: its first line as a sentence, the rest, which is a difference,
* as a block of code. `kind`: the error's code, behind the sentence; empty if that has it.
*/
function failureWords(message, kind = "") {
	const [first = "", ...rest] = message.split("\n").filter((line) => line.trim() !== "");
	const sentence = `**Failed**: ${prose(first)}${kind === "" ? "" : ` (${code(kind)})`}`;
	if (rest.length === 0) return sentence;
	const more = rest.length > mostLines ? ["", "The log has the rest."] : [];
	return [
		sentence,
		"",
		...diffBlock(rest.slice(0, mostLines)),
		...more
	].join("\n");
}
/** A fence that is longer than any in the lines. A line that is too wide goes on with its sign. */
function diffBlock(lines) {
	const runs = lines.flatMap((line) => line.match(/`+/g) ?? []);
	const fence = "`".repeat(Math.max(3, ...runs.map((run) => run.length + 1)));
	return [
		`${fence}diff`,
		...lines.flatMap(wrapped),
		fence
	];
}
function wrapped(line) {
	const plain = line.replace(/\p{Cc}/gu, " ");
	const sign = /^[-+ ]/.exec(plain)?.[0] ?? "";
	const characters = [...plain.slice(sign.length)];
	const room = columns - sign.length;
	const parts = Array.from({ length: Math.ceil(characters.length / room) }, (_, k) => characters.slice(k * room, (k + 1) * room).join(""));
	return parts.length === 0 ? [sign] : parts.map((part) => sign + part);
}

export { failureWords as t };