import type { SeenRequest } from "../../src/local-hub/local-hub.ts";

/** Whether a request may change something on the Hub. Two kinds of POST only ask. */
export function isHubWrite({ method, url }: Pick<SeenRequest, "method" | "url">): boolean {
  return !["GET", "HEAD"].includes(method) && !/validate-yaml|paths-info/.test(url);
}
