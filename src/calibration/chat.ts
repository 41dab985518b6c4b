import { asObject } from "../checkpoint/json.ts";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { type ChatTemplates, readChatTemplates, renderTemplate } from "./chat-template.ts";
import { EndlessTemplate } from "./template-bounds.ts";

/** A chat of a dataset, as transformers' `apply_chat_template` takes it. */
export interface Conversation {
  readonly messages: readonly Readonly<Record<string, unknown>>[];
  /** Descriptions of functions that the model may call; null: none. */
  readonly tools: readonly unknown[] | null;
  /** Further values for the template, such as `enable_thinking`. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** File and line, for messages. */
  readonly where: string;
}

/** Text of a conversation, in the format that the base was trained on. */
export type RenderChat = (conversation: Conversation) => string;

const form = '{"messages": [{"role": "user", "content": "…"}, …], "tools": […]}';

/**
 * Reads a line that has `messages`. Throws BAD_INPUT, with `where`, unless they are a list of
 * objects with a role, and `tools` a list of objects.
 */
export function readConversation(line: Record<string, unknown>, where: string): Conversation {
  const { messages, tools, chat_template_kwargs: settings } = line;
  const refuse = (what: string) =>
    new OqeError("BAD_INPUT", `calibration: ${where}: ${what}`, `A chat is one line: ${form}.`);
  if (!Array.isArray(messages) || messages.length === 0)
    throw refuse('"messages" is not a list of messages');
  messages.forEach((message, at) => {
    if (typeof asObject(message)?.role === "string") return;
    throw refuse(`message ${at + 1} is not an object with a "role"`);
  });
  const hasTools = tools !== undefined && tools !== null;
  if (hasTools && !(Array.isArray(tools) && tools.every((tool) => asObject(tool) !== undefined)))
    throw refuse('"tools" is not a list of objects');
  const given = settings === undefined || settings === null ? {} : asObject(settings);
  if (given === undefined) throw refuse('"chat_template_kwargs" is not an object');
  return { messages, tools: hasTools ? tools : null, settings: given, where };
}

/**
 * Renders conversations with the base's own chat template. Nothing is asked of the base until the
 * first conversation is rendered: then BAD_INPUT if it has no template, or if the template refuses
 * the conversation.
 */
export async function openChat(base: Repository): Promise<RenderChat> {
  const found = await readChatTemplates(base);
  return (conversation) => render(conversation, requireTemplates(found, conversation, base), base);
}

function requireTemplates(
  found: ChatTemplates | null,
  { where }: Conversation,
  { id, name }: Repository,
): ChatTemplates {
  if (found !== null) return found;
  throw new OqeError(
    "BAD_INPUT",
    `${where} is a chat ("messages"), but ${id ?? name} has no chat template that can be read ` +
      "(chat_template.jinja, or chat_template in tokenizer_config.json)",
    'Give its text instead ({"text": "…"}), or calibrate on other text: base models often have ' +
      "no template.",
  );
}

function render(
  { messages, tools, settings, where }: Conversation,
  { path, templates, tokens }: ChatTemplates,
  { id, name }: Repository,
): string {
  const template =
    (tools === null ? undefined : templates.get("tool_use")) ??
    templates.get("default") ??
    [...templates.values()][0]!;
  try {
    // As transformers' apply_chat_template gives them. What the line says comes first.
    const inputs = { documents: null, add_generation_prompt: false, ...tokens, ...settings };
    return renderTemplate(template, { ...inputs, messages, tools });
  } catch (cause) {
    if (cause instanceof EndlessTemplate)
      throw new OqeError(
        "BAD_INPUT",
        `${where}: the chat template of ${id ?? name} (${path}) does not end on this chat: ` +
          cause.message,
        `Look for loops in ${path} whose length does not depend on the chat, or give the text ` +
          'instead of the chat ({"text": "…"}).',
        cause,
      );
    throw new OqeError(
      "BAD_INPUT",
      `${where}: the chat template of ${id ?? name} refuses this chat: ${reasonOf(cause)}`,
      "Templates expect certain roles, orders and contents: compare the chat with what this model " +
        "was trained on, or leave it out.",
      cause,
    );
  }
}
