import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { cp, readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { evaluatedRows, rounded, runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder, smallest } from "./support/models.ts";

/** A tier with multi-token prediction, from `oqe quantize` to `oqe verify`. */

const base = smallest["nemotron_h.latent"]!;
const one = ["--tiers", "oQ4e"];
let scratch: string;
let tier: string;

beforeAll(async () => {
  scratch = await scratchFolder();
  tier = await quantize("whole", rounded);
});
afterAll(() => removeFolder(scratch));

async function quantize(name: string, flags: readonly string[]): Promise<string> {
  const out = join(scratch, name);
  const { code, stderr } = await runCli(["quantize", base, "--out", out, ...one, ...flags]);
  if (code !== 0) throw new Error(stderr);
  return join(out, (await readdir(out))[0]!);
}

const verify = (folder: string) =>
  runCli([
    "verify",
    folder,
    "--base",
    base,
    "--evaluation-samples",
    "2",
    "--evaluation-length",
    "32",
  ]);
const read = (folder: string, file: string) => readFileSync(join(folder, file), "utf8");
const receiptOf = (folder: string) => JSON.parse(read(folder, "oqe-receipt.json"));

test("the file, its hash, its size in the plan, and its line on the card", () => {
  const { files, plan, options } = receiptOf(tier);
  const bytes = readFileSync(join(tier, "mtp.safetensors"));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  expect(files["mtp.safetensors"]).toEqual({ bytes: bytes.length, sha256 });
  expect(read(tier, "SHA256SUMS")).toContain(`${sha256}  mtp.safetensors`);
  expect(options).toMatchObject({ carry: ["mtp"] });
  expect(plan.carried).toEqual({ mtp: dataOf(bytes).length });
  expect(read(tier, "README.md")).toMatch(
    /^- \*\*Multi-token prediction\*\*: carried unquantized, [\d.]+ kB of every tier's size; not evaluated/m,
  );
});

test("tuned, the file is the same", async () => {
  const tuned = await quantize("tuned", [...evaluatedRows, "--policy", "oq"]);
  expect(readFileSync(join(tuned, "mtp.safetensors"))).toEqual(
    readFileSync(join(tier, "mtp.safetensors")),
  );
});

test("carry none leaves it out, and says so", async () => {
  const bare = await quantize("bare", [...rounded, "--carry", "none"]);
  expect(existsSync(join(bare, "mtp.safetensors"))).toBe(false);
  const { plan, options, files } = receiptOf(bare);
  expect(options).toMatchObject({ carry: [], leftOut: ["mtp"] });
  expect(plan.bytes).toBe(receiptOf(tier).plan.bytes - receiptOf(tier).plan.carried.mtp);
  expect(plan.fileBpw).toBe(receiptOf(tier).plan.fileBpw);
  expect(files["model.safetensors"]).toEqual(receiptOf(tier).files["model.safetensors"]);
  const card = read(bare, "README.md");
  expect(card).toContain("**Multi-token prediction**: the base has one, this tier does not.");
  expect(card).toContain("--carry none");
  expect(await verify(bare)).toMatchObject({ code: 0 });
});

describe("oqe verify", () => {
  test("compares carried tensors with the base", async () => {
    const { code, stderr } = await verify(tier);
    expect({ code, stderr }).toMatchObject({ code: 0 });
    expect(stderr).toContain("Compare carried tensors");
  });

  test("refuses a file that differs from its receipt", async () => {
    const changed = await flipped("changed");
    const { code, stderr } = await verify(changed);
    expect(code).toBe(3);
    expect(stderr).toContain("mtp.safetensors has the SHA-256");
  });

  test("refuses one whose receipt was changed with it", async () => {
    const changed = await flipped("forged");
    const receipt = receiptOf(changed);
    const bytes = readFileSync(join(changed, "mtp.safetensors"));
    receipt.files["mtp.safetensors"].sha256 = createHash("sha256").update(bytes).digest("hex");
    writeFileSync(join(changed, "oqe-receipt.json"), JSON.stringify(receipt));
    const { code, stderr } = await verify(changed);
    expect(code).toBe(3);
    expect(stderr).toMatch(/tensor "mtp\.[\w.]+" does not have the base's values/);
  });
});

/** A copy of the tier with one bit of multi-token prediction changed. */
async function flipped(name: string): Promise<string> {
  const folder = join(scratch, name);
  await cp(tier, folder, { recursive: true });
  const path = join(folder, "mtp.safetensors");
  const bytes = readFileSync(path);
  bytes[bytes.length - 1]! ^= 1;
  writeFileSync(path, bytes);
  return folder;
}

function dataOf(file: Buffer): Buffer {
  return file.subarray(8 + Number(file.readBigUInt64LE()));
}
