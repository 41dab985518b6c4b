import { OqeError } from "../ground/errors.ts";
import { refused, type Subject } from "./failure.ts";
import { printable } from "./names.ts";
import type { Transport } from "./transport.ts";
import { authorization } from "./tree.ts";

/** Asks the Hub what is wrong with a card's front matter. Errors come back as sentences; its warnings go to the report. */
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
  const answer = (await response.json().catch(() => null)) as {
    errors?: unknown;
    warnings?: unknown;
  } | null;
  if (!Array.isArray(answer?.errors)) {
    throw new OqeError(
      "NETWORK",
      "The Hub's answer about the card makes no sense: it lists no errors",
      "Check the Hub endpoint, then run again.",
    );
  }
  for (const sentence of sentences(answer.warnings))
    transport.patience.report.warn(`The Hub on the card: ${sentence}`);
  return sentences(answer.errors);
}

function sentences(notes: unknown): string[] {
  if (!Array.isArray(notes)) return [];
  return notes.map((note) => printable(String(note?.message ?? note), 500));
}
