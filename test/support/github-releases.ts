import { type Answer, type Call, validation } from "./github-refusals.ts";

interface Release {
  readonly id: number;
  readonly tag_name: string;
  readonly draft: boolean;
}

/** GitHub lets several drafts have one tag; the emulator gets another name for the later ones. */
const alias = "--draft-";

/** The emulator's answer with the tags that the drafts were given. */
export const withTags = (text: string) =>
  text.replace(new RegExp(`("tag_name":"[^"]+?)${alias}\\d+"`, "g"), '$1"');

/** The body for the emulator of a release that is made. */
export function namedDraft({ method, path, body }: Call, all: readonly Release[]): string | null {
  if (method !== "POST" || !/\/releases$/.test(path)) return null;
  const same = all.filter(({ tag_name }) => tag_name === body.tag_name).length;
  if (same === 0) return null;
  return JSON.stringify({ ...body, tag_name: `${body.tag_name}${alias}${same}` });
}

/** One published release has a tag. null: nothing is against publishing this one. */
export function refusePublishing({ method, path, body }: Call, all: readonly Release[]) {
  const [, id] = /\/releases\/(\d+)$/.exec(path) ?? [];
  if (method !== "PATCH" || body.draft !== false || id === undefined) return null;
  const tag = all.find((one) => String(one.id) === id)?.tag_name;
  const isTaken = all.some((one) => one.tag_name === tag && !one.draft && String(one.id) !== id);
  if (!isTaken) return null;
  const taken: Answer = validation({
    ...{ resource: "Release", code: "already_exists", field: "tag_name" },
  });
  return taken;
}
