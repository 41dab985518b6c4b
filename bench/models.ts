import { writeFile } from "node:fs/promises";
import { renderModelsPage } from "./sizes/models-page.ts";

/**
 * Writes docs/models.md from role tables and from configs of published models: what is quantized,
 * sizes of the tiers, and what a run takes. No weight is read.
 *   node bench/models.ts
 */
await writeFile(new URL("../docs/models.md", import.meta.url), renderModelsPage());
