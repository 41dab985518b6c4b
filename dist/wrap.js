// src/ground/color.ts
/** Codes of SGR, by style: what switches it on, and off again. */
const styles = {
	bold: [1, 22],
	red: [31, 39],
	green: [32, 39],
	yellow: [33, 39],
	cyan: [36, 39]
};
const plainPaint = (_style, text) => text;
const colorPaint = (style, text) => {
	const [on, off] = styles[style];
	return `\u001b[${on}m${text}\u001b[${off}m`;
};
/**
* Colors for a terminal, none for a pipe. NO_COLOR (https://no-color.org) forbids them anywhere,
* FORCE_COLOR asks for them in a pipe too, and FORCE_COLOR=0 forbids them.
*/
function paintFor({ NO_COLOR, FORCE_COLOR, TERM }, isTerminal) {
	if (NO_COLOR) return plainPaint;
	if (FORCE_COLOR !== void 0) return /^(0|false)$/.test(FORCE_COLOR) ? plainPaint : colorPaint;
	return isTerminal && TERM !== "dumb" ? colorPaint : plainPaint;
}

// src/ground/wrap.ts
/** Lines of at most `width` characters, broken at blanks. A longer word has its own line. */
function wrap(text, width) {
	const lines = [];
	for (const word of text.split(" ")) {
		const last = lines.at(-1);
		if (last === void 0 || last.length + 1 + word.length > width) lines.push(word);
		else lines[lines.length - 1] = `${last} ${word}`;
	}
	return lines;
}
/** The same with `indent` before each line, as one text. */
function wrapped(text, width, indent = "") {
	return wrap(text, width - indent.length).map((line) => indent + line).join("\n");
}

export { plainPaint as i, wrapped as n, paintFor as r, wrap as t };