import { OqeError } from "../ground/errors.ts";
import { answers, readAnswer } from "./answers.ts";
import { strictFetch } from "./failure.ts";
import type { HashedFile } from "./folder.ts";
import type { UploadTarget } from "./stage.ts";
import { authorization, type Transport } from "./transport.ts";

/** The Hub's clients ask for 100 objects at a time. */
const objectsPerQuestion = 100;

/**
 * Throws CONFLICT unless the repository's storage has each of these files. It asks how to upload
 * them (git-lfs batch API), and expects that there is nothing to upload.
 */
export async function checkStored(
  transport: Transport,
  target: UploadTarget,
  files: readonly HashedFile[],
): Promise<void> {
  for (let first = 0; first < files.length; first += objectsPerQuestion) {
    const asked = files.slice(first, first + objectsPerQuestion);
    const type = "application/vnd.git-lfs+json";
    const response = await strictFetch(transport, target)(
      `${transport.endpoint}/${target.id}.git/info/lfs/objects/batch`,
      {
        method: "POST",
        headers: { Accept: type, "Content-Type": type, ...authorization(transport) },
        body: JSON.stringify({
          operation: "upload",
          transfers: ["basic", "multipart", "xet"],
          hash_algo: "sha_256",
          ref: { name: target.branch },
          objects: asked.map(({ sha256, size }) => ({ oid: sha256, size })),
        }),
      },
    );
    const { objects } = await readAnswer(answers.batch, response, `uploads to ${target.id}`);
    const answered = new Map(objects.map((object) => [object.oid, object]));
    for (const file of asked) {
      const object = answered.get(file.sha256);
      if (object !== undefined && !object.actions?.upload && !object.error) continue;
      const said = object?.error?.message ?? "it asks for an upload";
      throw new OqeError(
        "CONFLICT",
        `The storage of ${target.id} does not have ${file.path} ` +
          `(${file.size} bytes, sha256 ${file.sha256}), which was staged there: ${said}`,
        "Stage it again: run again.",
      );
    }
  }
}
