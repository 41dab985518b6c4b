import type { SeenRequest } from "../../src/local-hub/local-hub.ts";

/**
 * How often the Hub served the weights of a repository: bytes of its safetensors files that were
 * sent, by the `size` of these files in bytes.
 */
export function readsOf(seen: readonly SeenRequest[], id: string, size: number): number {
  // The Hub redirects large files to its storage; both origins name the repository.
  const ofWeights = (url: string) => url.includes(`/${id}/`) && url.includes(".safetensors");
  const sent = seen.filter(({ method, url, status }) => {
    return method === "GET" && ofWeights(url) && (status === 200 || status === 206);
  });
  return sent.reduce((sum, { bytes }) => sum + bytes, 0) / size;
}
