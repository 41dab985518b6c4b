// src/card/markdown.ts
/**
* Puts text from outside (names, tags, licences, names of tensors and files) into Markdown. It
* cannot end a table cell, open a tag or a link, or leave its line.
*/
const longest = 500;
/**
* One line, no control characters and none that reorder text (Unicode TR 36), at most 500
* characters.
*/
function oneLine(text) {
	const characters = [...text.replace(/[\p{Cc}\s]+/gu, " ").replace(/[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "").trim()];
	return characters.length > longest ? `${characters.slice(0, 499).join("")}\u2026` : characters.join("");
}
/** Plain text for a sentence, a list item or a table cell. */
function inline(text) {
	return escaped(oneLine(text));
}
function escaped(text) {
	return text.replace(/[\\`*[\]|~$!]/g, "\\$&").replace(/(?<!\w)_|_(?!\w)/g, "\\_").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/^[#+=-]/, "\\$&").replace(/^(\d+)([.)])(?=\s|$)/, "$1\\$2");
}
/**
* A sentence of ours with text of others inside. `Names` and markers of notes in backticks stay
* code if they are plain; the rest is escaped.
*/
function prose(text) {
	return oneLine(text).split(/`([\w.-]+|<!-- \/?oqe:notes -->)`/).map((part, index) => index % 2 === 1 ? `\`${part}\`` : escaped(part)).join("");
}
/**
* A code span if the text cannot break out of it; otherwise plain text, because escapes do not work
* in code spans.
*/
function code(text) {
	return /^[\w.,:;/@+=()*#-]([\w.,:;/@+=()*# -]*[\w.,:;/@+=()*#-])?$/.test(text) && text.length <= longest ? `\`${text}\`` : inline(text);
}
/**
* A link if `url` is a plain http(s) address; otherwise only the label. `label` is Markdown
* already.
*/
function link(label, url) {
	const address = webAddress(url);
	return address === null ? label : `[${label}](${address})`;
}
/** The address, spelled so that it cannot end a Markdown link; null unless it is http(s). */
function webAddress(url) {
	if (url.length > longest || !URL.canParse(url)) return null;
	const parsed = new URL(url);
	if (parsed.protocol !== "https:" && parsed.protocol !== "http:") return null;
	if (parsed.username !== "" || parsed.password !== "") return null;
	return parsed.href.replace(/[()<>[\]`|\\"'*_~$!]/g, (character) => character === "_" ? "_" : `%${hex(character)}`);
}
function hex(character) {
	return character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0");
}
/**
* Text from outside in an attribute of an HTML tag, between double quotes. Characters that mean
* something in Markdown become references too.
*/
function attribute(text) {
	return oneLine(text).replace(/[&"<>[\]`*|\\{}]/g, (one) => `&#${one.charCodeAt(0)};`);
}
/** A value as JSON for an HTML comment: valid JSON without `<`, `>` and `--`. */
function commentJson(value) {
	return JSON.stringify(value).replace(/</g, "\\u003c").replace(/>/g, "\\u003e").replace(/--/g, "-\\u002d");
}
/** One word of a POSIX shell command. */
function shellWord(text) {
	const line = oneLine(text);
	return /^[\w@%+=:,./][\w@%+=:,./-]*$/.test(line) ? line : `'${line.replace(/'/g, `'\\''`)}'`;
}

// src/ground/secrets.ts
/** Variables that may hold a token: inputs of the step, and what libraries read. */
const variables = [
	"INPUT_HUB-TOKEN",
	"INPUT_GITHUB-TOKEN",
	"HF_TOKEN",
	"GITHUB_TOKEN"
];
/** The tokens that a process was given. */
function secretsIn(environment) {
	return variables.flatMap((name) => environment[name]?.trim() || []);
}
/**
* The text with `***` in the place of every secret. The longest go first: one secret may be a part
* of another.
*/
function withoutSecrets(text, secrets) {
	return [...secrets].filter((secret) => secret !== "").toSorted((a, b) => b.length - a.length).reduce((safe, secret) => safe.replaceAll(secret, "***"), text);
}

// src/ground/message-place.ts
/**
* Where GitHub shows an annotation: at the line of a YAML file that the message begins with, as
* `series.yml:4 (tiny): \u2026`. Empty if it begins with none.
*/
function placeOf(message) {
	const [, file, line] = /^(\S+\.ya?ml):(\d+)(?: \([^)]*\))?: /.exec(message) ?? [];
	return file === void 0 ? {} : {
		file,
		startLine: Number(line)
	};
}

export { code as a, link as c, webAddress as d, attribute as i, prose as l, secretsIn as n, commentJson as o, withoutSecrets as r, inline as s, placeOf as t, shellWord as u };