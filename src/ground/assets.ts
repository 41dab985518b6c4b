/**
 * Where the files beside the code are. In `dist/` they lie next to the bundle, in a checkout each
 * in its own folder. Only this file knows the difference.
 */
const bundled = import.meta.url.endsWith(".js");

function locate(inCheckout: string, inDist: string): URL {
  return new URL(bundled ? inDist : inCheckout, import.meta.url);
}

export const assets = {
  /** Top of the repository or package, with a trailing slash. */
  root: locate("../../", "../"),
  /** Script of a worker thread of the kernel. */
  worker: locate("../kernel/worker.ts", "./worker.js"),
  /** The kernel, built by wasm-pack. */
  kernel: locate("../../kernel-wasm/pkg/oqe_kernel_bg.wasm", "./oqe_kernel_bg.wasm"),
  /** The renderer of PNG files. */
  renderer: locate("../../node_modules/@resvg/resvg-wasm/index_bg.wasm", "./resvg_bg.wasm"),
  /** Folder of the font of PNG files, with a trailing slash. */
  fonts: locate("../../fonts/", "./fonts/"),
  /** Folder of the card templates, with a trailing slash. */
  templates: locate("../../templates/", "./templates/"),
  /** Folder of the calibration corpus, with a trailing slash. */
  corpus: locate("../../corpus/", "./corpus/"),
} as const;
