type Environment = Readonly<Record<string, string | undefined>>;

/** Codes of SGR, by style: what switches it on, and off again. */
const styles = {
  bold: [1, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

export type Style = keyof typeof styles;

/** Writes text in a style, or as it is. */
export type Paint = (style: Style, text: string) => string;

export const plainPaint: Paint = (_style, text) => text;

const colorPaint: Paint = (style, text) => {
  const [on, off] = styles[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
};

/**
 * Colors for a terminal, none for a pipe. NO_COLOR (https://no-color.org) forbids them anywhere,
 * FORCE_COLOR asks for them in a pipe too, and FORCE_COLOR=0 forbids them.
 */
export function paintFor({ NO_COLOR, FORCE_COLOR, TERM }: Environment, isTerminal: boolean): Paint {
  if (NO_COLOR) return plainPaint;
  if (FORCE_COLOR !== undefined) return /^(0|false)$/.test(FORCE_COLOR) ? plainPaint : colorPaint;
  return isTerminal && TERM !== "dumb" ? colorPaint : plainPaint;
}
