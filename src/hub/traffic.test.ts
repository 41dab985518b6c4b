import { expect, it } from "vitest";
import { hashes, id, published, series, startPush, writeFolder } from "../../test/support/push.ts";
import { thrown } from "../../test/support/scripted-server.ts";

/** The bytes of all files with different content. */
const uploaded = 100_000 + 250_001;

it("bytes, requests and retries of a push are counted", async () => {
  const { hub, push, local, requests: seen } = await startPush();
  const folder = await writeFolder("a", series);
  await push(folder);
  expect(published(local)).toEqual(await hashes(folder));
  const { requests, sent, received, retries } = hub.traffic;
  expect(requests).toBe(seen.length);
  expect(sent).toBeGreaterThan(uploaded);
  expect(sent).toBeLessThan(uploaded + 10_000);
  expect(received).toBeGreaterThan(100);
  expect(retries).toBe(0);
});

it("a retry is counted, and so are the bytes that it sends again", async () => {
  const { hub, push, local } = await startPush();
  local.faults.push({ match: /^PUT /, times: 2, action: { status: 503 } });
  await push(await writeFolder("a", { "model.safetensors": series["copy-of-one.safetensors"]! }));
  expect(hub.traffic.retries).toBe(2);
  expect(hub.traffic.sent).toBeGreaterThan(3 * 100_000);
  expect(hub.traffic.sent).toBeLessThan(3 * 100_000 + 10_000);
});

it("attempts of a call that fails are counted: all but the first are retries", async () => {
  const { hub, local } = await startPush();
  local.faults.push({ match: /whoami/, times: 99, action: { status: 500 } });
  await thrown(hub.identify());
  expect(hub.traffic.requests).toBe(8);
  expect(hub.traffic.retries).toBe(7);
});

it("bytes of a file are counted as they are read", async () => {
  const { hub, push } = await startPush();
  await push(await writeFolder("a", series));
  const repository = await hub.open(id);
  const file = await repository.open("model-00002-of-00002.safetensors");
  const { received } = hub.traffic;
  await file.read(7, 200_000);
  expect(hub.traffic.received - received).toBe(200_000);
});
