import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { scratchFolder, startHub } from "../../test/support/local-hub.ts";
import { connectForTest } from "../../test/support/scripted-server.ts";
import type { Fault, SeenRequest } from "../local-hub/local-hub.ts";
import { readBytes, readText } from "./repository.ts";
import { verifyFiles } from "./verified-files.ts";

const template = "{% for turn in turns %}{{ turn }}{% endfor %}";
const tokenizer = JSON.stringify({ vocabulary: "x".repeat(70_000) });

/** A model on a local Hub: one file that git holds, one in large-file storage. */
async function openModel() {
  const folder = join(await scratchFolder(), "model");
  await mkdir(folder);
  await writeFile(join(folder, "chat_template.jinja"), template);
  await writeFile(join(folder, "tokenizer.model"), tokenizer);
  await writeFile(join(folder, ".gitattributes"), "*.model filter=lfs diff=lfs merge=lfs -text\n");
  const seen: SeenRequest[] = [];
  const hub = await startHub({ onRequest: (request) => seen.push(request) });
  await hub.seed("acme/m", folder);
  const { hub: client, report } = connectForTest(hub.url);
  const repository = verifyFiles(await client.open("acme/m"));
  seen.length = 0;
  const fault = (match: RegExp, times: number, flip: number) =>
    hub.faults.push({ match, times, action: { flip } } satisfies Fault);
  return { repository, seen, report, fault };
}

test("a file is read once while its bytes are those of the commit", async () => {
  const { repository, seen } = await openModel();
  expect(repository.sha256!.has("tokenizer.model")).toBe(true);
  expect(repository.blobs!.has("chat_template.jinja")).toBe(true);
  expect(await readText(repository, "chat_template.jinja")).toBe(template);
  expect(await readText(repository, "tokenizer.model")).toBe(tokenizer);
  expect(seen.filter(({ bytes }) => bytes > 0)).toHaveLength(2);
});

test.each([
  ["chat_template.jinja", template],
  ["tokenizer.model", tokenizer],
])("a second reading heals one flipped bit of %s", async (path, text) => {
  const { repository, seen, report, fault } = await openModel();
  fault(/^GET/, 1, 7);
  expect(await readText(repository, path)).toBe(text);
  const [first, again] = seen.filter(({ bytes }) => bytes > 0);
  expect(first!.headers.connection).toBe("keep-alive");
  expect(again!.headers).toMatchObject({ connection: "close", "cache-control": "no-cache" });
  expect(report.lines.join("\n")).toContain("came wrong");
});

test("a part of a file is held against the hash of the whole", async () => {
  const { repository, fault } = await openModel();
  fault(/^GET/, 1, template.length - 1);
  const source = await repository.open("chat_template.jinja");
  const into = new Uint8Array(8);
  expect(Buffer.from(await source.read(3, 8, into)).toString()).toBe(template.slice(3, 11));
  expect(Buffer.from(into).toString()).toBe(template.slice(3, 11));
  await expect(source.read(40, 8)).rejects.toThrow("asked for 8 at 40");
});

test.each([
  ["chat_template.jinja", "git blob id", 40],
  ["tokenizer.model", "SHA-256", 64],
])("a bit of %s that is flipped each time ends the run", async (path, name, digits) => {
  const { repository, fault } = await openModel();
  fault(/^GET/, 2, 7);
  const says = new RegExp(`acme/m@[0-9a-f]{40}/${path} .*${name} [0-9a-f]{${digits}}, got`);
  await expect(readBytes(repository, path)).rejects.toThrow(says);
  expect(Buffer.from(await readBytes(repository, path)).length).toBeGreaterThan(0); // no fault left
});
