import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { removeFolder, scratchFolder } from "../../test/support/models.ts";
import { readSeriesFile } from "./series-file.ts";

let folder: string;
beforeAll(async () => {
  folder = await scratchFolder();
  await mkdir(join(folder, "inside/models"), { recursive: true });
  const text = "models:\n  - base-model: org/base\n    namespace: acme\n";
  await writeFile(join(folder, "inside/models/series.yml"), text);
  await writeFile(join(folder, "secret.yml"), "HF_TOKEN: hf_secret\n");
  await symlink("../secret.yml", join(folder, "inside/link.yml"));
  await symlink("..", join(folder, "inside/up"));
  await writeFile(join(folder, "inside/large.yml"), "#".repeat(300 << 10));
});
afterAll(() => removeFolder(folder));

const read = (name: string) => readSeriesFile({ path: join(folder, "inside", name), name });

test("a series file may be in a folder of the repository", async () => {
  expect((await read("models/series.yml")).models).toHaveLength(1);
});

test.each([
  ["link.yml", "link.yml is behind a link"],
  ["up/secret.yml", "up/secret.yml is behind a link"],
  ["models", "models is not a file"],
  ["large.yml", "large.yml has 307200 bytes"],
  ["gone.yml", "gone.yml: it does not exist"],
])("%s is refused without its content", async (name, message) => {
  await expect(read(name)).rejects.toMatchObject({ code: "BAD_INPUT", message });
});
