import { setImmediate } from "node:timers/promises";
import { expect, it } from "vitest";
import { hashes, id, published, series, startPush, writeFolder } from "../../test/support/push.ts";
import { thrown } from "../../test/support/scripted-server.ts";
import type { Action } from "../local-hub/faults.ts";
import { createWorld, type FaultKind, faultKinds } from "../local-hub/faulty-world.ts";

const kinds = Object.keys(faultKinds) as FaultKind[];
const contentOnly: readonly FaultKind[] = ["wrong-bytes"]; // a push reads no weights

/** A push whose Hub fails once, or in a row, in one way; the clock moves while it is silent. */
async function startFailing(kind: FaultKind, often = 1) {
  const {
    on,
    act,
    times = 1,
  }: (typeof faultKinds)[FaultKind] & { times?: number } = faultKinds[kind];
  const world = await startPush({
    onSilence: async (isOpen) => {
      while (isOpen()) {
        await setImmediate();
        world.clock.advance(1000);
      }
    },
  });
  const fail = () => {
    const action: Action = act(0.5);
    world.local.faults.push({ match: on, times: times * often, action });
  };
  return { ...world, fail };
}

it.each(kinds.filter((kind) => !["race", "no-race", ...contentOnly].includes(kind)))(
  "a push ends well after one %s",
  async (kind) => {
    const { local, push, fail } = await startFailing(kind);
    const folder = await writeFolder("a", series);
    fail();
    expect(await push(folder)).toMatchObject({ outcome: "published", commit: local.head(id) });
    expect(published(local)).toEqual(await hashes(folder));
    if (kind !== "expired-link") expect(local.faults[0]!.times).toBe(0);
  },
);

it.each(["race", "no-race"] as const)("a push after a %s is a CONFLICT", async (kind) => {
  const { local, push, fail } = await startFailing(kind);
  fail();
  expect(await thrown(push(await writeFolder("a", series)))).toMatchObject({ code: "CONFLICT" });
  expect(Object.keys(published(local))).toEqual(kind === "race" ? ["somebody-elses.txt"] : []);
});

it("a Hub that offers xet alone, without a content store, gets one clear message", async () => {
  const { local, push, fail } = await startFailing("xet-only", 9);
  fail();
  expect(await thrown(push(await writeFolder("a", series)))).toMatchObject({
    code: "NETWORK",
    message: expect.stringMatching(/by xet only.*expected "basic", "multipart", or.*got: /),
  });
  expect(published(local)).toEqual({});
});

it("the same seed draws the same faults, whatever the order of the requests", () => {
  const lines = Array.from({ length: 200 }, (_, index) => `GET /api/models/acme/m${index}`);
  const drawOf = (order: readonly string[], seed: number) => {
    const drawn: { kind: FaultKind; request: string }[] = [];
    const draw = createWorld({ seed, kinds, rate: 0.3 }, drawn);
    for (const line of order) draw(line);
    return drawn.map(({ kind, request }) => `${request} ${kind}`).sort();
  };
  const first = drawOf(lines, 1);
  expect(first.length).toBeGreaterThan(30);
  expect(first.length).toBeLessThan(90);
  expect(drawOf(lines.toReversed(), 1)).toEqual(first);
  expect(
    drawOf(
      lines.map((line) => `${line}?signature=${Math.random()}`),
      1,
    ),
  ).toEqual(first);
  expect(drawOf(lines, 2)).not.toEqual(first);
});
