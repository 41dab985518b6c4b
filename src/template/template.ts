import { readFile } from "node:fs/promises";
import { Template } from "@huggingface/jinja";
import { assets } from "../ground/assets.ts";
import { OqeError } from "../ground/errors.ts";
import { reasonOf } from "../ground/reasons.ts";
import { lintTemplate } from "./template-lint.ts";

/** Renders a template of `assets.templates` with these facts only. Throws TEMPLATE. */
export async function renderNamed(
  name: string,
  facts: Readonly<Record<string, unknown>>,
): Promise<string> {
  let source: string;
  try {
    source = await readFile(new URL(name, assets.templates), "utf8");
  } catch (error) {
    throw new OqeError(
      "TEMPLATE",
      `${name} cannot be read: ${reasonOf(error)}`,
      "Reinstall oqe-publisher: it ships with its templates.",
      error,
    );
  }
  return renderTemplate(source, name, facts);
}

/** Checks, then renders. Throws TEMPLATE if the template uses a name that the facts lack. */
export function renderTemplate(
  source: string,
  name: string,
  facts: Readonly<Record<string, unknown>>,
): string {
  lintTemplate(source, name, facts);
  try {
    return new Template(source).render({ ...facts });
  } catch (error) {
    throw new OqeError("TEMPLATE", `${name} cannot be rendered: ${reasonOf(error)}`, "", error);
  }
}
