import * as v from "valibot";
import { describeIssue, line, object } from "../ground/schema.ts";
import { answers, gitId } from "./answers.ts";
import { isRepositoryId, printable } from "./names.ts";

const anyObject = object({});

/** What the Hub answers with, as it comes, by method and path below the endpoint. */
const routes: readonly (readonly [RegExp, v.GenericSchema])[] = [
  [/^GET \/api\/whoami-v2$/, answers.account],
  [
    /^GET \/api\/(models|datasets)\/[^/]+\/[^/]+\/revision\//,
    object({
      id: v.pipe(line, v.check(isRepositoryId, "a repository, <namespace>/<name>")),
      sha: gitId("a commit"),
    }),
  ],
  [/^GET \/api\/models\/[^/]+\/[^/]+\/tree\//, answers.entries],
  [/^GET \/api\/models\/[^/]+\/[^/]+\/commits\//, answers.commits],
  [/^POST \/api\/datasets\/[^/]+\/[^/]+\/paths-info\//, answers.entries],
  [/^GET \/api\/models\/[^/]+\/[^/]+\/refs$/, answers.refs],
  [/^GET \/api\/models\/[^/]+\/[^/]+\/discussions$/, answers.discussions],
  [/^GET \/api\/collections$/, answers.collections],
  [/^POST \/api\/collections$/, answers.newCollection],
  [/^GET \/api\/collections\/[^/]+\/[^/]+$/, answers.collection],
  [/^POST \/oauth\/token$/, answers.exchange],
  [/^POST \/api\/repos\/create$/, anyObject],
  [/^POST \/api\/validate-yaml$/, anyObject],
  [/^POST \/api\/models\/[^/]+\/[^/]+\/preupload\//, answers.uploadModes],
  [/^POST \/api\/models\/[^/]+\/[^/]+\/commit\//, answers.commit],
  [/^POST \/[^/]+\/[^/]+\.git\/info\/lfs\/objects\/batch$/, answers.batch],
];

/** What to do if something else than the Hub answers. */
export const strangerHint =
  "Something between this machine and the Hub may answer in its place, such as the login page of " +
  "a network or a proxy. Open the endpoint in a browser, then run again.";

/**
 * Why a successful answer cannot be the Hub's, in words; null if it can. `request` is method and
 * path, such as `GET /api/whoami-v2`.
 */
export function faultOf(request: string, body: Uint8Array): string | null {
  const schema = routes.find(([pattern]) => pattern.test(request))?.[1];
  if (schema === undefined) return null;
  const text = new TextDecoder().decode(body);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const start = body.length === 0 ? "it is empty" : `it begins with "${printable(text, 40)}"`;
    return `expected JSON, got ${body.length} bytes that are none: ${start}`;
  }
  const { success, issues } = v.safeParse(schema, value, { abortEarly: true });
  return success ? null : describeIssue(issues[0]);
}
