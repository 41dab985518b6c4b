import * as v from "valibot";
import { list, object } from "../ground/schema.ts";
import { readAnswer } from "./answers.ts";
import { refused, type Subject } from "./failure.ts";
import { printable } from "./names.ts";
import { authorization, type Transport } from "./transport.ts";

const cardNote = v.union([v.string(), object({ message: v.string() })], "a sentence");
/** POST /api/validate-yaml */
const cardCheck = object({ errors: list(cardNote), warnings: v.nullish(list(cardNote)) });

/**
 * Asks the Hub to check a card's front matter. Returns the errors as sentences and reports the
 * warnings.
 */
export async function validateCard(transport: Transport, text: string): Promise<readonly string[]> {
  const subject: Subject = { id: null, right: "read" };
  const response = await transport.fetch(`${transport.endpoint}/api/validate-yaml`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...authorization(transport) },
    body: JSON.stringify({ content: text, repoType: "model" }),
  });
  // The Hub answers 400 when the card has errors, with the same body.
  if (!response.ok && response.status !== 400) {
    throw await refused(
      transport,
      subject,
      response,
      `POST ${transport.endpoint}/api/validate-yaml`,
    );
  }
  const { errors, warnings } = await readAnswer(cardCheck, response, "the card");
  for (const warning of warnings ?? [])
    transport.patience.report.warn(`The Hub on the card: ${sentence(warning)}`);
  return errors.map(sentence);
}

function sentence(note: v.InferOutput<typeof cardNote>): string {
  return printable(typeof note === "string" ? note : note.message, 500);
}
