import { fileURLToPath } from "node:url";
import { bundle } from "./bundle.ts";

/** Builds `dist/`, which is committed: the Action runs from it. */
await bundle(fileURLToPath(new URL("../dist", import.meta.url)));
