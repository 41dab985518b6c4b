import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { parseSafetensorsMetadata } from "@huggingface/hub";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { pictureFiles } from "../src/card/picture-files.ts";
import { drawPictures } from "../src/card/pictures.ts";
import { type LocalHub, type SeenRequest, startLocalHub } from "../src/local-hub/local-hub.ts";
import { parseReceipt } from "../src/receipt/receipt-file.ts";
import { evaluatedRows, rounded, runCli } from "./support/cli-run.ts";
import { isHubWrite } from "./support/hub-writes.ts";
import { copyModel, removeFolder, scratchFolder, smallest } from "./support/models.ts";
import { expectTuned } from "./support/tuned-tier.ts";

const tiers = ["oQ8e", "oQ6e", "oQ5e", "oQ4e"];
const token = "hf_tokenOfTheTest";
const hybrid = smallest.nemotron_h!;

let folder: string;
let hub: LocalHub;
let seen: SeenRequest[] = [];

beforeAll(async () => {
  folder = await scratchFolder();
  hub = await startLocalHub({
    folder: `${folder}/hub`,
    onRequest: (request) => seen.push(request),
  });
  for (const [name, model] of Object.entries(smallest)) await hub.seed(`base/${name}-tiny`, model);
});

afterAll(async () => {
  await hub.close();
  await removeFolder(folder);
});

const environment = () => ({ HF_ENDPOINT: hub.url, HF_TOKEN: token });
const publish = (model: string, ...more: string[]) =>
  runCli(
    ["publish", model, "--namespace", "acme", "--work-dir", `${folder}/work`, "--json", ...more],
    environment(),
  );
const publishTuned = (model: string, ...more: string[]) =>
  publish(model, ...evaluatedRows, ...more);
const publishRounded = (model: string, ...more: string[]) => publish(model, ...rounded, ...more);
const writes = () => seen.filter(isHubWrite);

// A hybrid with experts, and a dense model. Other architectures: tuned-determinism.test.ts.
describe.each(["nemotron_h", "llama"])("publishing a tuned %s", (architecture) => {
  const name = `${architecture}-tiny`;
  const repository = (tier: string) => `acme/${name}-${tier}`;

  test("gives four repositories whose files the receipt lists", async () => {
    seen = [];
    const { code, stdout, stderr } = await publishTuned(`base/${name}`);
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    const result = JSON.parse(stdout);
    expect(result.revision).toBe(hub.head(`base/${name}`));
    expect(result.repositories.map((r: { outcome: string }) => r.outcome)).toEqual(
      Array(4).fill("published"),
    );
    expect(writes().filter(({ url }) => url.includes("/commit/main"))).toHaveLength(4);
    for (const tier of tiers) {
      const files = hub.files(repository(tier));
      const main = `${folder}/hub/${repository(tier)}`;
      const receipt = JSON.parse(await readFile(`${main}/oqe-receipt.json`, "utf8"));
      expect(receipt.base).toMatchObject({
        id: `base/${name}`,
        revision: hub.head(`base/${name}`),
      });
      for (const [path, { bytes, sha256 }] of Object.entries<{ bytes: number; sha256: string }>(
        receipt.files,
      )) {
        expect(files.get(path)).toMatchObject({ size: bytes, sha256 });
        expect(
          createHash("sha256")
            .update(await readFile(join(main, path)))
            .digest("hex"),
        ).toBe(sha256);
      }
      const drawn = drawPictures(parseReceipt(JSON.stringify(receipt), main));
      const pictures = [...(await pictureFiles(drawn)).files.keys()];
      expect(pictures).toContain("oqe-bits.png");
      const papers = [
        ...["README.md", "SHA256SUMS", "oqe-receipt.json", ".gitattributes"],
        ...pictures,
      ];
      expect([...files.keys()].sort()).toEqual([...Object.keys(receipt.files), ...papers].sort());
    }
  });

  test("records on receipt and card that tuning lost less than rounding", async () => {
    const hashes = new Set<string>();
    for (const tier of tiers) {
      const receipt = await expectTuned(`${folder}/hub/${repository(tier)}`, {
        samples: 4,
        length: 32,
        evaluation: 2,
      });
      expect(receipt.tuning!.experts === null).toBe(receipt.model.experts === null);
      hashes.add(receipt.calibration!.sha256).add(receipt.evaluationRows!.sha256);
    }
    expect(hashes.size).toBe(2); // the same rows for every tier, and others for the evaluation
  });

  test("asks for the base's storage link a few times, not once per tensor", () => {
    const resolves = seen.filter(
      ({ url }) => url.startsWith(`/base/${name}/resolve/`) && url.includes("model.safetensors"),
    );
    expect(resolves.length).toBeGreaterThan(0);
    expect(resolves.length).toBeLessThan(12); // some start before the first answer
  });

  test("has the base's number of parameters for the Hub's client", async () => {
    const count = async (repo: string) => {
      const { parameterTotal } = await parseSafetensorsMetadata({
        repo,
        hubUrl: hub.url,
        computeParametersCount: true,
      });
      return parameterTotal;
    };
    const base = await count(`base/${name}`);
    for (const tier of tiers) expect(await count(repository(tier))).toBe(base);
  });

  test("a second time changes nothing and says so", async () => {
    await new Promise((settled) => setTimeout(settled, 200)); // the last request of the run before
    seen = [];
    const heads = tiers.map((tier) => hub.head(repository(tier)));
    const { code, stdout, stderr } = await publishTuned(`base/${name}`);
    expect(code).toBe(0);
    expect(JSON.parse(stdout).repositories.map((r: { outcome: string }) => r.outcome)).toEqual(
      Array(4).fill("unchanged"),
    );
    expect(stderr).toContain("unchanged");
    expect(writes()).toEqual([]);
    expect(tiers.map((tier) => hub.head(repository(tier)))).toEqual(heads);
  });
});

