import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeCheckpoint } from "./support/checkpoints.ts";
import { runCli } from "./support/cli-run.ts";
import { removeFolder, scratchFolder } from "./support/models.ts";
import { configLike, writePublished } from "./support/published.ts";
import { planned, refused } from "./support/published-models.ts";

/**
 * Repositories as makers publish them, of their sizes: settings, names and shapes are theirs. Each
 * is planned from its headers as the floats would be, or refused with the repository to use
 * instead.
 */

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
});
afterAll(() => removeFolder(folder));

const plan = (base: string) =>
  runCli(["plan", base, "--json", "--policy", "oq", "--floors", "none"]);

describe("a model that its makers publish as codes alone is planned as its floats", () => {
  test.each(Object.entries(planned))("%s", async (_, { words, ...published }) => {
    const base = await writePublished(folder, published);
    const { code, stdout, stderr } = await plan(base);
    expect({ code, stderr }).toMatchObject({ code: 0, stderr: expect.stringMatching(words) });
    const floats = `${base}-floats`;
    await makeCheckpoint(floats, configLike(published.like), 1, "header-only");
    // Bits of decoded values are counted as those of floats.
    const { tiers } = JSON.parse(stdout);
    expect(JSON.parse((await plan(floats)).stdout).tiers).toEqual(tiers);
  });
});

describe("a quantization beside floats is refused, and the floats are named", () => {
  test.each(Object.entries(refused))("%s", async (_, [published, why, instead]) => {
    const base = await writePublished(folder, published);
    const { code, stdout, stderr } = await plan(base);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
    const errors = stderr.split("\n").filter((line) => line.startsWith("error: "));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toContain("[ALREADY_QUANTIZED]");
    expect(errors[0]).toMatch(why);
    expect(stderr).toContain(instead);
  });
});
