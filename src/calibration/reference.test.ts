import { createHash } from "node:crypto";
import { mkdir, mkdtemp, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { connectHub } from "../hub/client.ts";
import { startLocalHub } from "../local-hub/local-hub.ts";
import { openCalibration } from "./reference.ts";

const nobody = () => {
  throw new Error("the Hub was asked");
};
const silent = {
  stage: <T>(_: string, run: () => Promise<T>) => run(),
  info() {},
  warn() {},
  tick() {},
};
let scratch: string;

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), "oqe-calibration-"));
  onTestFinished(() => rm(scratch, { recursive: true, force: true }));
});

const openFile = (path: string) => openCalibration({ kind: "file", path }, nobody);

describe("calibration text", () => {
  test("is the bundled corpus by default", async () => {
    const corpus = await openCalibration({ kind: "bundled" }, nobody);
    expect(corpus.name).toBe("bundled");
    expect(corpus.texts).toHaveLength(9);
  });

  test("of a file has its name without its folder, and the hash of its bytes", async () => {
    await writeFile(join(scratch, "my:rows.txt"), "one\n\ntwo\n");
    expect(await openFile(join(scratch, "my:rows.txt"))).toEqual({
      name: "my_rows.txt",
      sha256: createHash("sha256").update("one\n\ntwo\n").digest("hex"),
      texts: [{ domain: "custom", documents: ["one", "two"] }],
    });
  });

  test("of a dataset on the Hub has the commit of its revision", async () => {
    const hub = await startLocalHub({ folder: join(scratch, "hub") });
    onTestFinished(() => hub.close());
    await mkdir(join(scratch, "text", "deep"), { recursive: true });
    await writeFile(
      join(scratch, "text", "deep", "rows.jsonl"),
      '{"text": "eins", "domain": "de"}\n',
    );
    await writeFile(join(scratch, "text", "none.txt"), "");
    const commit = await hub.seed("datasets/acme/text", join(scratch, "text"));
    const connect = () => connectHub({ endpoint: hub.url, token: null, report: silent });
    const reference = { kind: "hub", dataset: "acme/text", revision: "main" } as const;
    expect(await openCalibration({ ...reference, path: "deep/rows.jsonl" }, connect)).toMatchObject(
      {
        name: `datasets/acme/text@${commit}/deep/rows.jsonl`,
        texts: [{ domain: "de", documents: ["eins"] }],
      },
    );
    const refused = (path: string) => openCalibration({ ...reference, path }, connect);
    await expect(refused("none.txt")).rejects.toThrow(
      /datasets\/acme\/text@[0-9a-f]{40}\/none.txt is empty/,
    );
    await expect(refused("deep/none.txt")).rejects.toMatchObject({ code: "NOT_FOUND" });
    await expect(openCalibration({ ...reference, path: "a.parquet" }, nobody)).rejects.toThrow(
      /of no format/,
    );
  });

  test("that is missing, a folder, empty or too large is refused", async () => {
    await mkdir(join(scratch, "folder.txt"));
    await writeFile(join(scratch, "empty.txt"), "");
    await writeFile(join(scratch, "large.txt"), "");
    await truncate(join(scratch, "large.txt"), (64 << 20) + 1);
    for (const [name, words] of [
      ["none.txt", "does not exist"],
      ["folder.txt", "is a folder"],
      ["empty.txt", "is empty"],
      ["large.txt", "has 67108865 bytes; at most 67108864 are read"],
    ] as const) {
      await expect(openFile(join(scratch, name))).rejects.toMatchObject({
        code: "BAD_INPUT",
        message: `calibration: ${join(scratch, name)} ${words}`,
        hint: expect.stringMatching(/leave calibration out/),
      });
    }
  });
});
