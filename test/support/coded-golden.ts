import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { readTensors } from "./safetensors.ts";

/**
 * Codes, and their values as transformers and compressed-tensors have them. Made by
 * test/python/coded_golden.py.
 */
const path = fileURLToPath(new URL("../golden/coded.safetensors", import.meta.url));
const file = readFileSync(path);
const header = JSON.parse(file.toString("utf8", 8, 8 + Number(file.readBigUInt64LE())));

/** Tensors of every case, by name. */
export const golden = readTensors(path);
/** Quantization settings of every case, by name. */
export const settings: Record<string, object> = JSON.parse(header.__metadata__.settings);
