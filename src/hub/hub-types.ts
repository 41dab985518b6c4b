import type { Repository } from "../checkpoint/repository.ts";
import type { TreeFile } from "./answers.ts";
import type { Sums } from "./sums.ts";
import type { Access } from "./token-source.ts";
import type { Traffic } from "./traffic.ts";

/** Name of the receipt in every tier repository. It marks a folder or repository as ours. */
export const receiptPath = "oqe-receipt.json";
export const cardPath = "README.md";

/** The account of the token. */
export interface Identity {
  readonly name: string;
  /** With the account's role there (`read`, `contributor`, `write`, `admin`); null: not told. */
  readonly organizations: readonly { readonly name: string; readonly role: string | null }[];
  /** Whether the token may write at all; null if the Hub does not say. */
  readonly canWrite: boolean | null;
  /**
   * Namespaces and repositories that a fine-grained token may write to; null: another token, or the
   * Hub does not say.
   */
  readonly writable: readonly string[] | null;
}

/** The state of a repository's main branch before this run changes it. */
export interface RemoteState {
  readonly exists: boolean;
  /** Head commit of main; null if there is no repository. */
  readonly head: string | null;
  /** Files of main with size and SHA-256. null: neither in the large-file storage nor in `sums`. */
  readonly files: ReadonlyMap<string, { readonly size: number; readonly sha256: string | null }>;
  /** What SHA256SUMS on main lists; null if it is missing, or not as we wrote it. */
  readonly sums: Sums | null;
  /** Text of oqe-receipt.json on main; null if it is missing. */
  readonly receipt: string | null;
  /** Text of README.md on main; null if it is missing, too large, or beside no receipt. */
  readonly card: string | null;
}

/** A branch beside main at its head: unfinished work, which readers of main never see. */
export interface Branch {
  /** Head commit, 40 hex digits. */
  readonly commit: string;
  /** Files by path: bytes, git blob id and, of files in the large-file storage, SHA-256. */
  readonly files: ReadonlyMap<string, TreeFile>;
  /** The files of this commit, to be read whole or by ranges. */
  readonly content: Repository;
}

/** A file to stage: on the disk with its known hash, or a small one in memory. */
export type StagedFile =
  | {
      readonly path: string;
      /** Where it is on the disk. */
      readonly file: string;
      readonly bytes: number;
      readonly sha256: string;
    }
  | { readonly path: string; readonly content: Uint8Array<ArrayBuffer> };

export interface StageRequest {
  /** `<namespace>/<name>`; created if it is missing, private if `private` is set. */
  readonly repository: string;
  /** Created from main if it is missing. */
  readonly branch: string;
  readonly private: boolean;
  readonly files: readonly StagedFile[];
  /** Paths to remove; those that the branch does not have are ignored. */
  readonly deleted: readonly string[];
  readonly title: string;
  /** The branch's head as the caller knows it; null if the caller knows of no branch. */
  readonly parent: string | null;
}

/** A change of main that leaves all other files. */
export interface AmendRequest {
  readonly repository: string;
  readonly files: readonly StagedFile[];
  /** Paths to remove; those that main does not have are ignored. */
  readonly deleted: readonly string[];
  readonly title: string;
  /** Main's head as the caller knows it. */
  readonly parent: string;
  /** Whether a pull request takes the place of the commit, as in `PushRequest`. */
  readonly proposes?: boolean;
}

export interface Amended {
  readonly commit: string;
  /** Page of the pull request; null: the commit is on main. */
  readonly pull: string | null;
}

export interface PushRequest {
  /** `<namespace>/<name>` */
  readonly repository: string;
  /** Folder to publish. Main then has its files, those of `staged` and `keep`. */
  readonly folder: string;
  /** Every file to publish, as this run made it. A folder that has others is refused. */
  readonly expected: Sums;
  /** Files of main that others made, and that stay. `.gitattributes` stays in any case. */
  readonly keep: readonly string[];
  /**
   * Large files that the repository's storage has already, because `stage` uploaded them, and that
   * are not in the folder. They are part of the commit and are not sent again.
   */
  readonly staged?: Readonly<Record<string, { readonly bytes: number; readonly sha256: string }>>;
  readonly state: RemoteState;
  readonly private: boolean;
  readonly title: string;
  readonly description: string;
  /**
   * Whether a pull request takes the place of the commit to main. Ours is found again by account
   * and title, and updated. One that somebody closed is not opened again for the same files.
   */
  readonly proposes?: boolean;
}