describe("a release", () => {
  test("of one tier gives the card and receipt that a release of all gives", async () => {
    await hub.seed("base/alone", hybrid);
    expect((await publishRounded("base/alone", "--tiers", "oQ4e")).code).toBe(0);
    const alone = hub.head("acme/alone-oQ4e");
    const card = await readFile(`${folder}/hub/acme/alone-oQ4e/README.md`, "utf8");
    for (const tier of tiers) expect(card).toMatch(new RegExp(`^\\| \\**${tier}`, "m"));
    const { code, stdout } = await publishRounded("base/alone");
    expect(code).toBe(0);
    expect(JSON.parse(stdout).repositories.map((r: { outcome: string }) => r.outcome)).toEqual([
      "published",
      "published",
      "published",
      "unchanged",
    ]);
    expect(hub.head("acme/alone-oQ4e")).toBe(alone);
  });

  test("never shows the token, and sends it to no other origin", async () => {
    seen = [];
    await hub.seed("base/secretive", hybrid);
    const { stdout, stderr, code } = await publishRounded("base/secretive", "--tiers", "oQ4e");
    expect(code).toBe(0);
    expect(stdout + stderr).not.toContain(token);
    expect(hub.leakedTokens).toBe(0);
    expect(seen.some(({ origin }) => origin === "storage")).toBe(true);
    for (const { origin, headers } of seen) {
      if (origin === "storage") expect(headers.authorization).toBeUndefined();
    }
    for (const file of await readdir(`${folder}/work`, { recursive: true, withFileTypes: true })) {
      if (file.isFile())
        expect(await readFile(join(file.parentPath, file.name), "latin1")).not.toContain(token);
    }
  });

  test("reads one commit while the branch moves", async () => {
    const first = await hub.seed("base/moving", smallest.llama!);
    await hub.seed("base/moving", smallest.qwen3!);
    const { code, stdout } = await publishRounded(`base/moving@${first}`, "--tiers", "oQ8e");
    expect(code).toBe(0);
    expect(JSON.parse(stdout).revision).toBe(first);
    const config = JSON.parse(await readFile(`${folder}/hub/acme/moving-oQ8e/config.json`, "utf8"));
    expect(config.model_type).toBe("llama");
  });

  test("in a dry run makes folders and cards, and writes nothing to the Hub", async () => {
    await hub.seed("base/rehearsed", hybrid);
    seen = [];
    const { code, stdout } = await runCli(
      [
        "publish",
        "base/rehearsed",
        "--namespace",
        "acme",
        "--dry-run",
        ...rounded,
        "--json",
        "--work-dir",
        `${folder}/dry`,
      ],
      { HF_ENDPOINT: hub.url },
    );
    expect(code).toBe(0);
    expect(writes()).toEqual([]);
    const result = JSON.parse(stdout);
    expect(result.repositories.map((r: { outcome: string }) => r.outcome)).toEqual(
      Array(4).fill("dry-run"),
    );
    for (const { folder: made } of result.repositories)
      expect(await readdir(made)).toContain("README.md");
    expect(hub.head("acme/rehearsed-oQ4e")).toBeNull();
  });

  test("has the licence files of the base, on a Hub without whoami and card checks too", async () => {
    const licences = { LICENSE: "Terms of this base.\n", "NOTICE.txt": "Made by its authors.\n" };
    const base = await copyModel(smallest.llama!, "licensed");
    for (const [path, text] of Object.entries(licences)) await writeFile(join(base, path), text);
    await hub.seed("base/plain", base);
    await removeFolder(dirname(base));
    hub.faults.push(
      { match: /whoami/, times: 1, action: { status: 404, body: { error: "no" } } },
      { match: /validate-yaml/, times: 1, action: { status: 404, body: { error: "no" } } },
    );
    const { code, stderr } = await publishRounded("base/plain", "--tiers", "oQ4e");
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect(stderr.match(/warning: this Hub/g)).toHaveLength(2);
    const main = `${folder}/hub/acme/plain-oQ4e`;
    const { files } = JSON.parse(await readFile(`${main}/oqe-receipt.json`, "utf8"));
    for (const [path, text] of Object.entries(licences)) {
      expect(await readFile(join(main, path), "utf8")).toBe(text);
      expect(files).toHaveProperty([path, "bytes"], text.length);
    }
  });

  test("of another base with the same name is refused, unless told to overwrite", async () => {
    await hub.seed("other/plain", smallest.qwen3!);
    const refused = await publishRounded("other/plain", "--tiers", "oQ4e");
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/error: .*base\/plain, not of other\/plain \[NOT_OURS\]/);
    expect((await publishRounded("other/plain", "--tiers", "oQ4e", "--overwrite")).code).toBe(0);
  });

  test("that fails midway leaves main as it was, and the next run completes it", async () => {
    await hub.seed("base/unlucky", hybrid);
    hub.faults.push({
      match: /^POST \/api\/models\/acme\/unlucky-oQ6e\/commit/,
      times: 1,
      action: { status: 403, body: { error: "no" } },
    });
    const failed = await publishRounded("base/unlucky");
    expect(failed.code).toBe(1);
    expect(failed.stderr).toMatch(/error: .*\[FORBIDDEN\]/);
    expect(failed.stderr).not.toMatch(/^\s+at /m);
    expect(
      JSON.parse(failed.stdout).repositories.map((r: { outcome: string }) => r.outcome),
    ).toEqual(["published", "failed", "failed", "failed"]);
    expect(
      [...hub.files("acme/unlucky-oQ6e").keys()].filter((path) => path !== ".gitattributes"),
    ).toEqual([]);
    const again = await publishRounded("base/unlucky");
    expect(again.code).toBe(0);
    expect(
      JSON.parse(again.stdout).repositories.map((r: { outcome: string }) => r.outcome),
    ).toEqual(["unchanged", "published", "published", "published"]);
  });

  test("gives the same bytes in spite of many faults of the Hub", async () => {
    await hub.seed("base/stormy", hybrid);
    hub.faults.push(
      { match: /^GET \/base\/stormy\/resolve\//, times: 2, action: { status: 503 } },
      { match: /^GET \/base\/stormy\/[0-9a-f]{64}/, times: 1, action: "truncate" },
      {
        match: /^POST \/api\/repos\/create/,
        times: 1,
        action: { status: 429, headers: { "retry-after": "0" } },
      },
      { match: /^PUT /, times: 1, action: "reset" },
      { match: /^POST \/api\/models\/acme\/stormy-oQ8e\/commit/, times: 1, action: "drop-answer" },
    );
    const { code, stderr } = await publishTuned("base/stormy", "--tiers", "oQ8e");
    expect({ code, stderr: code === 0 ? "" : stderr }).toEqual({ code: 0, stderr: "" });
    expect(hub.faults.filter(({ times }) => times > 0)).toEqual([]); // every fault happened
    expect(hub.files("acme/stormy-oQ8e").get("model.safetensors")?.sha256).toBe(
      hub.files("acme/nemotron_h-tiny-oQ8e").get("model.safetensors")?.sha256,
    );
  });
});
