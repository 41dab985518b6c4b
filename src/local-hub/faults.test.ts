import { expect, test } from "vitest";
import { addFile, call, commit, createRepo, startHub } from "../../test/support/local-hub.ts";
import type { SeenRequest } from "./local-hub.ts";

test("an injected answer is sent as often as asked, with its headers", async () => {
  const seen: SeenRequest[] = [];
  const hub = await startHub({ onRequest: (request) => seen.push(request) });
  await createRepo(hub, "acme/m");
  hub.faults.push({
    match: /^GET \/api\/models\/acme\/m\?blobs/,
    times: 2,
    action: { status: 429, headers: { RateLimit: '"api";r=0;t=1' }, body: { error: "Too many" } },
  });
  const get = async () => call(hub, "GET /api/models/acme/m?blobs=true");
  expect((await call(hub, "GET /api/models/acme/m")).status).toBe(200);
  const first = await get();
  expect([first.status, first.headers.get("RateLimit"), await first.json()]).toEqual([
    429,
    '"api";r=0;t=1',
    { error: "Too many" },
  ]);
  expect((await get()).status).toBe(429);
  expect((await get()).status).toBe(200);
  expect(seen.map(({ status }) => status)).toEqual([200, 200, 429, 429, 200]);
  expect(seen[1]).toMatchObject({
    method: "GET",
    origin: "hub",
    headers: { authorization: "Bearer hf_test" },
  });
});

test("reset has no effect on the repository, drop-answer has", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  const fault = { match: /\/commit\//, times: 1 };
  hub.faults.push({ ...fault, action: "reset" });
  await expect(commit(hub, "acme/m", [addFile("a", "a")])).rejects.toThrow();
  expect(hub.files("acme/m").has("a")).toBe(false);
  hub.faults.push({ ...fault, action: "drop-answer" });
  await expect(commit(hub, "acme/m", [addFile("a", "a")])).rejects.toThrow();
  expect(hub.files("acme/m").has("a")).toBe(true);
});

test("truncate sends all headers and half of the body", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  await commit(hub, "acme/m", [addFile("a", "x".repeat(100_000))]);
  for (const path of ["/acme/m/resolve/main/a", "/acme/m/raw/main/a"]) {
    hub.faults.push({ match: /\/main\/a$/, times: 1, action: "truncate" });
    const answer = await call(hub, `GET ${path}`);
    expect([answer.status, answer.headers.get("Content-Length")]).toEqual([200, "100000"]);
    let got = 0;
    const read = async () => {
      for await (const chunk of answer.body!) got += chunk.length;
    };
    await expect(read()).rejects.toThrow();
    expect(got).toBe(50_000);
  }
});

test("flip changes one bit of an answer that has the byte, and no other", async () => {
  const hub = await startHub();
  await createRepo(hub, "acme/m");
  await commit(hub, "acme/m", [addFile("a", "x".repeat(1000))]);
  hub.faults.push({ match: /\/main\/a$/, times: 2, action: { flip: 300 } });
  const get = async (from: number, to: number) => {
    const headers = { Range: `bytes=${from}-${to - 1}` };
    const answer = await call(hub, "GET /acme/m/resolve/main/a", { headers });
    expect(answer.headers.get("Content-Length")).toBe(String(to - from));
    return answer.text();
  };
  expect(await get(0, 300)).toBe("x".repeat(300));
  expect(await get(301, 1000)).toBe("x".repeat(699));
  expect(await get(300, 302)).toBe("yx");
  expect(await get(200, 301)).toBe(`${"x".repeat(100)}y`);
  expect(await get(0, 1000)).toBe("x".repeat(1000));
  hub.faults.push({ match: /\/main\/a$/, times: 1, after: 2, action: { flip: 0 } });
  const later = [await get(0, 1), await get(1, 2), await get(0, 1), await get(0, 1)];
  expect([...later, await get(0, 1)]).toEqual(["x", "x", "x", "y", "x"]);
});
