import type { Repository } from "../checkpoint/repository.ts";

/** Name of the receipt in every tier repository. It marks a folder or repository as ours. */
export const receiptPath = "oqe-receipt.json";

/** The account of the token. */
export interface Identity {
  readonly name: string;
  readonly organizations: readonly string[];
  /** Whether the token may write; null if the Hub does not say (fine-grained tokens). */
  readonly canWrite: boolean | null;
}

/** The state of a repository's main branch before this run changes it. */
export interface RemoteState {
  readonly exists: boolean;
  /** Head commit of main; null if there is no repository. */
  readonly head: string | null;
  /** Files of main with size and, for LFS files, SHA-256. */
  readonly files: ReadonlyMap<string, { readonly size: number; readonly sha256: string | null }>;
  /** Text of oqe-receipt.json on main; null if it is missing. */
  readonly receipt: string | null;
}

export interface PushRequest {
  /** `<namespace>/<name>` */
  readonly repository: string;
  /** Folder to publish. After the push main has exactly these files, and `.gitattributes`. */
  readonly folder: string;
  /** Path -> size and SHA-256 by the receipt. Files that are not named are not checked. */
  readonly expected: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  readonly state: RemoteState;
  readonly private: boolean;
  readonly title: string;
  readonly description: string;
}

export type PushResult =
  | { readonly outcome: "unchanged"; readonly commit: string; readonly url: string }
  | { readonly outcome: "published"; readonly commit: string; readonly url: string };

/** A connection to the Hub: endpoint, token and retries. No other code sees the token. */
export interface Hub {
  readonly endpoint: string;
  /** Throws UNAUTHORIZED if the Hub rejects the token. */
  identify(): Promise<Identity>;
  /**
   * Resolves `revision` to a commit and lists its files. Throws NOT_FOUND, GATED, UNAUTHORIZED,
   * NETWORK.
   */
  open(id: string, revision?: string): Promise<Repository>;
  /**
   * One file of a dataset, at the commit of `revision`. Throws as `open`, and BAD_INPUT for a
   * folder.
   */
  openDatasetFile(dataset: string, path: string, revision?: string): Promise<Repository>;
  inspect(repository: string): Promise<RemoteState>;
  /** Uploads every file, then changes main in one commit. After a failure main is unchanged. */
  push(request: PushRequest): Promise<PushResult>;
  /**
   * Asks the Hub to check a card's front matter. Returns its errors as sentences; empty if there
   * are none.
   */
  validateCard(text: string): Promise<readonly string[]>;
}
