/** Size in bytes from which the Hub wants even text in LFS. */
export const largestRegularFile = 10 * 1024 * 1024;

/** Patterns that a new repo's `.gitattributes` sends to LFS, as on the Hub. */
const lfsPatterns = (
  "*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gguf *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model " +
  "*.msgpack *.npy *.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar " +
  "*.safetensors saved_model/**/* *.tar.* *.tar *.tflite *.tgz *.wasm *.xz *.zip *.zst " +
  "*tfevents*"
).split(" ");

const toLfs = "filter=lfs diff=lfs merge=lfs -text";

export const initialAttributes = lfsPatterns.map((pattern) => `${pattern} ${toLfs}\n`).join("");

/**
 * Patterns of a `.gitattributes` text, and whether each sends files to LFS. The last match decides.
 */
function rules(text: string): { test: RegExp; lfs: boolean }[] {
  return text
    .split(/\r?\n/)
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.length > 1 && !words[0]!.startsWith("#"))
    .flatMap(([pattern, ...attributes]) => {
      const filter = attributes.findLast((word) => /^[-!]?filter(=|$)/.test(word));
      return filter === undefined
        ? []
        : [{ test: globToRegExp(pattern!), lfs: filter === "filter=lfs" }];
    });
}

/**
 * A git glob. Without a slash it matches the last segment of a path, else the whole path. `**` also
 * matches slashes.
 */
function globToRegExp(pattern: string): RegExp {
  const body = pattern
    .replace(/^\//, "")
    .split(/(\\.|\[\[:space:\]\]|\[[^\]]+\]|\*\*\/|\*\*|\*|\?)/)
    .map((part) => {
      if (part === "**/") return "(?:.*/)?";
      if (part === "**") return ".*";
      if (part === "*") return "[^/]*";
      if (part === "?") return "[^/]";
      if (part === "[[:space:]]") return "\\s";
      if (/^\[.+\]$/.test(part)) return part.replace(/\\/g, "\\\\").replace(/^\[!/, "[^");
      return part.replace(/^\\(.)$/, "$1").replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
    })
    .join("");
  try {
    return new RegExp(`${pattern.includes("/") ? "^" : "(?:^|/)"}${body}$`);
  } catch {
    return /$^/; // a malformed class such as `[z-a]` fits nothing
  }
}

export function goesToLfs(attributes: string, path: string): boolean {
  return rules(attributes).findLast((rule) => rule.test.test(path))?.lfs ?? false;
}

/** Adds a line for every path that no pattern sends to LFS yet. */
export function trackInLfs(attributes: string, paths: readonly string[]): string {
  const missing = paths.filter((path) => !goesToLfs(attributes, path));
  if (missing.length === 0) return attributes;
  const start = attributes === "" || attributes.endsWith("\n") ? attributes : `${attributes}\n`;
  return start + missing.map((path) => `${escapePattern(path)} ${toLfs}\n`).join("");
}

function escapePattern(path: string): string {
  return path.replace(/[*?[]/g, "\\$&").replace(/ /g, "[[:space:]]");
}

/** Whether the first bytes of a file are UTF-8 text. The last character may be incomplete. */
export function looksLikeText(sample: Uint8Array): boolean {
  if (sample.includes(0)) return false;
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(sample, { stream: true });
    return true;
  } catch {
    return false;
  }
}
