import { refuse } from "./errors.ts";
import type { StoredRepo } from "./stored-repo.ts";

export interface LocalHubUser {
  name: string;
  organizations?: string[];
  role: "write" | "read";
  /**
   * Namespaces, or ids of repositories, that the token may write to; default: name and
   * organizations; `["*"]`: any.
   */
  writes?: string[];
  /** Organization -> role there, where it is not that of the token. */
  roles?: Record<string, "read" | "contributor" | "write" | "admin">;
  /** Makes the token a fine-grained one: user, organization or repository -> permissions. */
  scopes?: Record<string, string[]>;
}

/** Finds the user of a token; null for a token that the Hub does not know. */
export type UserTable = (token: string) => LocalHubUser | null;

/**
 * Without a table, every `hf_…` token may write everywhere. Two kinds of token are for rehearsals:
 * `hf_invalid…` is unknown, `hf_read…` is read-only.
 */
export function userTable(users: Record<string, LocalHubUser> | undefined): UserTable {
  if (users) return (token) => (Object.hasOwn(users, token) ? users[token]! : null);
  return (token) => {
    if (!token.startsWith("hf_") || token.startsWith("hf_invalid")) return null;
    return { name: "local", role: token.startsWith("hf_read") ? "read" : "write", writes: ["*"] };
  };
}

/**
 * The user of an `Authorization` header; null without one. Throws 401 for an unknown token, even
 * for a public repository.
 */
export function identify(header: string | undefined, table: UserTable): LocalHubUser | null {
  if (header === undefined) return null;
  const token = /^Bearer ([\x21-\x7e]+)$/.exec(header)?.[1];
  const user = token === undefined ? null : table(token);
  if (!user) throw refuse.unknownToken();
  return user;
}

function namespaces(user: LocalHubUser): string[] {
  return [user.name, ...(user.organizations ?? [])];
}

/** `id`: of a repository that exists; a right to it alone is enough. */
function mayWrite(user: LocalHubUser, namespace: string, id = namespace): boolean {
  const { roles = {}, scopes } = user;
  if (roles[namespace] === "read") return false;
  if (scopes) return [namespace, id].some((name) => scopes[name]?.includes("repo.write"));
  const writes = user.writes ?? namespaces(user);
  return user.role === "write" && (writes.includes("*") || writes.includes(namespace));
}

export function checkMayCreate(user: LocalHubUser | null, namespace: string): void {
  if (!user) throw refuse.unauthorized();
  if (!mayWrite(user, namespace)) {
    throw refuse.forbidden(
      `You don't have the rights to create a model under the namespace "${namespace}"`,
    );
  }
}

/** Throws the error of a missing repository for a private one of somebody else. */
export function checkMayRead(user: LocalHubUser | null, repo: StoredRepo | undefined): StoredRepo {
  const visible =
    repo &&
    (!repo.state.private ||
      (user && [...namespaces(user), ...(user.writes ?? [])].some((name) => owns(name, repo))));
  if (!visible) throw refuse.noRepository(user !== null);
  return repo;
}

/** The same as an answer. */
export function mayRead(user: LocalHubUser | null, repo: StoredRepo | undefined): boolean {
  try {
    return checkMayRead(user, repo) === repo;
  } catch {
    return false;
  }
}

function owns(name: string, repo: StoredRepo): boolean {
  return name === "*" || repo.namespace === name || repo.id === name;
}

export function checkMayWrite(user: LocalHubUser | null, repo: StoredRepo): void {
  if (!user) throw refuse.unauthorized();
  if (!mayWrite(user, repo.namespace, repo.id)) {
    throw refuse.forbidden(
      user.role === "read"
        ? "Forbidden: this token has the role `read`; use a token with the `write` role"
        : "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request",
    );
  }
}

/** Everybody with a write token may open a pull request. */
export function checkMayPropose(user: LocalHubUser | null): void {
  if (!user) throw refuse.unauthorized();
  if (user.role !== "write") {
    throw refuse.forbidden(
      "Forbidden: this token has the role `read`; use a token with the `write` role",
    );
  }
}

export function checkGate(
  user: LocalHubUser | null,
  repo: StoredRepo,
  gated: Record<string, string[]>,
): void {
  if (!Object.hasOwn(gated, repo.id)) return;
  if (!user || !gated[repo.id]!.includes(user.name))
    throw refuse.gated(repo.isDataset ? "dataset" : "model", repo.apiId, user !== null);
}

/** The body of `/api/whoami-v2`. A user of `["*"]` belongs to `every` namespace of the store. */
export function describeUser(user: LocalHubUser, every: readonly string[]) {
  const organizations =
    user.organizations ??
    (user.writes?.includes("*") ? every.filter((name) => name !== user.name) : []);
  return {
    type: "user",
    id: `user-${user.name}`,
    name: user.name,
    fullname: user.name,
    email: `${user.name}@localhost`,
    emailVerified: true,
    isPro: false,
    canPay: false,
    periodEnd: null,
    avatarUrl: "",
    orgs: organizations.map((name) => ({
      type: "org",
      id: `org-${name}`,
      name,
      fullname: name,
      email: null,
      canPay: false,
      periodEnd: null,
      avatarUrl: "",
      roleInOrg: user.roles?.[name] ?? (user.role === "write" ? "write" : "read"),
    })),
    auth: {
      type: "access_token",
      accessToken: {
        displayName: "local",
        role: user.scopes ? "fineGrained" : user.role,
        createdAt: "2024-01-01T00:00:00.000Z",
        ...(user.scopes && { fineGrained: describeScopes(user, user.scopes) }),
      },
    },
  };
}

function describeScopes({ name: user }: LocalHubUser, scopes: Record<string, string[]>) {
  const scoped = Object.entries(scopes).map(([name, permissions]) => {
    const type = name.includes("/") ? "model" : name === user ? "user" : "org";
    return { entity: { _id: `id-${name}`, type, name }, permissions };
  });
  return { canReadGatedRepos: false, global: [], scoped };
}
