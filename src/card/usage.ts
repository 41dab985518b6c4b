import { runInNewContext } from "node:vm";
import { Template } from "@huggingface/jinja";
import { asObject, parseJson } from "../checkpoint/json.ts";
import { type Repository, readText } from "../checkpoint/repository.ts";
import type { Usage } from "../receipt/receipt.ts";

/** Keys of generation_config.json that mlx-lm has an option for. */
const samplingKeys = ["temperature", "top_p", "top_k", "min_p", "repetition_penalty"];
/** Longest template that is read, and longest prompt that is shown. */
const most = { template: 64 << 10, prompt: 600, lines: 16 };
/** Milliseconds. A template of a chat takes one; one that never ends is given up. */
const timeLimit = 1000;

/**
 * What people need to run the model, from files of the base. Never throws, because the weights do
 * not depend on them: what cannot be read is left out.
 */
export async function readUsage(repository: Repository): Promise<Usage> {
  const generation = await objectOf(repository, "generation_config.json");
  const sampling = Object.fromEntries(
    samplingKeys.flatMap((key) => {
      const value = generation[key];
      return typeof value === "number" && Number.isFinite(value) ? [[key, value]] : [];
    }),
  );
  const template = await templateOf(repository);
  return { sampling, prompt: template === null ? null : await promptOf(repository, template) };
}

async function objectOf(repository: Repository, path: string): Promise<Record<string, unknown>> {
  if (!repository.files.has(path)) return {};
  try {
    return asObject(parseJson(await readText(repository, path), path)) ?? {};
  } catch {
    return {};
  }
}

/** The chat template: a file of its own, or a field of the tokenizer's config. */
async function templateOf(repository: Repository): Promise<string | null> {
  const path = "chat_template.jinja";
  if ((repository.files.get(path) ?? Infinity) <= most.template)
    return readText(repository, path).catch(() => null);
  const { chat_template: own } = await objectOf(repository, "tokenizer_config.json");
  return typeof own === "string" && own.length <= most.template ? own : null;
}

/** The template on one user turn; null if it needs more than that, or gives no short text. */
async function promptOf(repository: Repository, template: string): Promise<Usage["prompt"]> {
  const config = await objectOf(repository, "tokenizer_config.json");
  const special = Object.fromEntries(
    ["bos_token", "eos_token", "pad_token", "unk_token"].map((key) => {
      const token = config[key];
      const content = asObject(token)?.content;
      return [key, typeof token === "string" ? token : typeof content === "string" ? content : ""];
    }),
  );
  const render = () =>
    new Template(template).render({
      ...special,
      messages: [{ role: "user", content: "{prompt}" }],
      add_generation_prompt: true,
    });
  try {
    // A template of others may never end; this is the one way to stop a call from outside.
    const text: unknown = runInNewContext("render()", { render }, { timeout: timeLimit });
    if (typeof text !== "string" || text.length > most.prompt || !text.includes("{prompt}"))
      return null;
    const lines = text.replace(/\n$/, "").split(/\r?\n/);
    return lines.length <= most.lines && !/[\p{Cc}\p{Cf}]/u.test(lines.join("")) ? lines : null;
  } catch {
    return null;
  }
}
