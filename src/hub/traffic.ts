/**
 * What went to the Hub and its storage, and came back, in bytes of bodies: headers are not counted.
 */
export interface Traffic {
  readonly received: number;
  readonly sent: number;
  /** All of them: those of redirects and of retries too. */
  readonly requests: number;
  /** Attempts after the first. */
  readonly retries: number;
}

/** The same while it is counted. */
export type TrafficCount = { -readonly [K in keyof Traffic]: Traffic[K] };

export function newTraffic(): TrafficCount {
  return { received: 0, sent: 0, requests: 0, retries: 0 };
}

/** The same `fetch`; its requests are counted. */
export function countRequests(
  fetch: typeof globalThis.fetch,
  traffic: TrafficCount,
): typeof globalThis.fetch {
  return (...given) => {
    traffic.requests++;
    return fetch(...given);
  };
}
