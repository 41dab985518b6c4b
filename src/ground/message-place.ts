/**
 * Where GitHub shows an annotation: at the line of a YAML file that the message begins with, as
 * `series.yml:4 (tiny): …`. Empty if it begins with none.
 */
export function placeOf(message: string): { readonly file?: string; readonly startLine?: number } {
  const [, file, line] = /^(\S+\.ya?ml):(\d+)(?: \([^)]*\))?: /.exec(message) ?? [];
  return file === undefined ? {} : { file, startLine: Number(line) };
}
