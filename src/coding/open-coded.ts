import { type Checkpoint, type OpenOptions, openCheckpoint } from "../checkpoint/checkpoint.ts";
import type { ModelConfig } from "../checkpoint/model-config.ts";
import type { Repository } from "../checkpoint/repository.ts";
import type { BaseTensors } from "./coding.ts";
import { type Declared, findDeclared, readModelOptSettings } from "./declared.ts";
import { nameOriginal } from "./publisher.ts";
import { checkShapeCopies } from "./shape-copies.ts";
import { valueTensors } from "./value-tensors.ts";

export interface CodedOptions extends Omit<OpenOptions, "checkConfig"> {
  /** Whether a tensor is of no use: its codes and scales are not looked at. Default: none is. */
  readonly leavesOut?: (name: string, config: ModelConfig) => boolean;
}

/** A checkpoint of floats or codes. */
export interface CodedCheckpoint {
  readonly checkpoint: Checkpoint;
  /** Its tensors as the role tables see them (value-tensors.ts), without those of no use. */
  readonly values: BaseTensors;
}

/**
 * Opens a base whose weights are floats, or are coded in a way that is decoded. Throws
 * ALREADY_QUANTIZED for any other, BAD_CHECKPOINT, MISSING_FILE.
 */
export async function openCoded(
  repository: Repository,
  { leavesOut, ...options }: CodedOptions,
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
    const { tensors, config } = checkpoint;
    const used = new Map([...tensors].filter(([name]) => leavesOut?.(name, config) !== true));
    const values = valueTensors(used, declared, repository);
    return { checkpoint, values: await checkShapeCopies(checkpoint, values) };
  } catch (error) {
    await checkpoint.close();
    throw await nameOriginal(error, repository);
  }
}
