import { objectOf, readChatTemplates, renderTemplate } from "../calibration/chat-template.ts";
import type { Repository } from "../checkpoint/repository.ts";
import type { Usage } from "../receipt/receipt.ts";

/** Keys of generation_config.json that mlx-lm has an option for. */
const samplingKeys = ["temperature", "top_p", "top_k", "min_p", "repetition_penalty"];
/** Longest prompt that is shown, and milliseconds for it. */
const most = { prompt: 600, lines: 16, time: 1000 };

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
  return { sampling, prompt: await promptOf(repository) };
}

/** The chat template on one user turn; null if it needs more than that, or gives no short text. */
async function promptOf(repository: Repository): Promise<Usage["prompt"]> {
  const { templates, tokens } = (await readChatTemplates(repository)) ?? {};
  const template = templates?.get("default");
  if (template === undefined) return null;
  const messages = [{ role: "user", content: "{prompt}" }];
  try {
    const inputs = { ...tokens, messages, add_generation_prompt: true };
    const text = renderTemplate(template, inputs, most.time);
    if (text.length > most.prompt || !text.includes("{prompt}")) return null;
    const lines = text.replace(/\n$/, "").split(/\r?\n/);
    return lines.length <= most.lines && !/[\p{Cc}\p{Cf}]/u.test(lines.join("")) ? lines : null;
  } catch {
    return null;
  }
}
