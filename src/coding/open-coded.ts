import { type Checkpoint, type OpenOptions, openCheckpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Repository } from "../checkpoint/repository.ts";
import type { BaseTensors } from "./coding.ts";
import { type Declared, findDeclared, readModelOptSettings } from "./declared.ts";
import { nameOriginal } from "./publisher.ts";
import { checkShapeCopies } from "./shape-copies.ts";
import { valueTensors } from "./value-tensors.ts";

/** A checkpoint of floats or codes. */
export interface CodedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Its tensors as the role tables see them (value-tensors.ts). */
  readonly values: BaseTensors;
}

/**
 * Opens a base whose weights are floats, or are coded in a way that is decoded. Throws
 * ALREADY_QUANTIZED for any other, BAD_CHECKPOINT, MISSING_FILE.
 */
export async function openCoded(
  repository: Repository,
  options: Omit<OpenOptions, "checkConfig">,
): Promise<CodedCheckpoint> {
  const modelOpt = await readModelOptSettings(repository);
  let declared: Declared | null = null;
  const checkConfig = (config: ModelConfig) => {
    declared = findDeclared(config, modelOpt, repository);
  };
  const checkpoint = await openCheckpoint(repository, { ...options, checkConfig }).catch(
    async (error) => {
      throw await nameOriginal(error, repository);
    },
  );
  try {
    const values = valueTensors(checkpoint.tensors, declared, repository);
    return { checkpoint, values: await checkShapeCopies(checkpoint, values) };
  } catch (error) {
    await checkpoint.close();
    throw await nameOriginal(error, repository);
  }
}
