import { createHash } from "node:crypto";
import type { Reply } from "./exchange.ts";
import type { Action } from "./faults.ts";

/** A world in which requests fail, the same for the same seed whatever the order of requests. */
export interface FaultyWorld {
  readonly seed: number;
  /** Which faults happen; each request is drawn one of those that fit it. */
  readonly kinds: readonly FaultKind[];
  /** Share of the requests with a fault, 0 to 1. May be changed while the Hub runs. */
  rate: number;
}

/** A fault that happened, and the request: `METHOD /path`. */
export interface DrawnFault {
  readonly kind: FaultKind;
  readonly request: string;
}

interface Kind {
  /** Requests that it may happen to: `METHOD /path?query`. */
  readonly on: RegExp;
  /** `chance`: uniform in [0, 1). */
  readonly act: (chance: number) => Action;
  /** How often in a row, for storms; default 1. */
  readonly times?: number;
  /** How often it is drawn beside the others that fit; default 3. */
  readonly weight?: number;
}

const any = /./;
const change = /^(POST|PUT|DELETE) /;
/** Answers in JSON that a client reads. */
const document = /^GET \/api\/|^POST .*(\/preupload\/|\/commit\/|\/objects\/batch|\/create$)/;
const commit = /^POST .*\/commit\//;
const batch = /^POST .*\/objects\/batch$/;
/** Contents of files, from the Hub or its storage. */
const content = /^GET (\/[^/]+\/[^/]+\/resolve\/|\/.*\/[0-9a-f]{64}\?)/;
/** Signed addresses of the storage. */
const signed = /^(GET|PUT) \/.*\/[0-9a-f]{64}\?/;

const storm = (status: number, headers: Record<string, string> = {}): Kind => ({
  on: any,
  act: () => ({ status, headers }),
  times: 3,
  weight: 1,
});

const instead = (on: RegExp, body: (right: Buffer) => string | Buffer): Kind => ({
  on,
  act: () => ({ replace: (_reply: Reply, right: Buffer) => ({ status: 200, body: body(right) }) }),
});

const loginPage = "<!DOCTYPE html><title>Sign in to the network</title>";

/** Every fault of the world by name. */
export const faultKinds = {
  reset: { on: any, act: () => "reset" },
  truncated: { on: any, act: () => "truncate" },
  "lost-answer": { on: change, act: () => "drop-answer" },
  "lost-commit": { on: commit, act: () => "drop-answer" },
  race: { on: commit, act: () => "race" },
  "no-race": { on: commit, act: () => ({ status: 412 }) },
  silent: { on: any, act: () => "silent" },
  stalled: { on: any, act: () => "stall" },
  trickle: { on: any, act: () => "trickle" },
  "expired-link": { on: signed, act: () => ({ status: 403 }) },
  "login-page": instead(new RegExp(`${document.source}|${content.source}`), () => loginPage),
  "half-document": instead(document, (right) => right.subarray(0, right.length >> 1)),
  "empty-answer": instead(document, () => ""),
  "other-document": instead(document, () => '{"status":"ok"}'),
  "wrong-bytes": { on: content, act: (chance) => ({ replace: flipOne(chance) }) },
  "xet-only": { on: batch, act: () => ({ replace: xetOnly }) },
  "408": storm(408),
  "429": storm(429),
  "429-window": storm(429, { RateLimit: '"api";r=0;t=55' }),
  "429-told": storm(429, { "Retry-After": "7" }),
  "500": storm(500),
  "502": storm(502),
  "503": storm(503),
  "503-told": storm(503, { "Retry-After": "30" }),
  "504": storm(504),
} as const satisfies Record<string, Kind>;

export type FaultKind = keyof typeof faultKinds;

/** The same answer with one bit of it changed. */
function flipOne(chance: number) {
  return (reply: Reply, right: Buffer): Reply => {
    const body = Buffer.from(right);
    if (body.length > 0) body[Math.floor(chance * body.length)]! ^= 1;
    return { ...reply, body };
  };
}

/** A batch answer that offers an upload by xet alone, to a content store that it does not name. */
function xetOnly(reply: Reply, right: Buffer): Reply {
  const answer = JSON.parse(right.toString("utf8")) as { objects: { actions?: object }[] };
  const href = "/api/xet-write-token";
  for (const object of answer.objects)
    if (object.actions) object.actions = { upload: { href, header: {} } };
  return { ...reply, body: { json: { ...answer, transfer: "xet" } } };
}

/** Draws the faults of a world, and adds each to `drawn`. */
export function createWorld(world: FaultyWorld, drawn: DrawnFault[]) {
  const { seed, kinds } = world;
  const seen = new Map<string, number>();
  const storms = new Map<string, { kind: FaultKind; action: Action; left: number }>();
  return (line: string): Action | null => {
    const request = sameEverywhere(line);
    const nth = (seen.get(request) ?? 0) + 1;
    seen.set(request, nth);
    const going = world.rate > 0 ? storms.get(request) : undefined;
    if (going !== undefined && going.left-- > 0) {
      drawn.push({ kind: going.kind, request });
      return going.action;
    }
    const hash = createHash("sha256").update(`${seed} ${nth} ${request}`).digest();
    const chance = (at: number) => hash.readUInt32LE(at) / 2 ** 32;
    const fitting = kinds.flatMap((kind) => {
      const { on, weight = 3 }: Kind = faultKinds[kind];
      return on.test(line) ? Array<FaultKind>(weight).fill(kind) : [];
    });
    if (chance(0) >= world.rate || fitting.length === 0) return null;
    const kind = fitting[Math.floor(chance(4) * fitting.length)]!;
    const { act, times = 1 }: Kind = faultKinds[kind];
    const action = act(chance(8));
    storms.set(request, { kind, action, left: times - 1 });
    drawn.push({ kind, request });
    return action;
  };
}

/** A request without what differs from run to run: signatures and upload ids. */
function sameEverywhere(line: string): string {
  const part = /[?&]part=\d+/.exec(line)?.[0] ?? "";
  return line.replace(/\?.*$/, "") + part;
}
