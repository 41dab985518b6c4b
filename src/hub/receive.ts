import { describe } from "./origin.ts";
import { Transient } from "./patience.ts";
import { asBuffer, freeReceived, type Placement } from "./placement.ts";
import type { Watch } from "./watch.ts";

/** Where a body goes. */
interface Target {
  readonly into: Uint8Array;
  /** Memory that the answer may have placed its body in: that of `into`. */
  readonly placement: Placement;
  readonly watch: Watch;
}

/** The wanted part of a body. */
interface Part {
  /** Bytes before it. */
  readonly skip: number;
  /** Length of the body. */
  readonly total: number;
}

/** Brings the body of an answer into memory. Throws `Transient` if it has not `total` bytes. */
export async function receive(response: Response, part: Part, target: Target): Promise<void> {
  const { placement, watch } = target;
  if (placement.body === null) return copyBody(response, part, target);
  await placement.body.catch((failure) => {
    watch.signal.throwIfAborted();
    throw cutShort(placement.received, failure);
  });
}

async function copyBody(
  response: Response,
  { skip, total }: Part,
  { into, watch }: Target,
): Promise<void> {
  const target = asBuffer(into);
  let seen = 0;
  try {
    for await (const chunk of response.body ?? []) {
      const from = Math.max(0, skip - seen);
      const to = Math.min(chunk.length, skip + into.length - seen);
      if (from < to) asBuffer(chunk).copy(target, seen + from - skip, from, to);
      seen += chunk.length;
      watch.count(chunk.length, "received");
      freeReceived(chunk.length);
      if (seen > total) break;
    }
  } catch (failure) {
    watch.signal.throwIfAborted();
    throw cutShort(seen, failure);
  }
  if (seen !== total)
    throw new Transient(`it sent ${seen > total ? "more" : seen} bytes, expected ${total}`);
}

function cutShort(seen: number, failure: unknown): Transient {
  return new Transient(`the answer was cut short after ${seen} bytes (${describe(failure)})`);
}
