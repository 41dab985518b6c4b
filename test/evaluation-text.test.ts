import { readFile, writeFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { smallest } from "./support/models.ts";
import { story, verifyScene } from "./support/published-tier.ts";

const hybrid = smallest.nemotron_h!;
const llama = smallest.llama!;
const scene = verifyScene();

describe("evaluation text is refused", () => {
  test("where it overlaps the calibration text, and the message names the rows", async () => {
    const rows = [
      "--calibration-samples",
      "8",
      "--calibration-length",
      "256",
      "--evaluation-samples",
      "1",
    ];
    const own = [
      "--calibration",
      `${scene.folder}/calibration.txt`,
      "--tiers",
      "oQ8e",
      "--out",
      `${scene.folder}/told`,
      "--json",
    ];
    const made = await scene.oqe("quantize", hybrid, ...own, ...rows);
    expect(made).toMatchObject({ code: 0 });
    const [target] = JSON.parse(made.stdout).folders;
    const both = `${await readFile(`${scene.folder}/calibration.txt`, "utf8")}\n\n${story(9).slice(0, 3000)}`;
    await writeFile(`${scene.folder}/both.txt`, both);
    const named = [
      "--calibration",
      `${scene.folder}/calibration.txt`,
      "--evaluation-samples",
      "12",
    ];
    const overlapping = [
      target,
      "--base",
      hybrid,
      ...named,
      "--evaluation",
      `${scene.folder}/both.txt`,
    ];
    const says =
      /both\.txt shares passages with the calibration text calibration\.txt: rows \d+ \(calibration row \d+\), .*counted from 0/;
    await scene.expectRefused(overlapping, "BAD_INPUT", says);
    const same = [
      target,
      "--base",
      hybrid,
      ...named,
      "--evaluation",
      `${scene.folder}/calibration.txt`,
    ];
    await scene.expectRefused(same, "BAD_INPUT", /rows 0 to 11 are of the same text/);
    const other = ["--calibration", `${scene.folder}/evaluation.txt`];
    const wrong =
      /calibration: the rows of evaluation\.txt have the SHA-256 [0-9a-f]{64}, oqe-receipt\.json says [0-9a-f]{64} of calibration\.txt/;
    await scene.expectRefused([target, "--base", hybrid, ...other], "BAD_INPUT", wrong);
    const untold = await scene.oqe("verify", target, "--base", hybrid, "--evaluation-samples", "1");
    expect(untold).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("cannot be drawn again"),
    });
  });

  test("before a weight is read where it overlaps the calibration text of a run", async () => {
    const text = `${scene.folder}/calibration.txt`;
    const args = [
      "quantize",
      hybrid,
      "--policy",
      "oq",
      "--out",
      `${scene.folder}/never`,
      "--calibration",
      text,
      "--evaluation",
      text,
    ];
    const rows = ["--calibration-samples", "2", "--evaluation-samples", "5"];
    const { code, stderr } = await scene.oqe(...args, ...rows);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: evaluation: calibration\.txt shares passages .*rows 0 to 4/m);
  });

  test.each([
    ["./nowhere.txt", "BAD_INPUT", /evaluation: .*nowhere\.txt does not exist/],
    ["datasets/no/such/rows.txt", "NOT_FOUND", /no\/such/],
  ])("where it does not exist: %s", async (text, code, says) => {
    await scene.expectRefused([llama, "--base", llama, "--evaluation", text], code, says);
  });

  test("before a weight is read where it is shorter than a row of a run", async () => {
    const path = `${scene.folder}/one-row.txt`;
    await writeFile(path, story(3).slice(0, 200));
    const args = ["quantize", hybrid, "--policy", "oq", "--out", `${scene.folder}/never`];
    const rows = ["--calibration-samples", "2", "--evaluation-samples", "1"];
    const { code, stderr } = await scene.oqe(...args, ...rows, "--evaluation", path);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^error: one-row\.txt is too short: 1 rows of 256 tokens .*, its \d+ tokens give 0/m,
    );
    expect(stderr).toContain("evaluation-length");
    expect(stderr).not.toMatch(/^Quantize/m);
  });

  test("where it is too short, or empty", async () => {
    await writeFile(`${scene.folder}/short.txt`, "A word.");
    await writeFile(`${scene.folder}/empty.txt`, "");
    const on = (file: string) => {
      return [llama, "--base", llama, "--evaluation", `${scene.folder}/${file}`];
    };
    await scene.expectRefused(on("short.txt"), "BAD_INPUT", /short\.txt is too short/);
    await scene.expectRefused(on("empty.txt"), "BAD_INPUT", /evaluation: .*empty\.txt is empty/);
  });
});

test("rows have the length that is given, and verify takes it from the receipt", async () => {
  const out = `${scene.folder}/short-rows`;
  const rows = ["--calibration-samples", "2", "--calibration-length", "32"];
  const own = [...rows, "--evaluation-samples", "3", "--evaluation-length", "24"];
  const way = ["--policy", "oq", "--tiers", "oQ8e", "--out", out, "--json"];
  const made = await scene.oqe("quantize", llama, ...way, ...own);
  expect(made).toMatchObject({ code: 0 });
  const [target] = JSON.parse(made.stdout).folders;
  const verified = async (...more: string[]) => {
    const { code, stdout, stderr } = await scene.oqe(
      ...["verify", target, "--base", llama, "--json", ...more],
    );
    return { code, ...JSON.parse(stdout), hasOtherRows: stderr.includes("not the receipt's rows") };
  };
  expect(await verified()).toMatchObject({
    code: 0,
    rows: { samples: 3, length: 24 },
    positions: 72,
    hasOtherRows: false,
  });
  expect(await verified("--evaluation-length", "40")).toMatchObject({
    code: 0,
    rows: { samples: 3, length: 40 },
    hasOtherRows: true,
  });
});

test("chats are tuned on through the base's template, and verify draws the same rows", async () => {
  const chats = [1, 2, 3, 4].map((seed) => {
    const content = story(seed).slice(0, 600);
    const messages = [
      { role: "user", content: "Tell me." },
      { role: "assistant", content },
    ];
    return JSON.stringify({ messages, domain: seed === 4 ? "told" : undefined });
  });
  const path = `${scene.folder}/chats.jsonl`;
  await writeFile(path, chats.join("\n"));
  const way = ["--policy", "oq", "--tiers", "oQ8e", "--out", `${scene.folder}/chats`, "--json"];
  const few = ["--calibration-samples", "4", "--calibration-length", "32"];
  const rows = [...few, "--evaluation-samples", "2", "--evaluation-length", "32"];
  const made = await scene.oqe("quantize", llama, ...way, ...rows, "--calibration", path);
  expect(made).toMatchObject({ code: 0 });
  const [target] = JSON.parse(made.stdout).folders;
  const receipt = JSON.parse(await readFile(`${target}/oqe-receipt.json`, "utf8"));
  expect(receipt.calibration).toMatchObject({
    source: "chats.jsonl",
    domains: { chat: 2, told: 2 },
  });
  const again = ["verify", target, "--base", llama, "--calibration"];
  expect(await scene.oqe(...again, path)).toMatchObject({ code: 0 });
  const plain = `${scene.folder}/plain.jsonl`;
  const text = chats.map((one) => JSON.stringify({ text: JSON.parse(one).messages[1].content }));
  await writeFile(plain, text.join("\n"));
  const { code, stderr } = await scene.oqe(...again, plain);
  expect({ code, stderr }).toMatchObject({
    code: 2,
    stderr: expect.stringContaining("calibration: the rows of plain.jsonl have the SHA-256"),
  });
});
