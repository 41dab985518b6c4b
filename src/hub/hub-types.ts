import type { Repository } from "../checkpoint/repository.ts";

/** Name of the receipt in every tier repo. A folder or repo that holds one is ours. */
export const receiptPath = "oqe-receipt.json";

/** Who the token is, as the Hub says. */
export interface Identity {
  readonly name: string;
  readonly organizations: readonly string[];
  /** Whether the token may write at all; null where the Hub does not say (fine-grained tokens). */
  readonly canWrite: boolean | null;
}

/** The state of a repo's main branch before we touch it. */
export interface RemoteState {
  readonly exists: boolean;
  /** Head commit of main; null where the repo does not exist. */
  readonly head: string | null;
  /** Files of main with size and, for LFS files, SHA-256. */
  readonly files: ReadonlyMap<string, { readonly size: number; readonly sha256: string | null }>;
  /** Text of oqe-receipt.json on main; null where there is none. */
  readonly receipt: string | null;
}

export interface PushRequest {
  /** `<namespace>/<name>` */
  readonly repository: string;
  /** Folder to publish: after the push main holds exactly these files (and .gitattributes). */
  readonly folder: string;
  /** Size and SHA-256 that files of the folder must have, by path: what its receipt says. Others are not checked. */
  readonly expected: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  readonly state: RemoteState;
  readonly private: boolean;
  readonly title: string;
  readonly description: string;
}

export type PushResult =
  | { readonly outcome: "unchanged"; readonly commit: string; readonly url: string }
  | { readonly outcome: "published"; readonly commit: string; readonly url: string };

/** The door to the Hub. One instance holds the endpoint, the token and the retrying fetch; nothing else ever sees the token. */
export interface Hub {
  readonly endpoint: string;
  /** Throws UNAUTHORIZED when the Hub does not accept the token. */
  identify(): Promise<Identity>;
  /** Resolves `revision` to a commit once and lists that commit. NOT_FOUND, GATED, UNAUTHORIZED, NETWORK. */
  open(id: string, revision?: string): Promise<Repository>;
  /** A dataset at the commit that `revision` names now, as far as this one file. As `open`; BAD_INPUT for a folder. */
  openDatasetFile(dataset: string, path: string, revision?: string): Promise<Repository>;
  inspect(repository: string): Promise<RemoteState>;
  /** Uploads every file, then moves main in one commit; on any failure main is as it was. */
  push(request: PushRequest): Promise<PushResult>;
  /** The Hub's own check of a card's front matter; its errors as sentences, empty when it is fine. */
  validateCard(text: string): Promise<readonly string[]>;
}