/** A pull request of ours, and its files. */
export interface Proposal {
  readonly url: string;
  /** false: somebody closed it. */
  readonly isOpen: boolean;
  readonly state: RemoteState;
}

export type PushResult =
  | { readonly outcome: "proposed"; readonly commit: string; readonly url: string }
  | { readonly outcome: "unchanged"; readonly commit: string; readonly url: string }
  | { readonly outcome: "published"; readonly commit: string; readonly url: string };

/** A tag to put on a commit. */
export interface TagRequest {
  readonly repository: string;
  readonly tag: string;
  /** 40 hex digits. */
  readonly commit: string;
}

/** The collection of a series. */
export interface CollectionRequest {
  /** User or organization that owns it. */
  readonly namespace: string;
  /** What the collection is found again by: one series of the namespace has one collection. */
  readonly series: string;
  /** Used when it is made. People may change both texts then. Too long ones are cut. */
  readonly title: string;
  readonly description: string;
  readonly private: boolean;
  /** Tiers of the series, in order. */
  readonly items: readonly { readonly repository: string; readonly tier: string }[];
  /** Whether these are all tiers: then others that we added are removed. */
  readonly isWhole: boolean;
}

export interface CollectionResult {
  readonly outcome: "created" | "updated" | "unchanged";
  readonly url: string;
}

/** A connection to the Hub: endpoint, token and retries. No other code sees the token. */
export interface Hub {
  readonly endpoint: string;
  /**
   * `keyless`: there is no account. Each repository that the run inspects, stages or pushes to gets
   * a token of its own by exchange; all others are read without one. Throws UNAUTHORIZED, with what
   * to click, where the Hub does not trust the workflow.
   */
  readonly access: Access;
  /** What went over it so far. */
  readonly traffic: Traffic;
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
  /** Our pull request with this title, open or closed by somebody; null if there is none. */
  inspectProposal(repository: string, title: string): Promise<Proposal | null>;
  /**
   * Asks, without writing, whether the token may write to a repository that exists. Throws
   * UNAUTHORIZED, FORBIDDEN (also for one that the Hub has disabled), and NOT_FOUND for a Hub that
   * cannot be asked.
   */
  checkWrite(repository: string): Promise<void>;
  /** A branch beside main; null if the repository or the branch is missing. */
  readBranch(repository: string, branch: string): Promise<Branch | null>;
  /** Title and author of a branch's last commit, as ` ("…" by …)`; empty: the Hub does not say. */
  describeBranch(repository: string, branch: string): Promise<string>;
  /**
   * Adds files to a branch beside main, in one commit. A repeated call makes no second commit.
   * Throws CONFLICT if the branch is not at `parent` any more.
   */
  stage(request: StageRequest): Promise<{ readonly commit: string }>;
  /** Removes a branch; nothing happens if it is missing. */
  removeBranch(repository: string, branch: string): Promise<void>;
  /**
   * Changes some files of main in one commit. A repeated call makes no second commit. Throws
   * CONFLICT if main is not at `parent` any more.
   */
  amend(request: AmendRequest): Promise<Amended>;
  /** Uploads every file, then changes main in one commit. After a failure main is unchanged. */
  push(request: PushRequest): Promise<PushResult>;
  /** The commit of a tag; null if the repository has no such tag. */
  readTag(repository: string, tag: string): Promise<string | null>;
  /**
   * Tags a commit. A repeated call changes nothing. Throws CONFLICT for a tag on another commit: it
   * is a published version, and never moves.
   */
  tag(request: TagRequest): Promise<"tagged" | "unchanged">;
  /**
   * Makes or completes the collection of a series. A repeated call changes nothing. Throws
   * FORBIDDEN if the token may not, as that of a keyless run never may.
   */
  refreshCollection(request: CollectionRequest): Promise<CollectionResult>;
  /**
   * Asks the Hub to check a card's front matter. Returns its errors as sentences; empty if there
   * are none.
   */
  validateCard(text: string): Promise<readonly string[]>;
}
