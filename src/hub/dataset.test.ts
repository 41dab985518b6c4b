import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { connectForTest, json, playServer, thrown } from "../../test/support/scripted-server.ts";
import { readText } from "../checkpoint/repository.ts";
import { type LocalHubOptions, type SeenRequest, startLocalHub } from "../local-hub/local-hub.ts";

/** A local Hub with the dataset acme/text, its requests recorded. */
async function startSeeded(options: Partial<LocalHubOptions> = {}) {
  const scratch = await mkdtemp(join(tmpdir(), "oqe-dataset-"));
  onTestFinished(() => rm(scratch, { recursive: true, force: true }));
  const requests: SeenRequest[] = [];
  const hub = await startLocalHub({
    folder: join(scratch, "hub"),
    onRequest: (one) => requests.push(one),
    ...options,
  });
  onTestFinished(() => hub.close());
  const seed = async (text: string) => {
    await mkdir(join(scratch, "text", "sub dir"), { recursive: true });
    await writeFile(
      join(scratch, "text", ".gitattributes"),
      "*.jsonl filter=lfs diff=lfs merge=lfs -text\n",
    );
    await writeFile(join(scratch, "text", "sub dir", "ä #1.txt"), text);
    await writeFile(join(scratch, "text", "rows.jsonl"), `{"text": "${text}"}\n`);
    return hub.seed("datasets/acme/text", join(scratch, "text"));
  };
  return { hub, seed, commit: await seed("first"), requests };
}

describe("a file of a dataset", () => {
  it("is read at the commit of its revision, without listing the dataset", async () => {
    const { hub, seed, commit, requests } = await startSeeded();
    const { hub: client } = connectForTest(hub.url);
    const small = await client.openDatasetFile("acme/text", "sub dir/ä #1.txt");
    const large = await client.openDatasetFile("acme/text", "rows.jsonl", commit);
    expect(small).toMatchObject({ id: "datasets/acme/text", revision: commit });
    expect([...small.files]).toEqual([["sub dir/ä #1.txt", 5]]);
    expect(await seed("second")).not.toBe(commit);
    expect(await readText(small, "sub dir/ä #1.txt")).toBe("first");
    expect(await readText(large, "rows.jsonl")).toBe('{"text": "first"}\n');
    expect(requests.filter(({ url }) => url.includes("/tree/"))).toEqual([]);
    expect(hub.leakedTokens).toBe(0);
  });

  it.each([
    {
      asked: ["acme/none", "rows.jsonl", "main"],
      code: "NOT_FOUND",
      words: /datasets\/acme\/none/,
    },
    {
      asked: ["acme/text", "rows.jsonl", "v9"],
      code: "NOT_FOUND",
      words: /datasets\/acme\/text has no revision v9/,
    },
    {
      asked: ["acme/text", "none.txt", "main"],
      code: "NOT_FOUND",
      words: /datasets\/acme\/text@[0-9a-f]{40} has no file none.txt/,
    },
    { asked: ["acme/text", "sub dir", "main"], code: "BAD_INPUT", words: /sub dir is a folder/ },
    {
      asked: ["acme/text", "../x", "main"],
      code: "BAD_INPUT",
      words: /"\.\.\/x" is not a file of a dataset/,
    },
    {
      asked: ["acme", "rows.jsonl", "main"],
      code: "BAD_INPUT",
      words: /"acme" is not a repository/,
    },
    {
      asked: ["acme/text", "rows.jsonl", "a..b"],
      code: "BAD_INPUT",
      words: /"a\.\.b" cannot be the name of a revision/,
    },
  ])("$asked.0 $asked.1@$asked.2 is $code", async ({ asked, code, words }) => {
    const [dataset, path, revision] = asked as [string, string, string];
    const { hub } = await startSeeded();
    const failure = await thrown(
      connectForTest(hub.url).hub.openDatasetFile(dataset, path, revision),
    );
    expect(failure).toMatchObject({ code, message: expect.stringMatching(words) });
  });

  it("names the page of the terms if the dataset is gated", async () => {
    const { hub } = await startSeeded({ gated: { "datasets/acme/text": [] } });
    const repository = await connectForTest(hub.url).hub.openDatasetFile("acme/text", "rows.jsonl");
    const failure = await thrown(readText(repository, "rows.jsonl"));
    expect(failure).toMatchObject({
      code: "GATED",
      hint: expect.stringContaining(`${hub.url}/datasets/acme/text`),
    });
  });

  it.each([
    ["no list", { error: "?" }, /: it is .*; expected a list$/],
    [
      "no size",
      [{ type: "file", path: "a.txt", oid: "0" }],
      /\/a\.txt: field "size" is missing; expected a whole number$/,
    ],
  ])("is NETWORK where the Hub's answer has %s", async (_, answer, words) => {
    const server = await playServer(({ path }, response) =>
      json(
        response,
        path.includes("paths-info") ? answer : { id: "acme/text", _id: "0", sha: "a".repeat(40) },
      ),
    );
    onTestFinished(() => server.close());
    const failure = await thrown(
      connectForTest(server.url).hub.openDatasetFile("acme/text", "a.txt"),
    );
    expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringMatching(words) });
  });
});
