import { describe, expect, test } from "vitest";
import { evaluatedReceipt, sha256 } from "../../test/support/receipts.ts";
import { longest, marker, sealedText } from "../github/sealed-text.ts";
import { writeReceipt } from "../receipt/receipt-file.ts";
import {
  attestedSums,
  listWeights,
  type ReleasedModel,
  readMark,
  releaseFiles,
  releaseNotes,
} from "./release-notes.ts";

const tierOf = (name: string, tier: string, repository = `acme/Nano-${tier}`) => {
  const receipt = evaluatedReceipt(tier);
  return {
    repository,
    url: `https://huggingface.co/${repository}`,
    receipt,
    receiptText: writeReceipt(receipt),
    sums: new Map([
      ["README.md", sha256("card")],
      ["model-00002-of-00002.safetensors", sha256(`${name} ${tier} 2`)],
      ["model-00001-of-00002.safetensors", sha256(`${name} ${tier} 1`)],
    ]),
  };
};
const models: readonly ReleasedModel[] = [
  { name: "nano", tiers: [tierOf("nano", "oQ8e"), tierOf("nano", "oQ4e")] },
];
const notesOf = (
  shown: readonly ReleasedModel[],
  unchangedSince: string | null = null,
  signer: string | null = "maker/oqe-publisher",
) =>
  releaseNotes({
    ...{ models: shown, mark: { weights: sha256(listWeights(shown)) } },
    ...{ repository: "acme/series", signer, unchangedSince },
  });

describe("a release", () => {
  test("lists every file of weights as sha256sum does, sorted by path", () => {
    expect(listWeights(models)).toBe(
      [
        `${sha256("nano oQ4e 1")}  acme/Nano-oQ4e/model-00001-of-00002.safetensors\n`,
        `${sha256("nano oQ4e 2")}  acme/Nano-oQ4e/model-00002-of-00002.safetensors\n`,
        `${sha256("nano oQ8e 1")}  acme/Nano-oQ8e/model-00001-of-00002.safetensors\n`,
        `${sha256("nano oQ8e 2")}  acme/Nano-oQ8e/model-00002-of-00002.safetensors\n`,
      ].join(""),
    );
  });

  test("has matrix, weights and, of each tier, receipt and pictures", () => {
    const files = releaseFiles(models);
    const pictures = ["oqe-kl.svg", "oqe-bits.svg", "oqe-languages.svg"];
    expect(files.map(({ name }) => name)).toEqual([
      ...["matrix.md", "SHA256SUMS"],
      ...["oQ8e", "oQ4e"].flatMap((tier) =>
        ["receipt.json", ...pictures].map((end) => `acme.Nano-${tier}.${end}`),
      ),
    ]);
    for (const { name } of files) expect(name).toMatch(/^[\w.-]+$/); // GitHub renames others
    expect(files[0]!.content).toMatch(
      /^\| \[oQ4e\]\(https:\/\/huggingface\.co\/acme\/Nano-oQ4e\) \| 18,\d{3},\d{3},\d{3} \| 18\.\d\d \| 4\.\d\d \| 0\.\d+ ± 0\.\d+ \| \d\d\.\d\d % \|$/m,
    );
    expect(files[0]!.content).toContain("\nRepositories: `acme/Nano-*`\n");
  });

  test("says that nothing changed, and marks itself in a comment that reads back", () => {
    expect(notesOf(models)).not.toContain("Nothing changed");
    const notes = notesOf(models, "v1.1.0");
    expect(notes).toContain("Nothing changed since `v1.1.0`");
    expect(readMark(notes)).toEqual({ weights: sha256(listWeights(models)) });
    for (const other of ["", "Our notes", "<!-- oqe:release {} -->", "<!-- oqe:release {x} -->"])
      expect(readMark(other)).toBeNull();
  });

  test("has the command that checks an attestation, with the repository that signs", () => {
    const verify = "\n```sh\ngh attestation verify <file> --repo acme/series";
    expect(notesOf(models)).toContain(`${verify} --signer-repo maker/oqe-publisher\n\`\`\`\n`);
    expect(notesOf(models, null, "acme/series")).toContain(`${verify}\n\`\`\`\n`);
    const unknown = notesOf(models, null, null);
    expect(unknown).toContain(`${verify} --signer-repo <owner>/oqe-publisher\n\`\`\`\n\n`);
    expect(unknown).toContain("`<owner>` is the one that the line `uses:` of the workflow names.");
  });

  test("that is too large for GitHub keeps mark and command, and leaves pictures out", () => {
    const tier = tierOf("nano", "oQ4e");
    const tiers = Array.from({ length: 600 }, (_, k) => {
      const repository = `acme/Nano${k}-oQ4e`;
      return { ...tier, repository, url: `https://huggingface.co/${repository}` };
    });
    const large = [{ name: "nano", tiers }];
    const text = sealedText(marker("release", "v1"), notesOf(large, "v0"), { commit: "ab" });
    expect(text.length).toBeLessThanOrEqual(longest.body);
    expect(text.length).toBeGreaterThan(longest.body - 1500);
    expect(text).toMatch(
      / \|\n\n\*The table goes on in the attached `matrix\.md`\.\*\n\nAttached: /,
    );
    expect(text).toContain("\n```sh\ngh attestation verify <file> --repo acme/series");
    expect(text).not.toContain("too many for GitHub and left out");
    expect(readMark(text)).toEqual({ weights: sha256(listWeights(large)) });
    expect(text).toContain("receipt of every tier (pictures would be more files than the 1,000");
    expect(text).toContain("as 1,200 files of weights are too many, `SHA256SUMS`:");
    const names = releaseFiles(large).map(({ name }) => name);
    expect(names).toHaveLength(602);
    expect(names.filter((name) => name.endsWith(".svg"))).toEqual([]);
    expect(attestedSums(large)).toBe(`${sha256(listWeights(large))}  SHA256SUMS\n`);
    expect(attestedSums(models)).toBe(listWeights(models));
  });

  test("shows names of others as text", () => {
    const hostile = tierOf("x", "oQ4e");
    const base = { ...hostile.receipt.base, id: null, name: "a|b <img src=x> `x`" };
    const shown = [{ name: "x", tiers: [{ ...hostile, receipt: { ...hostile.receipt, base } }] }];
    const notes = notesOf(shown);
    expect(notes).toContain("a\\|b &lt;img src=x&gt;");
    expect(notes).not.toContain("<img");
  });
});
