import { a as __require, o as __toESM, r as __commonJSMin } from "./undici.js";
import { $ as refuseOverlap, $n as readJson$1, A as openDependencies, An as gateNames, Ar as didYouMean, At as defaultEndpoint, B as publishModel, Bn as sameWidth, Bt as linearScale, Cn as parseInputs, Cr as parseText, Dn as assets, Dr as choice, En as usualWorkDir, F as unexpected, Fn as widthOf, Fr as isRepositoryId, Ft as require_dist, Gn as entries, Gt as heading, H as openBase, Hn as formatFloors, Ht as placeLabels, I as writtenAs, In as flipLoss, Jn as list, Jt as scaleAxis, Kn as flag, Kt as marks, L as readModel, Ln as elements, M as readSeriesFile, Mn as flipFactor, Mr as quietReport, Mt as costsSoFar, N as longestFile, Nn as widthAt, Nr as terminalReport, Nt as runWords, O as numberStages, On as describeFailures, Or as optionalCount, Ot as receiptPath, P as readYaml, Pn as widthName, Pt as engine, Q as evaluationShape, Qn as parse, Qt as labelText, R as measureModel, Rn as modulePath, Sr as parseModel, Tn as unusedInputs, U as openRepository, Un as count, Ut as dottedPath, V as quantizeModel, Vn as costlyFloors, Vt as logScale, Wn as describeIssue, Wt as errorBars, X as writeSensitivity, Xn as object, Xt as colors, Y as estimateEvaluation, Yn as matching, Yt as drawSvg, Z as drawWikitext, Zn as oneOf, Zt as lineColors, _ as cronFault, _r as safeInteger, _t as makeFolder, an as nats, ar as maxLength, at as withWaitingBytes, bt as decorate, cn as fitMac, cr as nullable, dn as byteCount, dr as object$2, dt as loaderOf, er as sha256, et as rowDrawer, f as checkCallers, fn as gibibytes, fr as optional, ft as openFinished, g as textsOf, gn as carriedLines, gt as parseReceipt, h as tableOf, hn as plural, ht as rewriteCard, i as needsWords, in as estimate, ir as literal, it as proveReads, j as findModel, jn as inputTable, k as stagesOf, kn as limitsOf, kr as wholeNumber, kt as readText$1, ln as loadedBytes, lr as nullish, m as readWorkflow, mn as percentage, mr as pipe, mt as fingerprint, nn as verdictOf, nr as check$2, nt as openEvaluation, o as stateOf$1, on as ratio, or as minLength, ot as writeAside, p as tellCallers, pn as gigabytes, pr as parse$1, pt as readCarried, qn as line$2, qt as text$2, r as requireReleasable, rn as verdictWords, rt as withStates, sn as share, st as evaluateTiers, tn as licenceIds, tt as openCalibration, u as lookAtSeries, un as bitsPerWeight, ur as number, ut as TimeIsUp, vr as safeParse, vt as onDisk, wn as parsePlaces, wr as describeInput, xr as variant, yr as string, yt as tryFile, z as planModel, zn as quantizedBytes, zt as unitOf } from "./release-limits.js";
import { n as wrapped, r as paintFor, t as wrap } from "./wrap.js";
import { D as codeOf, M as reasonOf, S as asKnown, b as threeDigits, g as grouped, p as byteSize, s as hasTerminal, w as exitCodes, x as OqeError } from "./memory.js";
import { m as isMxfp4 } from "./routines.js";
import { u as shellWord } from "./message-place.js";
import { r as whenStopped } from "./supervise.js";
import { execFile } from "node:child_process";
import { homedir } from "node:os";
import { createServer } from "node:http";
import { Readable } from "node:stream";
import { createHash, createHmac, randomBytes, randomUUID, timingSafeEqual } from "node:crypto";
import { fileURLToPath } from "node:url";
import { basename, dirname, isAbsolute, join, normalize, relative, resolve, sep } from "node:path";
import { createReadStream, createWriteStream } from "node:fs";
import { access, appendFile, chmod, copyFile, link, lstat, mkdir, open as open$1, readFile, readdir, realpath, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { pipeline } from "node:stream/promises";

// src/local-hub/errors.ts
/**
* Refusals of the Hub. Clients distinguish them by status, `X-Error-Code` and `X-Error-Message`
* (Python: `hf_raise_for_status`; JavaScript: `createApiError`), so all three are part of the
* protocol.
*/
var Refusal = class extends Error {
	status;
	code;
	headers;
	/** Fields beside `error` in the JSON body. */
	fields;
	constructor(status, message, code = null, extra = {}) {
		super(message);
		this.name = "Refusal";
		this.status = status;
		this.code = code;
		this.headers = extra.headers ?? {};
		this.fields = extra.fields ?? {};
	}
};
const refuse = {
	badRequest: (message) => new Refusal(400, message),
	/**
	* A token is needed, and none was sent. The words are the Hub's, although there is no password.
	*/
	unauthorized: () => new Refusal(401, "Invalid username or password."),
	/** An unknown token. By these words Python distinguishes it from a missing repository. */
	unknownToken: () => new Refusal(401, "Invalid credentials in Authorization header"),
	forbidden: (message) => new Refusal(403, message),
	/**
	* A missing repository, or a private one of somebody else. Without a token the Hub does not say
	* which.
	*/
	noRepository: (hasToken) => hasToken ? new Refusal(404, "Repository not found", "RepoNotFound") : new Refusal(401, "Invalid username or password.", "RepoNotFound"),
	noRevision: (revision) => new Refusal(404, `Invalid rev id: ${revision}`, "RevisionNotFound"),
	noEntry: (path, commit) => new Refusal(404, `Entry not found: ${path}`, "EntryNotFound", commit ? { headers: { "X-Repo-Commit": commit } } : {}),
	noCollection: (slug) => new Refusal(404, `Collection not found: ${slug}`),
	noRoute: () => new Refusal(404, "Sorry, we can't find the page you are looking for."),
	gated: (kind, id, hasToken) => hasToken ? new Refusal(403, `Access to ${kind} ${id} is restricted and you are not in the authorized list. Ask for access on its page.`, "GatedRepo") : new Refusal(401, `Access to ${kind} ${id} is restricted. You must have access to it and be authenticated to access it. Please log in.`, "GatedRepo"),
	conflict: (message, fields = {}) => new Refusal(409, message, null, { fields }),
	parentMoved: () => new Refusal(412, "A commit has happened since. Please refresh and try again."),
	tooLarge: (limit) => new Refusal(413, `The request body is larger than ${limit} bytes`)
};

// src/local-hub/auth.ts
/**
* Without a table, every `hf_\u2026` token may write everywhere. Two kinds of token are for rehearsals:
* `hf_invalid\u2026` is unknown, `hf_read\u2026` is read-only.
*/
function userTable(users) {
	if (users) return (token) => Object.hasOwn(users, token) ? users[token] : null;
	return (token) => {
		if (!token.startsWith("hf_") || token.startsWith("hf_invalid")) return null;
		return {
			name: "local",
			role: token.startsWith("hf_read") ? "read" : "write",
			writes: ["*"]
		};
	};
}
/**
* The user of an `Authorization` header; null without one. Throws 401 for an unknown token, even
* for a public repository.
*/
function identify(header, table) {
	if (header === void 0) return null;
	const token = /^Bearer ([\x21-\x7e]+)$/.exec(header)?.[1];
	const user = token === void 0 ? null : table(token);
	if (!user) throw refuse.unknownToken();
	return user;
}
function namespaces(user) {
	return [user.name, ...user.organizations ?? []];
}
/** `id`: of a repository that exists; a right to it alone is enough. */
function mayWrite(user, namespace, id = namespace) {
	const { roles = {}, scopes } = user;
	if (roles[namespace] === "read") return false;
	if (scopes) return [namespace, id].some((name) => scopes[name]?.includes("repo.write"));
	const writes = user.writes ?? namespaces(user);
	return user.role === "write" && (writes.includes("*") || writes.includes(namespace));
}
function checkMayCreate(user, namespace) {
	if (!user) throw refuse.unauthorized();
	if (!mayWrite(user, namespace)) throw refuse.forbidden(`You don't have the rights to create a model under the namespace "${namespace}"`);
}
/** Throws the error of a missing repository for a private one of somebody else. */
function checkMayRead(user, repo) {
	if (!(repo && (!repo.state.private || user && [...namespaces(user), ...user.writes ?? []].some((name) => owns(name, repo))))) throw refuse.noRepository(user !== null);
	return repo;
}
/** The same as an answer. */
function mayRead(user, repo) {
	try {
		return checkMayRead(user, repo) === repo;
	} catch {
		return false;
	}
}
function owns(name, repo) {
	return name === "*" || repo.namespace === name || repo.id === name;
}
function checkMayWrite(user, repo) {
	if (!user) throw refuse.unauthorized();
	if (!mayWrite(user, repo.namespace, repo.id)) throw refuse.forbidden(user.role === "read" ? "Forbidden: this token has the role `read`; use a token with the `write` role" : "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request");
}
/** Everybody with a write token may open a pull request. */
function checkMayPropose(user) {
	if (!user) throw refuse.unauthorized();
	if (user.role !== "write") throw refuse.forbidden("Forbidden: this token has the role `read`; use a token with the `write` role");
}
function checkGate(user, repo, gated) {
	if (!Object.hasOwn(gated, repo.id)) return;
	if (!user || !gated[repo.id].includes(user.name)) throw refuse.gated(repo.isDataset ? "dataset" : "model", repo.apiId, user !== null);
}
/** The body of `/api/whoami-v2`. A user of `["*"]` belongs to `every` namespace of the store. */
function describeUser(user, every) {
	const organizations = user.organizations ?? (user.writes?.includes("*") ? every.filter((name) => name !== user.name) : []);
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
			roleInOrg: user.roles?.[name] ?? (user.role === "write" ? "write" : "read")
		})),
		auth: {
			type: "access_token",
			accessToken: {
				displayName: "local",
				role: user.scopes ? "fineGrained" : user.role,
				createdAt: "2024-01-01T00:00:00.000Z",
				...user.scopes && { fineGrained: describeScopes(user, user.scopes) }
			}
		}
	};
}
function describeScopes({ name: user }, scopes) {
	return {
		canReadGatedRepos: false,
		global: [],
		scoped: Object.entries(scopes).map(([name, permissions]) => {
			const type = name.includes("/") ? "model" : name === user ? "user" : "org";
			return {
				entity: {
					_id: `id-${name}`,
					type,
					name
				},
				permissions
			};
		})
	};
}

// src/local-hub/history.ts
/** SHA-1 of a commit or a blob. */
const gitId = matching(/^[0-9a-f]{40}$/, "40 hexadecimal digits");
/** One file of a commit. Its bytes are in the repository's objects under `sha256`, LFS or not. */
const fileEntry = object({
	sha256,
	/** Bytes. */
	size: count,
	/**
	* Git's blob id: of the content, or of the pointer for LFS files. The Hub calls it `oid` in
	* listings.
	*/
	blob: gitId,
	lfs: flag
});
/** A commit as its file holds it. */
const storedCommit = object({
	id: gitId,
	/** First parent first; empty for a root commit. */
	parents: list(gitId),
	title: string("text"),
	message: string("text"),
	author: line$2,
	/** Distance from the root along first parents, in place of a clock. */
	depth: count,
	tree: entries(line$2, fileEntry)
});
function sha256Of(bytes) {
	return createHash("sha256").update(bytes).digest("hex");
}
function gitBlobId(bytes) {
	return createHash("sha1").update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
}
/** The text that git holds in place of an LFS file (git-lfs specification v1). */
function lfsPointer(oid, size) {
	return `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${size}\n`;
}
function lfsEntry(oid, size) {
	return {
		sha256: oid,
		size,
		blob: gitBlobId(Buffer.from(lfsPointer(oid, size))),
		lfs: true
	};
}
function regularEntry(bytes) {
	return {
		sha256: sha256Of(bytes),
		size: bytes.length,
		blob: gitBlobId(bytes),
		lfs: false
	};
}
function sortTree(files) {
	return new Map([...files].sort(([a], [b]) => a < b ? -1 : a > b ? 1 : 0));
}
function sameTree(a, b) {
	return a.size === b.size && [...a].every(([path, entry]) => b.get(path)?.blob === entry.blob);
}
/**
* A commit whose id depends on parents, title, message and files only: the same pushes give the
* same history.
*/
function makeCommit(parents, tree, { title, message = "", author }) {
	const files = [...tree].map(([path, entry]) => [
		path,
		entry.sha256,
		entry.size,
		entry.lfs
	]);
	const content = JSON.stringify([
		parents.map((parent) => parent.id),
		title,
		message,
		files
	]);
	return {
		id: createHash("sha1").update(content).digest("hex"),
		parents: parents.map((parent) => parent.id),
		title,
		message,
		author,
		depth: parents.length === 0 ? 0 : parents[0].depth + 1,
		tree
	};
}
/**
* The date of a commit: a fixed day plus a second per commit, so that nothing depends on the clock.
*/
function dateOf(commit) {
	return new Date(Date.UTC(2024, 0, 1) + commit.depth * 1e3).toISOString();
}
function encodeCommit(commit) {
	return `${JSON.stringify({
		...commit,
		tree: Object.fromEntries(commit.tree)
	}, null, 1)}\n`;
}
/** Throws DISK, naming the field, for a file that is not a commit. */
function decodeCommit(text, where) {
	const file = storedFile(where);
	const { tree, ...commit } = parse(storedCommit, readJson$1(text, file), file);
	return {
		...commit,
		tree: sortTree(Object.entries(tree))
	};
}
/** A file of the store, for error messages. */
function storedFile(where) {
	return {
		where,
		code: "DISK",
		hint: "Stop the Hub, then delete the repository's folder below .hub, or use another folder."
	};
}

// src/local-hub/objects.ts
/**
* The files of one repository by SHA-256. An object is complete or missing: it is written to
* another name, then renamed.
*/
var Objects = class {
	#folder;
	#aside;
	/** `aside` must be on the same file system as `folder`. */
	constructor(folder, aside) {
		this.#folder = folder;
		this.#aside = aside;
	}
	path(sha256) {
		if (!/^[0-9a-f]{64}$/.test(sha256)) throw new TypeError(`not a SHA-256: ${sha256}`);
		return join(this.#folder, sha256.slice(0, 2), sha256);
	}
	/** Size of an object in bytes, or null where there is none. */
	async size(sha256) {
		const found = await stat(this.path(sha256)).catch(() => null);
		return found === null ? null : found.size;
	}
	async read(sha256) {
		return readFile(this.path(sha256));
	}
	async put(bytes, sha256) {
		const aside = await this.asidePath();
		await writeFile(aside, bytes);
		await this.adopt(aside, sha256);
	}
	/** Moves a file to the objects. The caller has checked its hash. */
	async adopt(file, sha256) {
		const target = this.path(sha256);
		await mkdir(dirname(target), { recursive: true });
		await chmod(file, 292);
		await rename(file, target);
	}
	/**
	* Copies a file to the objects and hashes it. With `mayLink` it is a hard link if the file system
	* allows it.
	*/
	async take(file, mayLink) {
		const aside = await this.asidePath();
		await (mayLink ? link(file, aside).catch(() => copyFile(file, aside)) : copyFile(file, aside));
		const hashed = await hashFile(aside);
		await this.adopt(aside, hashed.sha256);
		return hashed;
	}
	async asidePath() {
		await mkdir(this.#aside, { recursive: true });
		return join(this.#aside, randomUUID());
	}
};
async function hashFile(path) {
	const hash = createHash("sha256");
	let size = 0;
	for await (const chunk of createReadStream(path)) {
		hash.update(chunk);
		size += chunk.length;
	}
	return {
		sha256: hash.digest("hex"),
		size
	};
}
var TooLong = class extends Error {};
/**
* Writes a stream to a file and hashes it. Throws `TooLong` after more than `limit` bytes, and
* removes the file.
*/
async function receive(source, path, limit) {
	const sha256 = createHash("sha256");
	const md5 = createHash("md5");
	let size = 0;
	async function* measured() {
		for await (const chunk of source) {
			size += chunk.length;
			if (size > limit) throw new TooLong();
			sha256.update(chunk);
			md5.update(chunk);
			yield chunk;
		}
	}
	try {
		await pipeline(Readable.from(measured()), createWriteStream(path));
	} catch (error) {
		await rm(path, { force: true });
		throw error;
	}
	return {
		sha256: sha256.digest("hex"),
		md5: md5.digest("hex"),
		size
	};
}
/** Writes a small text file so that a crash leaves the old one or the new one. */
async function writeAtomically(path, text) {
	await mkdir(dirname(path), { recursive: true });
	const aside = `${path}.${randomUUID()}.aside`;
	await writeFile(aside, text);
	await rename(aside, path);
}
async function exists(path) {
	return access(path).then(() => true, () => false);
}

// src/local-hub/collection-store.ts
const item = object({
	id: line$2,
	type: oneOf(["model", "dataset"]),
	/** The id of a repository. */
	repository: line$2,
	note: nullable(string("text"))
});
const collection = object({
	slug: line$2,
	namespace: line$2,
	title: string("text"),
	description: string("text"),
	private: flag,
	/** In the order in which the Hub shows them. */
	items: list(item)
});
/** All collections are one file: `made` counts those that were ever made. */
const stored = object({
	made: pipe(number("a number"), safeInteger("a whole number")),
	collections: list(collection)
});
/** The collections of a store, in memory and on disk. Changes are made one at a time. */
var CollectionStore = class CollectionStore {
	#file;
	#made = 0;
	#collections = [];
	#tail = Promise.resolve();
	constructor(file) {
		this.#file = file;
	}
	static async open(folder) {
		const store = new CollectionStore(join(folder, ".hub", "collections.json"));
		const text = await readFile(store.#file, "utf8").catch(() => null);
		if (text === null) return store;
		const file = storedFile(store.#file);
		const { made, collections } = parse(stored, readJson$1(text, file), file);
		store.#made = made;
		store.#collections = collections;
		return store;
	}
	all() {
		return this.#collections;
	}
	/** Throws 404 for an unknown slug. The Hub goes by the id at its end. */
	get(slug) {
		const found = this.#collections.find((one) => one.slug.slice(-24) === slug.slice(-24));
		if (found === void 0) throw refuse.noCollection(slug);
		return found;
	}
	/** Throws 409, naming the slug, for a title that the namespace has already. */
	create(given) {
		return this.#change(async () => {
			const { namespace, title } = given;
			const same = this.#collections.find((one) => one.namespace === namespace && one.title === title);
			if (same) throw refuse.conflict("This collection already exists", { slug: same.slug });
			const words = title.toLowerCase().match(/[a-z0-9]+/g) ?? ["collection"];
			const id = sha256Of(`${namespace}/${title}/${this.#made++}`).slice(0, 24);
			const made = {
				...given,
				slug: `${namespace}/${words.join("-")}-${id}`,
				items: []
			};
			await this.#save([...this.#collections, made]);
			return made;
		});
	}
	/** Replaces a collection by what `edit` makes of it. */
	update(slug, edit) {
		return this.#change(async () => {
			const now = this.get(slug);
			const next = edit(now);
			await this.#save(this.#collections.map((one) => one === now ? next : one));
			return next;
		});
	}
	remove(slug) {
		return this.#change(async () => {
			const now = this.get(slug);
			await this.#save(this.#collections.filter((one) => one !== now));
		});
	}
	async #save(collections) {
		const text = JSON.stringify({
			made: this.#made,
			collections
		}, null, 1);
		await writeAtomically(this.#file, `${text}\n`);
		this.#collections = collections;
	}
	#change(run) {
		const mine = this.#tail.then(run, run);
		this.#tail = mine.catch(() => {});
		return mine;
	}
};

// src/local-hub/faulty-world.ts
const any = /./;
const change = /^(POST|PUT|DELETE) /;
/** Answers in JSON that a client reads. */
const document = /^GET \/api\/|^POST .*(\/preupload\/|\/commit\/|\/objects\/batch|\/create$)/;
const commit$1 = /^POST .*\/commit\//;
const batch$1 = /^POST .*\/objects\/batch$/;
/** Contents of files, from the Hub or its storage. */
const content = /^GET (\/[^/]+\/[^/]+\/resolve\/|\/.*\/[0-9a-f]{64}\?)/;
/** Signed addresses of the storage. */
const signed = /^(GET|PUT) \/.*\/[0-9a-f]{64}\?/;
const storm = (status, headers = {}) => ({
	on: any,
	act: () => ({
		status,
		headers
	}),
	times: 3,
	weight: 1
});
const instead = (on, body) => ({
	on,
	act: () => ({ replace: (_reply, right) => ({
		status: 200,
		body: body(right)
	}) })
});
const loginPage = "<!DOCTYPE html><title>Sign in to the network</title>";
/** Every fault of the world by name. */
const faultKinds = {
	reset: {
		on: any,
		act: () => "reset"
	},
	truncated: {
		on: any,
		act: () => "truncate"
	},
	"lost-answer": {
		on: change,
		act: () => "drop-answer"
	},
	"lost-commit": {
		on: commit$1,
		act: () => "drop-answer"
	},
	race: {
		on: commit$1,
		act: () => "race"
	},
	"no-race": {
		on: commit$1,
		act: () => ({ status: 412 })
	},
	silent: {
		on: any,
		act: () => "silent"
	},
	stalled: {
		on: any,
		act: () => "stall"
	},
	trickle: {
		on: any,
		act: () => "trickle"
	},
	"expired-link": {
		on: signed,
		act: () => ({ status: 403 })
	},
	"login-page": instead(new RegExp(`${document.source}|${content.source}`), () => loginPage),
	"half-document": instead(document, (right) => right.subarray(0, right.length >> 1)),
	"empty-answer": instead(document, () => ""),
	"other-document": instead(document, () => "{\"status\":\"ok\"}"),
	"wrong-bytes": {
		on: content,
		act: (chance) => ({ replace: flipOne(chance) })
	},
	"xet-only": {
		on: batch$1,
		act: () => ({ replace: xetOnly })
	},
	"408": storm(408),
	"429": storm(429),
	"429-window": storm(429, { RateLimit: "\"api\";r=0;t=55" }),
	"429-told": storm(429, { "Retry-After": "7" }),
	"500": storm(500),
	"502": storm(502),
	"503": storm(503),
	"503-told": storm(503, { "Retry-After": "30" }),
	"504": storm(504)
};
/** The same answer with one bit of it changed. */
function flipOne(chance) {
	return (reply, right) => {
		const body = Buffer.from(right);
		if (body.length > 0) body[Math.floor(chance * body.length)] ^= 1;
		return {
			...reply,
			body
		};
	};
}
/** A batch answer that offers an upload by xet alone, to a content store that it does not name. */
function xetOnly(reply, right) {
	const answer = JSON.parse(right.toString("utf8"));
	const href = "/api/xet-write-token";
	for (const object of answer.objects) if (object.actions) object.actions = { upload: {
		href,
		header: {}
	} };
	return {
		...reply,
		body: { json: {
			...answer,
			transfer: "xet"
		} }
	};
}
/** Draws the faults of a world, and adds each to `drawn`. */
function createWorld(world, drawn) {
	const { seed, kinds } = world;
	const seen = /* @__PURE__ */ new Map();
	const storms = /* @__PURE__ */ new Map();
	return (line) => {
		const request = sameEverywhere(line);
		const nth = (seen.get(request) ?? 0) + 1;
		seen.set(request, nth);
		const going = world.rate > 0 ? storms.get(request) : void 0;
		if (going !== void 0 && going.left-- > 0) {
			drawn.push({
				kind: going.kind,
				request
			});
			return going.action;
		}
		const hash = createHash("sha256").update(`${seed} ${nth} ${request}`).digest();
		const chance = (at) => hash.readUInt32LE(at) / 2 ** 32;
		const fitting = kinds.flatMap((kind) => {
			const { on, weight = 3 } = faultKinds[kind];
			return on.test(line) ? Array(weight).fill(kind) : [];
		});
		if (chance(0) >= world.rate || fitting.length === 0) return null;
		const kind = fitting[Math.floor(chance(4) * fitting.length)];
		const { act, times = 1 } = faultKinds[kind];
		const action = act(chance(8));
		storms.set(request, {
			kind,
			action,
			left: times - 1
		});
		drawn.push({
			kind,
			request
		});
		return action;
	};
}
/** A request without what differs from run to run: signatures and upload ids. */
function sameEverywhere(line) {
	const part = /[?&]part=\d+/.exec(line)?.[0] ?? "";
	return line.replace(/\?.*$/, "") + part;
}

// src/local-hub/names.ts
/** Longest namespace or repo name that the Hub allows. */
const longestName = 96;
/** Longest path in a repository, and longest segment of one (the limits of file systems). */
const longestPath = 1024;
const longestSegment = 255;
/**
* Whether a namespace or repo name is legal: `[A-Za-z0-9._-]`, at most 96, no `--` or `..`, no `-`
* or `.` at its ends.
*/
function isLegalName(name) {
	if (name.length === 0 || name.length > longestName) return false;
	if (!/^[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(name)) return false;
	return !name.includes("--") && !name.includes("..") && !name.toLowerCase().endsWith(".git");
}
/** First part of a dataset's id, `datasets/<namespace>/<name>`. No namespace may have this name. */
const datasetsRoot = "datasets";
/**
* Whether this is the id of a model, `<namespace>/<name>`, or of a dataset,
* `datasets/<namespace>/<name>`.
*/
function isLegalId(id) {
	const parts = id.split("/");
	if (parts[0] === "datasets") parts.shift();
	return parts.length === 2 && parts[0] !== "datasets" && parts.every(isLegalName);
}
/** Throws 400 unless `namespace/name` is the legal id of a model; returns it. */
function checkId(namespace, name) {
	const id = `${namespace}/${name}`;
	if (!isLegalId(id) || id.startsWith(`${"datasets"}/`)) throw refuse.badRequest(`Repo id must use alphanumeric chars, '-', '_' or '.', without '--' and '..', at most ${longestName} long: '${id}'`);
	return id;
}
/**
* Why `path` may not be a file of a repository; null if it may. Refuses paths that leave the
* folder, and paths that git or a file system cannot store.
*/
function pathProblem(path) {
	if (typeof path !== "string" || path === "") return "a path must be a non-empty string";
	if (path.length > longestPath) return `a path may have at most ${longestPath} characters`;
	if (/[\u0000-\u001f\u007f]/.test(path)) return "a path may not have control characters";
	if (!path.isWellFormed()) return "a path must be well-formed Unicode";
	if (path.includes("\\")) return "a path may not have a backslash";
	for (const segment of path.split("/")) {
		if (segment === "") return "a path may not be absolute or have empty parts";
		if (segment === "." || segment === "..") return "a path may not have '.' or '..'";
		if (segment.toLowerCase() === ".git") return "a path may not lead into .git";
		if (Buffer.byteLength(segment) > longestSegment) return `a part of a path may have at most ${longestSegment} bytes`;
	}
	return null;
}
/** Throws 400 unless `path` may be a file of a repo; returns it. */
function checkPath(path) {
	const problem = pathProblem(path);
	if (problem !== null) throw refuse.badRequest(`Invalid path ${JSON.stringify(path)}: ${problem}`);
	return path;
}
/**
* Throws 400 unless `name` may be a branch or tag, by git's rules for refs. It must not look like a
* commit or a pull request. Returns it.
*/
function checkRefName(name) {
	if (!(typeof name === "string" && name.length <= 255 && /^[A-Za-z0-9_][A-Za-z0-9_./+@-]*$/.test(name) && !/\.\.|\/\/|\/\.|@\{|\.lock(\/|$)|[/.]$/.test(name) && !/^refs\/|^HEAD$|^[0-9a-f]{40}$/.test(name))) throw refuse.badRequest(`Invalid reference name: ${JSON.stringify(name)}`);
	return name;
}

// src/local-hub/context.ts
function decodeSegment(segment) {
	try {
		return decodeURIComponent(segment);
	} catch {
		throw refuse.badRequest("The URL has a malformed percent escape");
	}
}
function resolveRevision(repo, revision) {
	const commit = repo.resolve(revision);
	if (!commit) throw refuse.noRevision(revision);
	return commit;
}
/**
* Splits `revision/path`. The revision is one segment (`refs%2Fpr%2F1`), or several from clients
* that do not escape it: the shortest prefix that names a commit.
*/
function splitRevision(repo, rest) {
	for (let length = 1; length <= rest.length; length++) {
		const revision = rest.slice(0, length).join("/");
		const commit = repo.resolve(revision);
		if (commit) return {
			commit,
			revision,
			path: rest.slice(length).join("/")
		};
	}
	throw refuse.noRevision(rest[0] === "refs" ? rest.slice(0, 3).join("/") : rest[0] ?? "");
}
/** One page of `items` after the query's cursor, with the `Link` header to the next one. */
function page(context, items, key, most) {
	const asked = Number(context.query.get("limit") ?? most);
	const size = Number.isInteger(asked) && asked > 0 ? Math.min(asked, most) : most;
	const cursor = context.query.get("cursor");
	const after = cursor === null ? -1 : items.findIndex((item) => key(item) === Buffer.from(cursor, "base64url").toString());
	if (cursor !== null && after === -1) throw refuse.badRequest("Invalid cursor");
	const shown = items.slice(after + 1, after + 1 + size);
	if (after + 1 + size >= items.length) return {
		shown,
		headers: {}
	};
	const next = new URLSearchParams(context.query);
	next.set("cursor", Buffer.from(key(shown.at(-1))).toString("base64url"));
	return {
		shown,
		headers: { Link: `<${context.origin}${context.path}?${next}>; rel="next"` }
	};
}

// src/local-hub/exchange.ts
function json$1(value, status = 200, headers = {}) {
	return {
		status,
		headers,
		body: { json: value }
	};
}
function refusalReply(error) {
	const message = error.message.replace(/[^\x20-\x7e]+/g, " ");
	return json$1({
		error: error.message,
		...error.fields
	}, error.status, {
		...error.code ? { "X-Error-Code": error.code } : {},
		"X-Error-Message": message,
		...error.headers
	});
}
/** Largest JSON body that is read; commits have their own limit. */
const jsonLimit = 16777216;
async function readBody(request, limit) {
	if (Number(request.headers["content-length"] ?? 0) > limit) throw refuse.tooLarge(limit);
	const chunks = [];
	let size = 0;
	for await (const chunk of request) {
		size += chunk.length;
		if (size > limit) throw refuse.tooLarge(limit);
		chunks.push(chunk);
	}
	return Buffer.concat(chunks);
}
/** The body by its schema; an empty body is `{}`. Throws 400, naming the field. */
async function readJson(request, schema) {
	const text = decodeUtf8(await readBody(request, jsonLimit));
	return parseBody(text.trim() === "" ? "{}" : text, schema);
}
/** The same from its text. */
function parseBody(text, schema) {
	let value;
	try {
		value = JSON.parse(text);
	} catch {
		throw refuse.badRequest("The request body is not valid JSON");
	}
	const { success, output, issues } = safeParse(schema, value, { abortEarly: true });
	if (!success) throw refuse.badRequest(`The request body: ${describeIssue(issues[0])}`);
	return output;
}
function decodeUtf8(bytes) {
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
	} catch {
		throw refuse.badRequest("The request body is not valid UTF-8");
	}
}
/**
* Sends a reply. `keep` is the share of the body to send before the connection is cut: below 1 only
* for injected faults.
*/
async function send(response, reply, withBody, keep = 1) {
	const { body } = reply;
	const bytes = isSlice(body) ? null : encode$1(body);
	const length = bytesOf(reply);
	response.writeHead(reply.status, {
		...body !== void 0 && typeof body === "object" && "json" in body ? { "Content-Type": "application/json; charset=utf-8" } : {},
		...reply.headers,
		...reply.status === 304 ? {} : { "Content-Length": String(length) }
	});
	const wanted = Math.floor(length * keep);
	if (withBody && wanted > 0) {
		if (bytes) response.write(bytes.subarray(0, wanted));
		else if (isSlice(body)) {
			const source = createReadStream(body.file, {
				start: body.start,
				end: body.start + wanted - 1
			});
			await pipeline(source, response, { end: false });
		}
	}
	if (keep < 1) {
		await new Promise((resolve) => response.write("", () => resolve()));
		response.destroy();
	} else response.end();
}
/** Size of the body. */
function bytesOf({ body }) {
	return isSlice(body) ? body.end - body.start : encode$1(body).length;
}
function isSlice(body) {
	return body !== void 0 && typeof body === "object" && "file" in body;
}
/** The body as bytes. */
async function readReply({ body }) {
	return isSlice(body) ? readSlice(body) : encode$1(body);
}
/** The bytes of a slice with the lowest bit of the file's byte `at` changed. */
async function flipped(slice, at) {
	const bytes = await readSlice(slice);
	bytes[at - slice.start] ^= 1;
	return bytes;
}
async function readSlice({ file, start, end }) {
	const bytes = Buffer.alloc(end - start);
	const handle = await open$1(file);
	await handle.read(bytes, 0, bytes.length, start).finally(() => handle.close());
	return bytes;
}
function encode$1(body) {
	if (body === void 0) return Buffer.alloc(0);
	if (typeof body === "string") return Buffer.from(body);
	return Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body.json));
}

// src/local-hub/collections.ts
/** Longest texts that the Hub takes, in characters. */
const longest = {
	title: 59,
	description: 150,
	note: 500
};
/** A listing has this many items of each collection. */
const listedItems = 4;
const text$1 = (most) => pipe(string("text"), maxLength(most, `text of at most ${most} characters`));
const title = pipe(text$1(longest.title), minLength(1, "a title"));
const newCollection = object({
	title,
	namespace: line$2,
	description: nullish(text$1(longest.description), ""),
	private: nullish(flag, false)
});
const changedCollection = object({
	title: nullish(title),
	description: nullish(text$1(longest.description)),
	private: nullish(flag)
});
const newItem = object({
	item: object({
		type: line$2,
		id: line$2
	}),
	note: nullish(text$1(longest.note))
});
const changedItem = object({
	note: nullish(text$1(longest.note)),
	position: nullish(count)
});
/** `GET /api/collections?owner&item&q&limit` */
async function listCollections(context) {
	const { query, hub } = context;
	const owners = query.getAll("owner");
	const items = query.getAll("item");
	const words = query.get("q")?.toLowerCase() ?? "";
	const found = hub.collections.all().filter((one) => {
		const has = (wanted) => one.items.some((own) => `${own.type}s/${own.repository}` === wanted);
		const said = `${one.title}\n${one.description}`.toLowerCase();
		return maySee(context, one) && (owners.length === 0 || owners.includes(one.namespace)) && (items.length === 0 || items.some(has)) && said.includes(words);
	});
	const { shown, headers } = page(context, found, ({ slug }) => slug, Math.min(100, hub.pageSize));
	const listed = shown.map((one) => describe$2(context, one, listedItems));
	return json$1(listed, 200, headers);
}
/** `POST /api/collections` `{title, namespace, description?, private?}` */
async function createCollection(context) {
	const body = await readJson(context.request, newCollection);
	checkMayCreate(context.user, body.namespace);
	return json$1(describe$2(context, await context.hub.collections.create(body)));
}
/** `GET /api/collections/<namespace>/<name>-<id>` */
async function readCollection(context) {
	return json$1(describe$2(context, find$1(context)));
}
/** `PATCH /api/collections/<slug>` `{title?, description?, private?}` */
async function changeCollection(context) {
	const { slug } = findOwn(context);
	const body = await readJson(context.request, changedCollection);
	const changed = await context.hub.collections.update(slug, (now) => ({
		...now,
		title: body.title ?? now.title,
		description: body.description ?? now.description,
		private: body.private ?? now.private
	}));
	return json$1({
		success: true,
		data: describe$2(context, changed)
	});
}
/** `DELETE /api/collections/<slug>` */
async function deleteCollection(context) {
	await context.hub.collections.remove(findOwn(context).slug);
	return json$1({ success: true });
}
/** `POST /api/collections/<slug>/items` `{item: {type, id}, note?}`: behind the others. */
async function addItem(context) {
	const { slug } = findOwn(context);
	const { item, note = null } = await readJson(context.request, newItem);
	const { type, id: repository } = item;
	if (type !== "model" && type !== "dataset") throw refuse.badRequest("This local Hub puts models and datasets only into collections");
	const key = type === "dataset" ? `${datasetsRoot}/${repository}` : repository;
	checkMayRead(context.user, context.hub.store.get(key));
	const changed = await context.hub.collections.update(slug, (now) => {
		if (now.items.some((one) => one.type === type && one.repository === repository)) throw refuse.conflict("This item is already in the collection");
		const id = sha256Of(`${slug}/${type}/${repository}/${now.items.length}`).slice(0, 24);
		return {
			...now,
			items: [...now.items, {
				id,
				type,
				repository,
				note
			}]
		};
	});
	return json$1(describe$2(context, changed));
}
/** `PATCH /api/collections/<slug>/items/<id>` `{note?, position?}` */
async function changeItem(context) {
	const { slug } = findOwn(context);
	const { note, position } = await readJson(context.request, changedItem);
	await context.hub.collections.update(slug, (now) => {
		const own = findItem(context, now);
		const changed = {
			...own,
			note: note ?? own.note
		};
		const others = now.items.filter((one) => one !== own);
		const at = position ?? now.items.indexOf(own);
		return {
			...now,
			items: [
				...others.slice(0, at),
				changed,
				...others.slice(at)
			]
		};
	});
	return json$1({ success: true });
}
/** `DELETE /api/collections/<slug>/items/<id>` */
async function deleteItem(context) {
	const { slug } = findOwn(context);
	await context.hub.collections.update(slug, (now) => {
		const own = findItem(context, now);
		return {
			...now,
			items: now.items.filter((one) => one !== own)
		};
	});
	return json$1({ success: true });
}
function findItem({ params }, { items }) {
	const found = items.find(({ id }) => id === params.item);
	if (found === void 0) throw refuse.noEntry(`item ${params.item}`);
	return found;
}
/** Throws 404 for a collection that is missing or that the user may not see. */
function find$1(context) {
	const { namespace, name } = context.params;
	const slug = `${namespace}/${name}`;
	const found = context.hub.collections.get(slug);
	if (!maySee(context, found)) throw refuse.noCollection(slug);
	return found;
}
/** The same, and 401 or 403 for one that the user may not change. */
function findOwn(context) {
	const found = find$1(context);
	checkMayCreate(context.user, found.namespace);
	return found;
}
function maySee(context, { private: isPrivate, namespace }) {
	if (!isPrivate) return true;
	try {
		checkMayCreate(context.user, namespace);
		return true;
	} catch {
		return false;
	}
}
/** Items whose repository is gone, or that the user may not see, are left out, as on the Hub. */
function describe$2(context, collection, most = Number.POSITIVE_INFINITY) {
	const { slug, namespace, title, description, private: isPrivate } = collection;
	const visible = collection.items.filter(({ type, repository }) => {
		const key = type === "dataset" ? `${datasetsRoot}/${repository}` : repository;
		return mayRead(context.user, context.hub.store.get(key));
	});
	return {
		slug,
		title,
		...description === "" ? {} : { description },
		gating: false,
		lastUpdated: "2024-01-01T00:00:00.000Z",
		owner: {
			type: "org",
			name: namespace,
			fullname: namespace,
			avatarUrl: ""
		},
		items: visible.slice(0, most).map(({ id, type, repository, note }, position) => ({
			_id: id,
			position,
			type,
			repoType: type,
			id: repository,
			author: repository.split("/")[0],
			...note === null ? {} : { note: {
				html: note,
				text: note
			} }
		})),
		theme: "orange",
		private: isPrivate,
		...most < Number.POSITIVE_INFINITY ? {} : {
			position: 0,
			shareUrl: `${context.origin}/collections/${slug}`
		},
		upvotes: 0,
		isUpvotedByUser: false
	};
}

// src/local-hub/attributes.ts
/** Size in bytes from which the Hub wants even text in LFS. */
const largestRegularFile = 10485760;
/** Patterns that a new repo's `.gitattributes` sends to LFS, as on the Hub. */
const lfsPatterns = "*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gguf *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model *.msgpack *.npy *.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors saved_model/**/* *.tar.* *.tar *.tflite *.tgz *.wasm *.xz *.zip *.zst *tfevents*".split(" ");
const toLfs = "filter=lfs diff=lfs merge=lfs -text";
const initialAttributes = lfsPatterns.map((pattern) => `${pattern} ${toLfs}\n`).join("");
/**
* Patterns of a `.gitattributes` text, and whether each sends files to LFS. The last match decides.
*/
function rules(text) {
	return text.split(/\r?\n/).map((line) => line.trim().split(/\s+/)).filter((words) => words.length > 1 && !words[0].startsWith("#")).flatMap(([pattern, ...attributes]) => {
		const filter = attributes.findLast((word) => /^[-!]?filter(=|$)/.test(word));
		return filter === void 0 ? [] : [{
			test: globToRegExp(pattern),
			lfs: filter === "filter=lfs"
		}];
	});
}
/**
* A git glob. Without a slash it matches the last segment of a path, else the whole path. `**` also
* matches slashes.
*/
function globToRegExp(pattern) {
	const body = pattern.replace(/^\//, "").split(/(\\.|\[\[:space:\]\]|\[[^\]]+\]|\*\*\/|\*\*|\*|\?)/).map((part) => {
		if (part === "**/") return "(?:.*/)?";
		if (part === "**") return ".*";
		if (part === "*") return "[^/]*";
		if (part === "?") return "[^/]";
		if (part === "[[:space:]]") return "\\s";
		if (/^\[.+\]$/.test(part)) return part.replace(/\\/g, "\\\\").replace(/^\[!/, "[^");
		return part.replace(/^\\(.)$/, "$1").replace(/[\\^$.*+?()[\]{}|]/g, "\\$&");
	}).join("");
	try {
		return new RegExp(`${pattern.includes("/") ? "^" : "(?:^|/)"}${body}$`);
	} catch {
		return /$^/;
	}
}
function goesToLfs(attributes, path) {
	return rules(attributes).findLast((rule) => rule.test.test(path))?.lfs ?? false;
}
/** Adds a line for every path that no pattern sends to LFS yet. */
function trackInLfs(attributes, paths) {
	const missing = paths.filter((path) => !goesToLfs(attributes, path));
	if (missing.length === 0) return attributes;
	return (attributes === "" || attributes.endsWith("\n") ? attributes : `${attributes}\n`) + missing.map((path) => `${escapePattern(path)} ${toLfs}\n`).join("");
}
function escapePattern(path) {
	return path.replace(/[*?[]/g, "\\$&").replace(/ /g, "[[:space:]]");
}
/** Whether the first bytes of a file are UTF-8 text. The last character may be incomplete. */
function looksLikeText(sample) {
	if (sample.includes(0)) return false;
	try {
		new TextDecoder("utf-8", { fatal: true }).decode(sample, { stream: true });
		return true;
	} catch {
		return false;
	}
}

// src/local-hub/commit-request.ts
const mostFiles = 1e3;
const text = string("text");
const path = string("a path");
/** Body of a preupload request. `sample` is the start of the file in base64. */
const preuploadRequest = object({
	files: list(object({
		path,
		size: count,
		sample: text
	}), mostFiles),
	gitAttributes: nullish(text)
});
const header = object({
	summary: pipe(text, check$2((summary) => summary.trim() !== "", "text that is not empty")),
	description: nullish(text, ""),
	/** A commit id, or its first digits. */
	parentCommit: nullish(matching(/^[0-9a-f]{5,40}$/, "a commit id in hex, or its first digits"))
});
const regularFile = object({
	path,
	content: text,
	encoding: nullish(oneOf(["utf-8", "base64"]), "utf-8")
});
const lfsFile = object({
	path,
	oid: sha256,
	size: nullish(count),
	algo: nullish(oneOf(["sha256"]))
});
/** One line of a commit request. */
const line$1 = variant("key", [
	object$2({
		key: literal("header"),
		value: header
	}),
	object$2({
		key: literal("file"),
		value: regularFile
	}),
	object$2({
		key: literal("lfsFile"),
		value: lfsFile
	}),
	object$2({
		key: literal("deletedFile"),
		value: object({ path })
	}),
	object$2({
		key: literal("deletedFolder"),
		value: object({ path })
	})
], "header, file, lfsFile, deletedFile or deletedFolder");
/** A commit request: newline-delimited JSON, the header first. Throws 400, naming the field. */
function parseCommit(body) {
	const [first, ...rest] = body.split("\n").filter((one) => one.trim() !== "").map((one) => parseBody(one, line$1));
	if (first?.key !== "header") throw refuse.badRequest("The first line must be the header");
	const operations = rest.filter((one) => one.key !== "header");
	if (operations.length < rest.length) throw refuse.badRequest("A commit has one header");
	return {
		header: first.value,
		operations
	};
}

// src/local-hub/front-matter.ts
var import_dist = require_dist();
const relations = [
	"adapter",
	"merge",
	"quantized",
	"finetune"
];
/** The YAML between a card's first `---` lines; null where there is none. */
function frontMatterOf(card) {
	return /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)(?:\r?\n)?^---[ \t]*\r?(?:\n|$)/m.exec(card)?.[1] ?? null;
}
/** The front matter as an object; null if there is none, or if it is not a mapping. */
function readFrontMatter(card) {
	const text = card.match(/^\uFEFF?---/) ? frontMatterOf(card) : null;
	if (text === null) return null;
	const document = (0, import_dist.parseDocument)(text);
	if (document.errors.length > 0) return null;
	try {
		const value = document.toJS();
		return typeof value === "object" && value !== null && !Array.isArray(value) ? value : null;
	} catch {
		return null;
	}
}
/** The Hub's check of a card's metadata. */
function checkFrontMatter(card) {
	const text = card.match(/^\uFEFF?---/) ? frontMatterOf(card) : null;
	if (text === null || text.trim() === "") return {
		errors: [],
		warnings: ["empty or missing yaml metadata in repo card"]
	};
	const problems = (0, import_dist.parseDocument)(text).errors;
	if (problems.length > 0) return {
		errors: problems.map((problem) => problem.message.split("\n")[0]),
		warnings: []
	};
	const data = readFrontMatter(card);
	if (data === null) return {
		errors: ["the metadata must be a mapping"],
		warnings: []
	};
	return {
		errors: [
			...licenceErrors(data),
			...listErrors(data),
			...baseModelErrors(data),
			...stringErrors(data)
		],
		warnings: data.license === void 0 ? ["\"license\" is missing"] : []
	};
}
function licenceErrors(data) {
	const { license } = data;
	if (license === void 0) return [];
	const named = Array.isArray(license) ? license : [license];
	if (named.filter((name) => typeof name !== "string" || !licenceIds.has(name)).length > 0) return [`"license" must be one of [${[...licenceIds].join(", ")}]`];
	if (!named.includes("other")) return [];
	return ["license_name", "license_link"].filter((key) => typeof data[key] !== "string" || data[key] === "").map((key) => `"${key}" is needed where "license" is other`);
}
function listErrors(data) {
	const isText = (value) => typeof value === "string" && value !== "";
	return [
		"tags",
		"language",
		"datasets"
	].filter((key) => data[key] !== void 0 && data[key] !== null).filter((key) => !isText(data[key]) && !(Array.isArray(data[key]) && data[key].every(isText))).map((key) => `"${key}" must be a string or a list of strings`);
}
function baseModelErrors(data) {
	const errors = [];
	const { base_model: base, base_model_relation: relation } = data;
	for (const id of base === void 0 ? [] : Array.isArray(base) ? base : [base]) {
		const parts = typeof id === "string" ? id.split("/") : [];
		if (parts.length !== 2 || !parts.every(isLegalName)) errors.push(`"base_model" with value ${JSON.stringify(id)} is not valid. Use a model id from the Hub`);
	}
	if (relation !== void 0 && !relations.includes(relation)) errors.push(`"base_model_relation" must be one of [${relations.join(", ")}]`);
	return errors;
}
function stringErrors(data) {
	return [
		"library_name",
		"pipeline_tag",
		"license_name",
		"license_link",
		"quantized_by"
	].filter((key) => data[key] !== void 0 && typeof data[key] !== "string").map((key) => `"${key}" must be a string`);
}

// src/local-hub/commit.ts
/** Largest commit request, in bytes. */
const largestCommit = 268435456;
/**
* A pull request needs a write token; a commit to a branch needs the right to write to the
* repository. Returns whether it is a pull request.
*/
function checkMayCommit(context) {
	const proposes = context.query.get("create_pr") === "1";
	if (proposes) checkMayPropose(context.user);
	else checkMayWrite(context.user, context.repo);
	return proposes;
}
/**
* `POST /api/models/<id>/preupload/<rev>`: says for each file whether it goes to the commit or to
* LFS.
*/
async function preupload(context) {
	checkMayCommit(context);
	const { repo, hub } = context;
	const commit = resolveRevision(repo, context.params.revision);
	const body = await readJson(context.request, preuploadRequest);
	const attributes = body.gitAttributes ?? await attributesOf(repo, commit.tree);
	const files = body.files.map((file) => {
		const path = checkPath(file.path);
		const { size, sample } = file;
		const isLarge = size >= (looksLikeText(Buffer.from(sample, "base64")) ? Math.max(hub.lfsThreshold, largestRegularFile) : hub.lfsThreshold);
		const uploadMode = size > 0 && (isLarge || goesToLfs(attributes, path)) ? "lfs" : "regular";
		const known = commit.tree.get(path);
		return {
			path,
			uploadMode,
			shouldIgnore: false,
			oid: known ? known.lfs ? known.sha256 : known.blob : null
		};
	});
	return json$1({
		files,
		commitOid: commit.id
	});
}
async function attributesOf(repo, tree) {
	const entry = tree.get(".gitattributes");
	return entry ? (await repo.objects.read(entry.sha256)).toString("utf8") : initialAttributes;
}
/**
* Applies the operations in order. Objects of a refused commit stay without a reference, invisible.
*/
async function applyOperations(context, parent, operations) {
	const files = new Map(parent);
	const tracked = [];
	for (const { key, value } of operations) if (key === "file") files.set(checkPath(value.path), await addFile(context.repo, value));
	else if (key === "lfsFile") {
		const path = checkPath(value.path);
		files.set(path, await findLfsFile(context.repo, value));
		tracked.push(path);
	} else if (key === "deletedFile") {
		if (!files.delete(checkPath(value.path))) throw refuse.noEntry(value.path);
	} else deleteFolder(files, value.path);
	checkNoFileIsFolder(files);
	await track(context.repo, files, tracked);
	return sortTree(files);
}
async function addFile(repo, file) {
	const { path, content, encoding } = file;
	const bytes = Buffer.from(content, encoding);
	if (encoding === "base64" && bytes.toString("base64").replace(/=+$/, "") !== content.replace(/=+$/, "")) throw refuse.badRequest(`${path}: "content" is not valid base64`);
	if (bytes.length > 10485760) throw refuse.badRequest(`${path}: files larger than 10 MiB must be uploaded to LFS first`);
	if (path === "README.md") {
		const { errors } = checkFrontMatter(bytes.toString("utf8"));
		if (errors.length > 0) throw refuse.badRequest(`Invalid metadata in README.md: ${errors.join("; ")}`);
	}
	return repo.addRegular(bytes);
}
async function findLfsFile(repo, { path, oid, size }) {
	const known = await repo.objects.size(oid);
	if (known === null) throw refuse.badRequest("Your push was rejected because an LFS pointer pointed to a file that does not exist: " + path);
	if (size !== null && size !== void 0 && size !== known) throw refuse.badRequest(`${path}: the object has ${known} bytes, not ${size}`);
	return lfsEntry(oid, known);
}
function deleteFolder(files, path) {
	const folder = checkPath(path.replace(/\/$/, ""));
	const inside = [...files.keys()].filter((file) => file.startsWith(`${folder}/`));
	if (inside.length === 0) throw refuse.noEntry(folder);
	for (const file of inside) files.delete(file);
}
function checkNoFileIsFolder(files) {
	for (const path of files.keys()) for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) if (files.has(path.slice(0, end))) throw refuse.badRequest(`${path.slice(0, end)} cannot be both a file and a folder`);
}
/** Adds to `.gitattributes` the LFS files that it does not cover, as the Hub does. */
async function track(repo, files, paths) {
	if (paths.length === 0) return;
	const entry = files.get(".gitattributes");
	const before = entry ? (await repo.objects.read(entry.sha256)).toString("utf8") : "";
	const after = trackInLfs(before, paths);
	if (after !== before) files.set(".gitattributes", await repo.addRegular(Buffer.from(after)));
}
/**
* `POST /api/models/<id>/commit/<branch>[?create_pr=1]`. Accepts a commit that changes nothing, as
* the Hub does.
*/
async function commit(context) {
	const proposes = checkMayCommit(context);
	const { repo, hub } = context;
	const revision = context.params.revision;
	const { header, operations } = parseCommit(decodeUtf8(await readBody(context.request, largestCommit)));
	return hub.store.change(repo.id, async () => {
		const wanted = header.parentCommit;
		const parent = proposes && wanted ? repo.commitByPrefix(wanted) : headOf$1(repo, revision);
		if (!parent) throw refuse.noRevision(wanted);
		if (!proposes && wanted && !parent.id.startsWith(wanted)) throw refuse.parentMoved();
		const tree = await applyOperations(context, parent.tree, operations);
		const made = makeCommit([parent], tree, {
			title: header.summary,
			message: header.description,
			author: context.user.name
		});
		await repo.addCommit(made);
		const pullRequest = proposes ? await openPullRequest(repo, parent, made) : null;
		if (!proposes) await moveBranch(repo, revision, made);
		return json$1(answer(context, made, pullRequest));
	});
}
function answer(context, made, pullRequest) {
	const base = `${context.origin}/${context.repo.id}`;
	return {
		success: true,
		commitOid: made.id,
		commitUrl: `${base}/commit/${made.id}`,
		hookOutput: "",
		...pullRequest === null ? {} : { pullRequestUrl: `${base}/discussions/${pullRequest}` }
	};
}
/** Head of a branch or open pull request; tags and commits cannot be committed to. */
function headOf$1(repo, revision) {
	const isBranch = Object.hasOwn(repo.state.branches, revision);
	const isOpenPull = repo.state.discussions.some((discussion) => `refs/pr/${discussion.num}` === revision && (discussion.status === "open" || discussion.status === "draft"));
	if (!isBranch && !isOpenPull) throw refuse.noRevision(revision);
	return resolveRevision(repo, revision);
}
async function moveBranch(repo, revision, made) {
	const { branches, discussions } = repo.state;
	if (Object.hasOwn(branches, revision)) {
		await repo.setState({
			...repo.state,
			branches: {
				...branches,
				[revision]: made.id
			}
		});
		return;
	}
	const moved = discussions.map((pull) => `refs/pr/${pull.num}` === revision ? {
		...pull,
		head: made.id
	} : pull);
	await repo.setState({
		...repo.state,
		discussions: moved
	});
}
async function openPullRequest(repo, base, made) {
	const num = repo.state.discussions.length + 1;
	const pull = {
		num,
		title: made.title,
		description: made.message,
		author: made.author,
		isPullRequest: true,
		status: "open",
		base: base.id,
		head: made.id,
		mergeCommit: null
	};
	await repo.setState({
		...repo.state,
		discussions: [...repo.state.discussions, pull]
	});
	return num;
}

// src/local-hub/discussions.ts
const newDiscussion = object({
	title: pipe(string("text"), check$2(({ length }) => length >= 3 && length <= 200, "text of 3 to 200 characters")),
	description: nullish(string("text"), ""),
	pullRequest: nullish(flag, false)
});
const newStatus = object({ status: oneOf(["open", "closed"]) });
const createdAt = "2024-01-01T00:00:00.000Z";
function summary(repo, { num, title, author, status, isPullRequest }) {
	return {
		num,
		title,
		author: { name: author },
		status,
		isPullRequest,
		createdAt,
		repo: {
			name: repo.id,
			type: "model"
		}
	};
}
/** Discussions on a page of the listing. */
const pageLength = 50;
/**
* `GET /api/models/<id>/discussions?p&type&status&author`, newest first. `status`: `open`, `closed`
* (also merged), or `all`.
*/
async function listDiscussions({ repo, query }) {
	const [type, status, author] = [
		"type",
		"status",
		"author"
	].map((name) => query.get(name));
	const found = repo.state.discussions.filter((one) => {
		const isOpen = one.status === "open" || one.status === "draft";
		return (type !== "pull_request" || one.isPullRequest) && (type !== "discussion" || !one.isPullRequest) && (status !== "open" || isOpen) && (status !== "closed" || !isOpen) && (author === null || one.author === author);
	});
	const start = Math.max(0, Number(query.get("p")) || 0) * pageLength;
	const shown = found.reverse().slice(start, start + pageLength);
	return json$1({
		discussions: shown.map((one) => summary(repo, one)),
		count: found.length,
		start
	});
}
/** `GET /api/models/<id>/discussions/<num>` */
async function discussion$1(context) {
	const { repo } = context;
	const found = find(context);
	const comment = {
		edited: false,
		hidden: false,
		latest: { raw: found.description }
	};
	const event = {
		id: `${found.num}-0`,
		type: "comment",
		createdAt,
		author: { name: found.author },
		data: comment
	};
	const commitEvents = commitsOf(repo, found).map((commit) => ({
		id: commit.id,
		type: "commit",
		createdAt: dateOf(commit),
		author: { name: commit.author },
		data: {
			subject: commit.title,
			oid: commit.id
		}
	}));
	const pull = {
		changes: {
			base: "refs/heads/main",
			...found.mergeCommit ? { mergeCommitId: found.mergeCommit } : {}
		},
		filesWithConflicts: found.status === "merged" ? [] : conflicts(repo, found),
		diff: ""
	};
	return json$1({
		...summary(repo, found),
		events: [event, ...commitEvents],
		...found.isPullRequest ? pull : {}
	});
}
function find(context) {
	const found = context.repo.state.discussions.find((one) => String(one.num) === context.params.num);
	if (!found) throw refuse.noEntry(`discussion ${context.params.num}`);
	return found;
}
/** Commits of a pull request after its base, oldest first. */
function commitsOf(repo, { base, head }) {
	const commits = [];
	for (let id = head; id && id !== base; id = commits.at(-1).parents[0] ?? null) commits.push(repo.commit(id));
	return commits.reverse();
}
/** `POST /api/models/<id>/discussions` `{title, description, pullRequest}` */
async function createDiscussion(context) {
	checkMayPropose(context.user);
	const { repo, hub } = context;
	const { title, description, pullRequest } = await readJson(context.request, newDiscussion);
	return hub.store.change(repo.id, async () => {
		const main = pullRequest ? resolveRevision(repo, "main").id : null;
		const made = {
			num: repo.state.discussions.length + 1,
			title,
			description,
			author: context.user.name,
			isPullRequest: main !== null,
			status: main === null ? "open" : "draft",
			base: main,
			head: main,
			mergeCommit: null
		};
		await repo.setState({
			...repo.state,
			discussions: [...repo.state.discussions, made]
		});
		return json$1(summary(repo, made));
	});
}
/** `POST /api/models/<id>/discussions/<num>/status` `{status}` */
async function setStatus(context) {
	const { repo, hub } = context;
	const { status } = await readJson(context.request, newStatus);
	return hub.store.change(repo.id, async () => {
		const found = find(context);
		if (found.status === "merged") throw refuse.badRequest("The pull request is merged");
		await replace(repo, {
			...found,
			status
		});
		return json$1({ newStatus: {
			id: "status",
			type: "status-change",
			createdAt,
			data: { status }
		} });
	});
}
/** `POST /api/models/<id>/discussions/<num>/merge` */
async function merge(context) {
	const { repo, hub } = context;
	return hub.store.change(repo.id, async () => {
		const found = find(context);
		if (!found.isPullRequest || found.status === "merged" || found.status === "closed") throw refuse.badRequest("Only an open pull request can be merged");
		const clashing = conflicts(repo, found);
		if (clashing.length > 0) throw refuse.conflict(`Files with conflicts: ${clashing.join(", ")}`);
		const main = resolveRevision(repo, "main");
		const head = repo.commit(found.head);
		const tree = replay(repo.commit(found.base).tree, head.tree, main.tree);
		const merged = makeCommit([main, head], tree, {
			title: `${found.title} (#${found.num})`,
			author: context.user.name
		});
		await repo.addCommit(merged);
		const discussions = repo.state.discussions.map((one) => one.num === found.num ? {
			...one,
			status: "merged",
			mergeCommit: merged.id
		} : one);
		await repo.setState({
			...repo.state,
			branches: {
				...repo.state.branches,
				main: merged.id
			},
			discussions
		});
		return json$1({ newStatus: {
			id: "status",
			type: "status-change",
			createdAt,
			data: { status: "merged" }
		} });
	});
}
async function replace(repo, changed) {
	const discussions = repo.state.discussions.map((one) => one.num === changed.num ? changed : one);
	await repo.setState({
		...repo.state,
		discussions
	});
}
/** Paths that differ between two trees. */
function changedPaths(before, after) {
	return [.../* @__PURE__ */ new Set([...before.keys(), ...after.keys()])].filter((path) => before.get(path)?.sha256 !== after.get(path)?.sha256).sort();
}
/** Files that both the pull request and main changed since its base, differently. */
function conflicts(repo, pull) {
	if (!pull.isPullRequest) return [];
	const [base, head] = [repo.commit(pull.base).tree, repo.commit(pull.head).tree];
	const main = resolveRevision(repo, "main").tree;
	const onMain = new Set(changedPaths(base, main));
	return changedPaths(base, head).filter((path) => onMain.has(path) && main.get(path)?.sha256 !== head.get(path)?.sha256);
}
function replay(base, head, onto) {
	const files = new Map(onto);
	for (const path of changedPaths(base, head)) {
		const entry = head.get(path);
		if (entry) files.set(path, entry);
		else files.delete(path);
	}
	return sortTree(files);
}

// src/local-hub/ranges.ts
/**
* The range `[start, end)` of a `Range` header for `size` bytes (RFC 9110 §14). Null: send
* everything, because the header is missing, malformed, or has several ranges. `"unsatisfiable"`:
* answer 416.
*/
function parseRange(header, size) {
	const [, first, last] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "") ?? [];
	if (first === void 0 || last === void 0 || first === "" && last === "") return null;
	if (first === "") {
		const length = Math.min(Number(last), size);
		return length === 0 ? "unsatisfiable" : {
			start: size - length,
			end: size
		};
	}
	const start = Number(first);
	if (last !== "" && Number(last) < start) return null;
	if (start >= size) return "unsatisfiable";
	return {
		start,
		end: last === "" ? size : Math.min(Number(last) + 1, size)
	};
}
/** Answers with bytes in memory or a file (by path): all of it, or the `range`. */
function sliceReply(source, size, range, headers) {
	const body = (start, end) => typeof source === "string" ? {
		file: source,
		start,
		end
	} : source.subarray(start, end);
	const wanted = parseRange(range, size);
	const all = {
		"Accept-Ranges": "bytes",
		...headers
	};
	if (wanted === "unsatisfiable") return {
		status: 416,
		headers: {
			...all,
			"Content-Range": `bytes */${size}`
		}
	};
	if (wanted === null) return {
		status: 200,
		headers: all,
		body: body(0, size)
	};
	const contentRange = `bytes ${wanted.start}-${wanted.end - 1}/${size}`;
	return {
		status: 206,
		headers: {
			...all,
			"Content-Range": contentRange
		},
		body: body(wanted.start, wanted.end)
	};
}

// src/local-hub/storage.ts
/** Lifetime of a signed URL, in seconds. */
const lifetime = 900;
/** Parts with the ETags that their uploads were answered with. */
const uploadedParts = list(object({
	partNumber: count,
	etag: line$2
}));
/**
* The second origin, which stores LFS objects behind signed URLs like the real Hub (there S3 and a
* CDN). It accepts no token. `leakedTokens` counts requests with one: their client sent the token
* to another origin.
*/
var Storage = class {
	leakedTokens = 0;
	/** SHA-256 of an object -> bytes that uploads of it brought, all attempts together. */
	received = /* @__PURE__ */ new Map();
	url = "";
	#store;
	#secret = randomBytes(32);
	#uploads = /* @__PURE__ */ new Map();
	constructor(store) {
		this.#store = store;
	}
	/** Signs method, path and query; `base` is the origin that will serve the URL. */
	sign(base, method, path, values) {
		const query = new URLSearchParams();
		for (const [name, value] of Object.entries(values)) query.set(name, String(value));
		query.set("expires", String(Math.floor(Date.now() / 1e3) + lifetime));
		query.set("signature", this.#signature(method, path, query));
		return `${base}${path}?${query}`;
	}
	#signature(method, path, query) {
		const unsigned = [...query].filter(([name]) => name !== "signature").sort();
		return createHmac("sha256", this.#secret).update(JSON.stringify([
			method,
			path,
			unsigned
		])).digest("hex");
	}
	/** Whether a URL has our signature for this method and has not expired. */
	isSigned(method, path, query) {
		const given = Buffer.from(query.get("signature") ?? "");
		const right = Buffer.from(this.#signature(method === "HEAD" ? "GET" : method, path, query));
		if (given.length !== right.length || !timingSafeEqual(given, right)) return false;
		return Number(query.get("expires")) >= Date.now() / 1e3;
	}
	downloadUrl(repo, oid, filename) {
		return this.sign(this.url, "GET", `/${repo.id}/${oid}`, { filename });
	}
	basicUploadUrl(repo, oid, size) {
		return this.sign(this.url, "PUT", `/${repo.id}/${oid}`, { size });
	}
	/** Opens a multipart upload: the id of its completion and one URL per part, in order. */
	startMultipart(repo, oid, size, partSize) {
		const id = randomUUID();
		this.#uploads.set(id, {
			id,
			repo: repo.id,
			oid,
			size,
			partSize,
			parts: /* @__PURE__ */ new Map()
		});
		return {
			id,
			urls: Array.from({ length: Math.ceil(size / partSize) }, (_, index) => this.sign(this.url, "PUT", `/${repo.id}/${oid}`, {
				upload: id,
				part: index + 1,
				size: Math.min(partSize, size - index * partSize)
			}))
		};
	}
	async handle(request) {
		const [path = "", text = ""] = request.url.split(/\?(.*)/s);
		const query = new URLSearchParams(text);
		if (request.headers.authorization !== void 0) {
			this.leakedTokens++;
			return storageError(400, "InvalidArgument", "Only one auth mechanism allowed; the token must stay with the Hub");
		}
		const method = request.method ?? "";
		const [, id, oid] = /^\/((?:[^/]+\/){1,2}[^/]+)\/([0-9a-f]{64})$/.exec(path) ?? [];
		if (![
			"GET",
			"HEAD",
			"PUT"
		].includes(method) || !this.isSigned(method, path, query)) return storageError(403, "AccessDenied", "The signature does not fit this request, or has expired");
		const repo = this.#store.get(id);
		if (!repo) return storageError(404, "NoSuchBucket", "The repo is gone");
		return method === "PUT" ? this.#put(repo, oid, request, query) : this.#get(repo, oid, request, query);
	}
	async #get(repo, oid, request, query) {
		const size = await repo.objects.size(oid);
		if (size === null) return storageError(404, "NoSuchKey", "There is no such object");
		const name = (query.get("filename") ?? oid).replace(/[^\w.-]/g, "_");
		return sliceReply(repo.objects.path(oid), size, request.headers.range, {
			ETag: `"${oid}"`,
			"Content-Type": "application/octet-stream",
			"Content-Disposition": `attachment; filename="${name}"`
		});
	}
	async #put(repo, oid, request, query) {
		const size = Number(query.get("size"));
		const announced = request.headers["content-length"];
		if (announced === void 0) return storageError(411, "MissingContentLength", "Content-Length is needed");
		if (Number(announced) !== size) return storageError(400, "EntityTooLarge", `The URL is for ${size} bytes, the request brings ${announced}`);
		const file = await repo.objects.asidePath();
		try {
			const got = await receive(this.#counted(request, oid), file, size);
			if (got.size !== size) throw new TooLong();
			const upload = query.get("upload");
			return upload === null ? await this.#keepObject(repo, oid, file, got) : await this.#keepPart(upload, Number(query.get("part")), {
				file,
				md5: got.md5,
				size
			});
		} catch (error) {
			await rm(file, { force: true });
			if (error instanceof TooLong) return storageError(400, "IncompleteBody", `Expected ${size} bytes`);
			throw error;
		}
	}
	async *#counted(request, oid) {
		for await (const chunk of request) {
			this.received.set(oid, (this.received.get(oid) ?? 0) + chunk.length);
			yield chunk;
		}
	}
	async #keepObject(repo, oid, file, got) {
		if (got.sha256 !== oid) {
			await rm(file, { force: true });
			return storageError(400, "BadDigest", `Expected bytes with SHA-256 ${oid}, got ${got.sha256}`);
		}
		await repo.objects.adopt(file, oid);
		return {
			status: 200,
			headers: { ETag: `"${got.md5}"` }
		};
	}
	async #keepPart(id, number, part) {
		const upload = this.#uploads.get(id);
		if (!upload) {
			await rm(part.file, { force: true });
			return storageError(404, "NoSuchUpload", "The upload is finished or unknown");
		}
		const before = upload.parts.get(number);
		upload.parts.set(number, part);
		if (before) await rm(before.file, { force: true });
		return {
			status: 200,
			headers: { ETag: `"${part.md5}"` }
		};
	}
	/**
	* Joins the parts of an upload. A repeated call succeeds, because the answer to the first may be
	* lost.
	*/
	async complete(repo, id, oid, given) {
		const upload = this.#uploads.get(id);
		if (!upload || upload.oid !== oid) {
			if (await repo.objects.size(oid) !== null) return;
			throw refuse.badRequest("The multipart upload is unknown");
		}
		checkParts(upload, given);
		const files = [...upload.parts].sort(([a], [b]) => a - b).map(([, part]) => part.file);
		const whole = await repo.objects.asidePath();
		const got = await receive(concatenate(files), whole, upload.size);
		await this.#forget(repo, oid);
		if (got.sha256 !== oid || got.size !== upload.size) {
			await rm(whole, { force: true });
			throw refuse.badRequest(`Expected bytes with SHA-256 ${oid}, got ${got.sha256}`);
		}
		await repo.objects.adopt(whole, oid);
	}
	/** Removes all uploads of this object, abandoned ones included. */
	async #forget(repo, oid) {
		for (const upload of [...this.#uploads.values()].filter((one) => one.repo === repo.id && one.oid === oid)) {
			this.#uploads.delete(upload.id);
			for (const part of upload.parts.values()) await rm(part.file, { force: true });
		}
	}
};
function checkParts(upload, given) {
	const count = Math.ceil(upload.size / upload.partSize);
	if (given.length !== count) throw refuse.badRequest(`Expected ${count} parts`);
	const named = new Map(given.map(({ partNumber, etag }) => [partNumber, etag]));
	for (let number = 1; number <= count; number++) {
		const part = upload.parts.get(number);
		if (!part) throw refuse.badRequest(`Part ${number} has not been uploaded`);
		if (named.get(number)?.replace(/"/g, "") !== part.md5) throw refuse.badRequest(`Part ${number}: the etag is not that of the uploaded part`);
	}
}
async function* concatenate(files) {
	for (const file of files) yield* createReadStream(file);
}
function storageError(status, code, message) {
	return {
		status,
		headers: { "Content-Type": "application/xml" },
		body: `<?xml version="1.0" encoding="UTF-8"?>\n${`<Error><Code>${code}</Code><Message>${message}</Message></Error>`}`
	};
}

// src/local-hub/lfs.ts
/** Most objects of a batch request; the Hub's clients send 100 and 256. */
const largestBatch = 1e3;
/** An object: SHA-256 and bytes. */
const lfsObject = object({
	oid: sha256,
	size: count
});
const batch = object({
	operation: oneOf(["upload", "download"]),
	hash_algo: optional(oneOf(["sha256", "sha_256"])),
	transfers: nullish(list(line$2), ["basic"]),
	objects: pipe(list(lfsObject, largestBatch), check$2(({ length }) => length > 0, "a list of at least one object"))
});
const completion$1 = object({
	oid: sha256,
	parts: uploadedParts
});
/**
* `POST /<id>.git/info/lfs/objects/batch`: how to upload or fetch each object. Never offers xet,
* which needs a server of its own.
*/
async function lfsBatch(context, limits) {
	const { operation, transfers, objects } = await readJson(context.request, batch);
	const multipart = transfers.includes("multipart") && objects.some((object) => object.size >= limits.multipartThreshold);
	const describe = operation === "download" ? describeDownload : describeUpload;
	const answers = [];
	for (const object of objects) answers.push(await describe(context, object, multipart, limits));
	return json$1({
		transfer: multipart ? "multipart" : "basic",
		objects: answers,
		hash_algo: "sha256"
	}, 200, { "Content-Type": "application/vnd.git-lfs+json" });
}
async function describeDownload(context, object) {
	const size = await context.repo.objects.size(object.oid);
	if (size === null) return {
		...object,
		error: {
			code: 404,
			message: "Object does not exist"
		}
	};
	const href = context.hub.storage.downloadUrl(context.repo, object.oid, object.oid);
	return {
		oid: object.oid,
		size,
		authenticated: true,
		actions: { download: { href } }
	};
}
async function describeUpload(context, object, multipart, limits) {
	const { hub, repo, origin } = context;
	const known = await repo.objects.size(object.oid);
	if (known !== null && known !== object.size) return {
		...object,
		error: {
			code: 422,
			message: `The object is known with ${known} bytes`
		}
	};
	if (known !== null) return object;
	if (object.size === 0) return {
		...object,
		error: {
			code: 422,
			message: "Empty files cannot be LFS objects"
		}
	};
	const verify = {
		href: `${origin}/${repo.id}.git/info/lfs/verify`,
		header: {}
	};
	if (!multipart || object.size < limits.multipartThreshold) {
		const upload = {
			href: hub.storage.basicUploadUrl(repo, object.oid, object.size),
			header: {}
		};
		return {
			...object,
			authenticated: true,
			actions: {
				upload,
				verify
			}
		};
	}
	const { id, urls } = hub.storage.startMultipart(repo, object.oid, object.size, limits.partSize);
	const header = { chunk_size: String(limits.partSize) };
	for (const [index, url] of urls.entries()) header[String(index + 1).padStart(5, "0")] = url;
	const href = hub.storage.sign(origin, "POST", "/api/complete_multipart", {
		repo: repo.id,
		upload: id
	});
	return {
		...object,
		authenticated: true,
		actions: {
			upload: {
				href,
				header
			},
			verify
		}
	};
}
/**
* `POST /api/complete_multipart?\u2026`: on the Hub's origin, but authorized by its signature like the
* parts.
*/
async function completeMultipart(context) {
	const { hub, query, path } = context;
	if (!hub.storage.isSigned("POST", path, query)) throw refuse.forbidden("The signature does not fit, or has expired");
	const repo = hub.store.get(query.get("repo") ?? "");
	if (!repo) throw refuse.noRepository(true);
	const { oid, parts } = await readJson(context.request, completion$1);
	await hub.storage.complete(repo, query.get("upload") ?? "", oid, parts);
	return json$1({ success: true });
}
/** `POST /<id>.git/info/lfs/verify`: whether an object exists. Its hash was checked on arrival. */
async function lfsVerify(context) {
	const { oid, size } = await readJson(context.request, lfsObject);
	const known = await context.repo.objects.size(oid);
	if (known === null) throw refuse.noEntry(oid);
	if (known !== size) throw refuse.badRequest(`The object has ${known} bytes, not ${size}`);
	return json$1({ success: true });
}

// src/local-hub/listing.ts
/**
* Entries of a page with `expand`. The Hub's pages are shorter too, because each entry needs a walk
* over commits.
*/
const expandedPage = 50;
const commitsPage = 1e3;
/** `GET /api/models/<id>/tree/<rev>[/<folder>]?recursive&expand&limit&cursor` */
async function tree(context) {
	const { commit, path } = splitRevision(context.repo, context.rest);
	const folder = path.replace(/\/$/, "");
	const recursive = isTrue(context.query.get("recursive"));
	const expand = isTrue(context.query.get("expand"));
	const below = itemsBelow(commit.tree, folder);
	if (folder !== "" && below.length === 0) throw refuse.noEntry(folder, commit.id);
	const prefix = folder === "" ? 0 : folder.length + 1;
	const items = recursive ? below : below.filter((item) => !item.path.slice(prefix).includes("/"));
	const most = expand ? Math.min(expandedPage, context.hub.pageSize) : context.hub.pageSize;
	const { shown, headers } = page(context, items, (item) => item.path, most);
	return json$1(shown.map((item) => describe$1(context.repo, commit, item, expand)), 200, headers);
}
function isTrue(value) {
	return value === true || /^(true|1)$/i.test(String(value));
}
/** Files and folders below a folder, in path order. */
function itemsBelow(files, folder) {
	const prefix = folder === "" ? "" : `${folder}/`;
	const items = /* @__PURE__ */ new Map();
	for (const [path, entry] of files) {
		if (!path.startsWith(prefix)) continue;
		for (let slash = path.indexOf("/", prefix.length); slash !== -1; slash = path.indexOf("/", slash + 1)) {
			const inner = path.slice(0, slash);
			items.set(inner, {
				path: inner,
				entry: null
			});
		}
		items.set(path, {
			path,
			entry
		});
	}
	return [...items.values()].sort((a, b) => a.path < b.path ? -1 : 1);
}
function describe$1(repo, commit, { path, entry }, expand) {
	const last = expand ? { lastCommit: lastChange(repo, commit, path) } : {};
	if (entry === null) return {
		type: "directory",
		oid: folderId(commit.tree, path),
		size: 0,
		path,
		...last
	};
	const { blob: oid, size, sha256, lfs } = entry;
	return {
		type: "file",
		oid,
		size,
		...lfs ? { lfs: {
			oid: sha256,
			size,
			pointerSize: lfsPointer(sha256, size).length
		} } : {},
		path,
		...last
	};
}
/** In place of git's tree id. Like that id it depends on the files below. */
function folderId(files, folder) {
	const hash = createHash("sha1");
	for (const [path, entry] of files) if (path.startsWith(`${folder}/`)) hash.update(`${path}\0${entry.blob}\n`);
	return hash.digest("hex");
}
/** The newest commit on the first-parent line that changed a file or anything in a folder. */
function lastChange(repo, from, path) {
	const idAt = (commit) => commit.tree.get(path)?.blob ?? folderId(commit.tree, path);
	let commit = from;
	for (const id = idAt(from);;) {
		const parent = commit.parents.length > 0 ? repo.commit(commit.parents[0]) : void 0;
		if (!parent || idAt(parent) !== id) break;
		commit = parent;
	}
	return {
		id: commit.id,
		title: commit.title,
		date: dateOf(commit)
	};
}
const pathsRequest = object({
	paths: list(string("a path")),
	expand: nullish(flag, false)
});
/**
* `POST /api/models/<id>/paths-info/<rev>`: JSON from JavaScript, a form from Python. Leaves out
* paths that do not exist.
*/
async function pathsInfo(context) {
	const commit = resolveRevision(context.repo, context.params.revision);
	const text = decodeUtf8(await readBody(context.request, jsonLimit));
	const isForm = context.request.headers["content-type"]?.startsWith("application/x-www-form-urlencoded");
	const form = new URLSearchParams(isForm ? text : "");
	const { paths, expand } = isForm ? {
		paths: form.getAll("paths"),
		expand: form.get("expand")
	} : parseBody(text, pathsRequest);
	const all = new Map(itemsBelow(commit.tree, "").map((item) => [item.path, item]));
	const found = paths.map((path) => all.get(path.replace(/\/$/, ""))).filter((item) => item !== void 0);
	return json$1(found.map((item) => describe$1(context.repo, commit, item, isTrue(expand))));
}
/** A commit and its ancestors along first parents, newest first. */
function line(repo, from) {
	const commits = [];
	for (let commit = from; commit; commit = repo.commit(commit.parents[0] ?? "")) commits.push(commit);
	return commits;
}
/** `GET /api/models/<id>/commits/<rev>?limit&cursor` */
async function commits(context) {
	const { commit, path } = splitRevision(context.repo, context.rest);
	if (path !== "") throw refuse.noRevision(context.rest.join("/"));
	const all = line(context.repo, commit);
	const { shown, headers } = page(context, all, (item) => item.id, Math.min(commitsPage, context.hub.pageSize));
	const formatted = context.query.getAll("expand[]").includes("formatted");
	const body = shown.map((item) => ({
		id: item.id,
		title: item.title,
		message: item.message,
		authors: [{
			user: item.author,
			avatar: ""
		}],
		date: dateOf(item),
		...formatted ? { formatted: {
			title: item.title,
			message: item.message
		} } : {}
	}));
	return json$1(body, 200, {
		...headers,
		"X-Total-Count": String(all.length)
	});
}

// src/local-hub/models.ts
/** `GET /api/whoami-v2` */
async function whoami(context) {
	if (!context.user) throw refuse.unauthorized();
	const every = [...new Set(context.hub.store.all().map((repo) => repo.namespace))];
	return json$1(describeUser(context.user, every));
}
/**
* `POST /api/validate-yaml`: status 400 with `errors`, else 200. Python's client reads the status,
* others the lists.
*/
async function validateYaml(context) {
	const { content } = await readJson(context.request, card$1);
	const { errors, warnings } = checkFrontMatter(content);
	const messages = (list) => list.map((message) => ({ message }));
	return json$1({
		errors: messages(errors),
		warnings: messages(warnings)
	}, errors.length > 0 ? 400 : 200);
}
const card$1 = object({ content: string("text") });
const repoName = {
	name: line$2,
	organization: nullish(line$2),
	type: nullish(line$2, "model")
};
const newRepo = object({
	...repoName,
	private: nullish(flag, false),
	visibility: nullish(line$2),
	license: nullish(line$2),
	files: nullish(list(object({
		path: line$2,
		content: string("text"),
		encoding: nullish(line$2)
	})), [])
});
const namedRepo = object(repoName);
/** The repository that a create or delete request names. The default organization is the user. */
function idOf(context, body) {
	const { name, organization, type } = body;
	if (!context.user) throw refuse.unauthorized();
	if (type !== "model") throw refuse.badRequest("This local Hub makes models only; its datasets are folders");
	return checkId(organization ?? context.user.name, name);
}
/** `POST /api/repos/create` */
async function createRepo(context) {
	const body = await readJson(context.request, newRepo);
	const id = idOf(context, body);
	checkMayCreate(context.user, id.split("/")[0]);
	const isPrivate = body.private || body.visibility === "private";
	const files = /* @__PURE__ */ new Map();
	if (body.license) files.set("README.md", Buffer.from(`---\nlicense: ${body.license}\n---\n`));
	for (const { path, content, encoding } of body.files) {
		const bytes = Buffer.from(content, encoding === "base64" ? "base64" : "utf8");
		files.set(checkPath(path), bytes);
	}
	await context.hub.store.create(id, isPrivate, files, context.origin);
	return json$1({
		url: `${context.origin}/${id}`,
		name: id,
		id
	});
}
/** `DELETE /api/repos/delete` */
async function deleteRepo(context) {
	const id = idOf(context, await readJson(context.request, namedRepo));
	const repo = checkMayRead(context.user, context.hub.store.get(id));
	checkMayWrite(context.user, repo);
	await context.hub.store.remove(id);
	return {
		status: 200,
		body: "OK"
	};
}
/** `GET /api/models/<id>[/revision/<rev>]?expand\u2026&blobs`, and the same of a dataset. */
async function repoInfo(context) {
	const { repo, query } = context;
	const commit = resolveRevision(repo, context.params.revision ?? "main");
	const full = await describeRepo(context, repo, commit);
	const asked = [...query.getAll("expand"), ...query.getAll("expand[]")];
	if (asked.length > 0) {
		const chosen = Object.entries(full).filter(([key]) => key === "_id" || key === "id" || asked.includes(key));
		return json$1(Object.fromEntries(chosen));
	}
	const withBlobs = /^(true|1)$/i.test(query.get("blobs") ?? "");
	const siblings = [...commit.tree].map(([path, entry]) => ({
		rfilename: path,
		...withBlobs ? blobOf(entry) : {}
	}));
	return json$1({
		...full,
		siblings
	});
}
function blobOf({ size, blob, sha256, lfs }) {
	return {
		size,
		blobId: blob,
		...lfs ? { lfs: {
			sha256,
			size,
			pointerSize: lfsPointer(sha256, size).length
		} } : {}
	};
}
async function describeRepo(context, repo, commit) {
	const cardData = await cardDataOf(repo, commit);
	const text = (key) => typeof cardData?.[key] === "string" ? { [key]: cardData[key] } : {};
	return {
		_id: sha256Of(repo.id).slice(0, 24),
		id: repo.apiId,
		...repo.isDataset ? {} : { modelId: repo.apiId },
		author: repo.namespace,
		sha: commit.id,
		createdAt: "2024-01-01T00:00:00.000Z",
		lastModified: dateOf(commit),
		private: repo.state.private,
		gated: Object.hasOwn(context.hub.gated, repo.id) ? "manual" : false,
		disabled: false,
		downloads: 0,
		likes: 0,
		tags: tagsOf(cardData, commit),
		...text("pipeline_tag"),
		...text("library_name"),
		...cardData ? { cardData } : {},
		siblings: [...commit.tree.keys()].map((rfilename) => ({ rfilename })),
		spaces: []
	};
}
async function cardDataOf(repo, commit) {
	const entry = commit.tree.get("README.md");
	if (!entry || entry.lfs) return null;
	return readFrontMatter((await repo.objects.read(entry.sha256)).toString("utf8"));
}
/**
* Tags of a model on the Hub: those of the card, and those that follow from its other keys and
* files.
*/
function tagsOf(card, commit) {
	const strings = (value) => (Array.isArray(value) ? value : [value]).filter((item) => typeof item === "string");
	const bases = strings(card?.base_model);
	const relation = typeof card?.base_model_relation === "string" ? card.base_model_relation : null;
	return [.../* @__PURE__ */ new Set([
		...strings(card?.library_name),
		...[...commit.tree.keys()].some((path) => path.endsWith(".safetensors")) ? ["safetensors"] : [],
		...strings(card?.tags),
		...strings(card?.pipeline_tag),
		...strings(card?.language),
		...bases.map((id) => `base_model:${id}`),
		...relation ? bases.map((id) => `base_model:${relation}:${id}`) : [],
		...strings(card?.license).map((id) => `license:${id}`)
	])];
}
/** `GET /api/models?author&search&filter&limit` */
async function listModels(context) {
	const { query, hub, user } = context;
	const search = query.get("search")?.toLowerCase() ?? "";
	const author = query.get("author");
	const filters = query.getAll("filter").flatMap((filter) => filter.split(","));
	const found = [];
	for (const repo of hub.store.all()) {
		if (repo.isDataset || !mayRead(user, repo) || !repo.id.toLowerCase().includes(search)) continue;
		if (author !== null && !repo.id.startsWith(`${author}/`)) continue;
		const { siblings: _siblings, spaces: _spaces, ...model } = await describeRepo(context, repo, repo.resolve("main"));
		if (filters.every((filter) => model.tags.includes(filter))) found.push(model);
	}
	const { shown, headers } = page(context, found, (model) => model.id, hub.pageSize);
	return json$1(shown, 200, headers);
}

// src/local-hub/refs.ts
const newBranch = object({
	startingPoint: nullish(line$2),
	emptyBranch: nullish(flag, false),
	overwrite: nullish(flag, false)
});
const newTag = object({
	tag: line$2,
	message: nullish(string("text"), "")
});
/** `GET /api/models/<id>/refs` */
async function refs(context) {
	const { branches, tags, discussions } = context.repo.state;
	const pulls = discussions.filter((discussion) => discussion.isPullRequest && discussion.head !== null);
	return json$1({
		branches: Object.entries(branches).map(([name, id]) => ({
			name,
			ref: `refs/heads/${name}`,
			targetCommit: id
		})),
		converts: [],
		tags: Object.entries(tags).map(([name, { commit }]) => ({
			name,
			ref: `refs/tags/${name}`,
			targetCommit: commit
		})),
		pullRequests: pulls.map(({ num, head }) => ({
			name: String(num),
			ref: `refs/pr/${num}`,
			targetCommit: head
		}))
	});
}
/** `POST /api/models/<id>/branch/<name>` `{startingPoint?, emptyBranch?, overwrite?}` */
async function createBranch(context) {
	const { repo, hub } = context;
	const name = checkRefName(context.params.branch);
	const { startingPoint, emptyBranch, overwrite } = await readJson(context.request, newBranch);
	return hub.store.change(repo.id, async () => {
		const exists = Object.hasOwn(repo.state.branches, name);
		if (exists && !overwrite) throw refuse.conflict(`Reference already exists: refs/heads/${name}`);
		if (exists && !startingPoint && !emptyBranch) return {
			status: 200,
			body: "OK"
		};
		const start = emptyBranch ? makeCommit([], /* @__PURE__ */ new Map(), {
			title: "initial commit",
			author: context.user.name
		}) : resolveRevision(repo, startingPoint ?? "main");
		await repo.addCommit(start);
		await repo.setState({
			...repo.state,
			branches: {
				...repo.state.branches,
				[name]: start.id
			}
		});
		return {
			status: 200,
			body: "OK"
		};
	});
}
/** `DELETE /api/models/<id>/branch/<name>` */
async function deleteBranch(context) {
	const { repo, hub } = context;
	const name = context.params.branch;
	if (name === "main") throw refuse.forbidden("The branch main cannot be deleted");
	return hub.store.change(repo.id, async () => {
		if (!Object.hasOwn(repo.state.branches, name)) throw refuse.noRevision(name);
		const { [name]: _removed, ...branches } = repo.state.branches;
		await repo.setState({
			...repo.state,
			branches
		});
		return {
			status: 200,
			body: "OK"
		};
	});
}
/** `POST /api/models/<id>/tag/<rev>` `{tag, message?}` */
async function createTag(context) {
	const { repo, hub } = context;
	const { tag, message } = await readJson(context.request, newTag);
	const name = checkRefName(tag);
	return hub.store.change(repo.id, async () => {
		const target = resolveRevision(repo, context.params.revision);
		if (Object.hasOwn(repo.state.tags, name)) throw refuse.conflict(`Tag reference exists already: refs/tags/${name}`);
		const added = {
			commit: target.id,
			message
		};
		await repo.setState({
			...repo.state,
			tags: {
				...repo.state.tags,
				[name]: added
			}
		});
		return {
			status: 200,
			body: "OK"
		};
	});
}
/** `DELETE /api/models/<id>/tag/<name>` */
async function deleteTag(context) {
	const { repo, hub } = context;
	const name = context.params.revision;
	return hub.store.change(repo.id, async () => {
		if (!Object.hasOwn(repo.state.tags, name)) throw refuse.noRevision(name);
		const { [name]: _removed, ...tags } = repo.state.tags;
		await repo.setState({
			...repo.state,
			tags
		});
		return {
			status: 200,
			body: "OK"
		};
	});
}

// src/local-hub/resolve.ts
/**
* `GET|HEAD /<id>/resolve/<rev>/<path>`: sends regular files, redirects to the storage origin for
* LFS files.
*/
async function resolveFile(context) {
	const { repo, hub, rest, request } = context;
	const { commit, path } = splitRevision(repo, rest);
	const entry = commit.tree.get(path);
	if (!entry) throw refuse.noEntry(path, commit.id);
	if (!entry.lfs) {
		const headers = {
			"X-Repo-Commit": commit.id,
			ETag: `"${entry.blob}"`,
			"Content-Type": contentType(path)
		};
		return sliceReply(repo.objects.path(entry.sha256), entry.size, request.headers.range, headers);
	}
	return {
		status: 302,
		headers: {
			"X-Repo-Commit": commit.id,
			"X-Linked-Size": String(entry.size),
			"X-Linked-ETag": `"${entry.sha256}"`,
			ETag: `"${entry.sha256}"`,
			"Accept-Ranges": "bytes",
			Location: hub.storage.downloadUrl(repo, entry.sha256, path.split("/").at(-1))
		},
		body: ""
	};
}
/** `GET|HEAD /<id>/raw/<rev>/<path>`: the file in git, which is the pointer of an LFS file. */
async function rawFile(context) {
	const { commit, path } = splitRevision(context.repo, context.rest);
	const entry = commit.tree.get(path);
	if (!entry) throw refuse.noEntry(path, commit.id);
	const headers = {
		"X-Repo-Commit": commit.id,
		ETag: `"${entry.blob}"`,
		"Content-Type": "text/plain; charset=utf-8"
	};
	const { range } = context.request.headers;
	if (!entry.lfs) return sliceReply(context.repo.objects.path(entry.sha256), entry.size, range, headers);
	const pointer = Buffer.from(lfsPointer(entry.sha256, entry.size));
	return sliceReply(pointer, pointer.length, range, headers);
}
function contentType(path) {
	return /\.(md|txt|json|jinja|py|yaml|yml|gitattributes)$|(^|\/)(LICENSE|NOTICE)$/i.test(path) ? "text/plain; charset=utf-8" : "application/octet-stream";
}

// src/local-hub/trusted-publishers.ts
/** The only audience that the Hub accepts. */
const audience = "https://huggingface.co";
/** Lifetime of an identity token, in seconds. GitHub's live about as long. */
const identityLifetime = 300;
/** Path of the stand-in for GitHub's identity endpoint. */
const identityPath = "/_identity";
const runQuery = object({
	repository: line$2,
	ref: line$2,
	workflow: line$2
});
const identityClaims = object({
	aud: line$2,
	exp: number("seconds since 1970"),
	repository: line$2,
	ref: line$2,
	workflow_ref: line$2
});
const exchangeRequest = object({
	grant_type: oneOf(["urn:ietf:params:oauth:grant-type:token-exchange"]),
	subject_token_type: oneOf(["urn:ietf:params:oauth:token-type:id_token"]),
	subject_token: string("an identity token"),
	resource: line$2
});
/**
* Publishing without a token: a stand-in for the endpoint where a job of GitHub Actions gets its
* identity token (a JWT), and the Hub's exchange of it for a token of one repository.
*/
var TrustedPublishers = class {
	#options;
	#key = randomBytes(32);
	#requestToken = randomBytes(16).toString("hex");
	#issued = /* @__PURE__ */ new Map();
	constructor(options) {
		this.#options = options;
	}
	/** The variables that GitHub sets in a job with `id-token: write`. */
	environment(origin, run) {
		const query = new URLSearchParams({ ...run });
		return {
			ACTIONS_ID_TOKEN_REQUEST_URL: `${origin}${identityPath}?${query}`,
			ACTIONS_ID_TOKEN_REQUEST_TOKEN: this.#requestToken
		};
	}
	/** `GET <ACTIONS_ID_TOKEN_REQUEST_URL>&audience=\u2026`: `{value: <JWT>}` */
	identity(request) {
		if (request.headers.authorization !== `Bearer ${this.#requestToken}`) throw refuse.unauthorized();
		const query = new URL(request.url, "http://localhost").searchParams;
		const run = parse$1(runQuery, Object.fromEntries(query));
		const now = Math.floor(this.#options.now() / 1e3);
		const content = [{
			alg: "HS256",
			typ: "JWT"
		}, {
			iss: "https://token.actions.githubusercontent.com",
			aud: query.get("audience") ?? "",
			sub: `repo:${run.repository}:ref:${run.ref}`,
			repository: run.repository,
			ref: run.ref,
			workflow_ref: `${run.repository}/.github/workflows/${run.workflow}@${run.ref}`,
			iat: now,
			exp: now + identityLifetime
		}].map(encode).join(".");
		return json$1({ value: `${content}.${this.#sign(content)}` });
	}
	/**
	* `POST /oauth/token` `{grant_type, subject_token_type, subject_token, resource}`. `isThere` says
	* whether a repository exists.
	*/
	async exchange(request, isThere) {
		const body = decodeUtf8(await readBody(request, jsonLimit));
		const { subject_token: identity, resource: repository } = this.#read(body);
		const claims = this.#verify(identity);
		const trusted = Object.hasOwn(this.#options.publishers, repository) ? this.#options.publishers[repository] : [];
		if (!isThere(repository) || !trusted.some((publisher) => matches(publisher, claims))) throw refusal("invalid_grant", "No trusted publisher matches the claims of the token");
		const token = `hf_jwt_${randomBytes(24).toString("base64url")}`;
		const { now, lifetime } = this.#options;
		this.#issued.set(token, {
			repository,
			until: now() + lifetime * 1e3
		});
		return json$1({
			access_token: token,
			token_type: "bearer",
			expires_in: lifetime
		});
	}
	/** The same users, and one for each token that was exchanged and lives. */
	users(others) {
		return (token) => token.startsWith("hf_jwt_") ? this.#userOf(token) : others(token);
	}
	#userOf(token) {
		const issued = this.#issued.get(token);
		if (issued === void 0 || issued.until <= this.#options.now()) return null;
		const { repository } = issued;
		return {
			name: "[OIDC]",
			role: "write",
			writes: [repository],
			scopes: { [repository]: ["repo.write"] }
		};
	}
	#read(body) {
		try {
			return parseBody(body, exchangeRequest);
		} catch (error) {
			if (!(error instanceof Refusal)) throw error;
			throw refusal("invalid_request", error.message);
		}
	}
	/** The claims of an identity token that is ours, lives and is for the Hub. */
	#verify(token) {
		const [head = "", body = "", signature = ""] = token.split(".");
		const [given, own] = [signature, this.#sign(`${head}.${body}`)].map((one) => Buffer.from(one));
		if (given.length !== own.length || !timingSafeEqual(given, own)) throw refusal("invalid_grant", "The token is not signed by a known issuer");
		const claims = parse$1(identityClaims, JSON.parse(Buffer.from(body, "base64url").toString()));
		if (claims.exp * 1e3 <= this.#options.now()) throw refusal("invalid_grant", "The token has expired");
		if (claims.aud !== audience) throw refusal("invalid_grant", `The audience of the token is not ${audience}`);
		return claims;
	}
	#sign(content) {
		return createHmac("sha256", this.#key).update(content).digest("base64url");
	}
};
function matches({ repository, branch, workflow }, claims) {
	const file = claims.workflow_ref.split("@")[0].split("/").at(-1);
	return claims.repository === repository && (branch === void 0 || claims.ref === `refs/heads/${branch}`) && (workflow === void 0 || file === workflow);
}
const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
/** An error of RFC 6749 §5.2. */
function refusal(error, words) {
	return new Refusal(400, words, null, { fields: {
		error,
		error_description: words
	} });
}

// src/local-hub/routes.ts
const open = (method, pattern, handle) => ({
	method,
	pattern,
	needs: "open",
	handle
});
/** Datasets can only be read. They are made by copying a folder into the store. */
const ofDatasets = (table) => table.map((route) => ({
	...route,
	prefix: `${datasetsRoot}/`
}));
/** Every request that the Hub answers. */
function routes(limits) {
	const model = "/api/models/:namespace/:name";
	const repo = "/:namespace/:name";
	const dataset = "/api/datasets/:namespace/:name";
	const collection = "/api/collections/:namespace/:name";
	return [
		open("GET", "/api/whoami-v2", whoami),
		open("POST", "/api/validate-yaml", validateYaml),
		open("POST", "/api/repos/create", createRepo),
		open("DELETE", "/api/repos/delete", deleteRepo),
		open("POST", "/api/complete_multipart", completeMultipart),
		open("GET", "/api/models", listModels),
		open("POST", "/oauth/token", ({ hub, request }) => hub.publishers.exchange(request, (id) => hub.store.get(id) !== void 0)),
		open("GET", "/api/collections", listCollections),
		open("POST", "/api/collections", createCollection),
		open("GET", collection, readCollection),
		open("PATCH", collection, changeCollection),
		open("DELETE", collection, deleteCollection),
		open("POST", `${collection}/items`, addItem),
		open("PATCH", `${collection}/items/:item`, changeItem),
		open("DELETE", `${collection}/items/:item`, deleteItem),
		{
			method: "GET",
			pattern: model,
			needs: "read",
			handle: repoInfo
		},
		{
			method: "GET",
			pattern: `${model}/revision/:revision`,
			needs: "read",
			handle: repoInfo
		},
		{
			method: "GET",
			pattern: `${model}/tree/*`,
			needs: "read",
			handle: tree
		},
		{
			method: "POST",
			pattern: `${model}/paths-info/:revision`,
			needs: "read",
			handle: pathsInfo
		},
		{
			method: "GET",
			pattern: `${model}/commits/*`,
			needs: "read",
			handle: commits
		},
		{
			method: "GET",
			pattern: `${model}/refs`,
			needs: "read",
			handle: refs
		},
		{
			method: "GET",
			pattern: `${model}/auth-check`,
			needs: "content",
			handle: granted
		},
		{
			method: "GET",
			pattern: `${model}/auth-check/write`,
			needs: "write",
			handle: granted
		},
		{
			method: "POST",
			pattern: `${model}/branch/:branch`,
			needs: "write",
			handle: createBranch
		},
		{
			method: "DELETE",
			pattern: `${model}/branch/:branch`,
			needs: "write",
			handle: deleteBranch
		},
		{
			method: "POST",
			pattern: `${model}/tag/:revision`,
			needs: "write",
			handle: createTag
		},
		{
			method: "DELETE",
			pattern: `${model}/tag/:revision`,
			needs: "write",
			handle: deleteTag
		},
		{
			method: "POST",
			pattern: `${model}/preupload/:revision`,
			needs: "read",
			handle: preupload
		},
		{
			method: "POST",
			pattern: `${model}/commit/:revision`,
			needs: "read",
			handle: commit
		},
		{
			method: "GET",
			pattern: `${model}/discussions`,
			needs: "read",
			handle: listDiscussions
		},
		{
			method: "POST",
			pattern: `${model}/discussions`,
			needs: "read",
			handle: createDiscussion
		},
		{
			method: "GET",
			pattern: `${model}/discussions/:num`,
			needs: "read",
			handle: discussion$1
		},
		{
			method: "POST",
			pattern: `${model}/discussions/:num/status`,
			needs: "write",
			handle: setStatus
		},
		{
			method: "POST",
			pattern: `${model}/discussions/:num/merge`,
			needs: "write",
			handle: merge
		},
		{
			method: "POST",
			pattern: `${repo}.git/info/lfs/objects/batch`,
			needs: "write",
			handle: (it) => lfsBatch(it, limits)
		},
		{
			method: "POST",
			pattern: `${repo}.git/info/lfs/verify`,
			needs: "write",
			handle: lfsVerify
		},
		{
			method: "GET|HEAD",
			pattern: `${repo}/resolve/*`,
			needs: "content",
			handle: resolveFile
		},
		{
			method: "GET|HEAD",
			pattern: `${repo}/raw/*`,
			needs: "content",
			handle: rawFile
		},
		...ofDatasets([
			{
				method: "GET",
				pattern: dataset,
				needs: "read",
				handle: repoInfo
			},
			{
				method: "GET",
				pattern: `${dataset}/revision/:revision`,
				needs: "read",
				handle: repoInfo
			},
			{
				method: "GET",
				pattern: `${dataset}/tree/*`,
				needs: "read",
				handle: tree
			},
			{
				method: "POST",
				pattern: `${dataset}/paths-info/:revision`,
				needs: "read",
				handle: pathsInfo
			},
			{
				method: "GET|HEAD",
				pattern: `/${datasetsRoot}${repo}/resolve/*`,
				needs: "content",
				handle: resolveFile
			},
			{
				method: "GET|HEAD",
				pattern: `/${datasetsRoot}${repo}/raw/*`,
				needs: "content",
				handle: rawFile
			}
		])
	];
}
/** The route has checked the right. */
async function granted() {
	return {
		status: 200,
		body: "OK"
	};
}
function match(route, method, path) {
	if (!route.method.split("|").includes(method)) return null;
	const source = route.pattern.replace(/\./g, "\\.").replace(/:(\w+)/g, "(?<$1>[^/]+?)").replace(/\*$/, "(?<rest>.+)");
	const found = new RegExp(`^${source}$`).exec(path);
	if (!found) return null;
	const { rest, ...params } = { ...found.groups };
	const decoded = Object.entries(params).map(([name, value]) => [name, decodeSegment(value)]);
	return {
		route,
		params: Object.fromEntries(decoded),
		rest: rest?.split("/").map(decodeSegment) ?? []
	};
}
/** Finds the route, checks the token and the right, and runs the handler. */
async function answerHub(hub, table, request) {
	const [path = "", query = ""] = request.url.split(/\?(.*)/s);
	if (path === "/_identity") return hub.publishers.identity(request);
	const user = identify(request.headers.authorization, hub.users);
	for (const route of table) {
		const matched = match(route, request.method, path);
		if (!matched) continue;
		const { params, rest } = matched;
		const context = {
			hub,
			request,
			user,
			origin: `http://${request.headers.host}`,
			path,
			query: new URLSearchParams(query),
			params,
			rest
		};
		if (route.needs === "open") return route.handle(context);
		const found = hub.store.get(`${route.prefix ?? ""}${params.namespace}/${params.name}`);
		const repo = checkMayRead(user, found?.isDataset === (route.prefix !== void 0) ? found : void 0);
		if (route.needs === "content") checkGate(user, repo, hub.gated);
		if (route.needs === "write") checkMayWrite(user, repo);
		return route.handle({
			...context,
			repo
		});
	}
	throw refuse.noRoute();
}

// src/local-hub/faults.ts
/** The action of the first matching fault that is not used up. Counts it as used once. */
function takeFault(faults, line) {
	const fault = faults.find((one) => flipOf(one) === null && isDue(one, line));
	if (!fault) return null;
	fault.times--;
	return fault.action;
}
/**
* The byte to change in an answer with the bytes `[start, end)` of a file; null: none. Counts the
* fault as used once.
*/
function takeFlip(faults, line, { start, end }) {
	const fault = faults.find((one) => {
		const at = flipOf(one);
		return at !== null && at >= start && at < end && isDue(one, line);
	});
	if (!fault) return null;
	fault.times--;
	return flipOf(fault);
}
/** Counts a matching request that comes before the fault's first. */
function isDue(fault, line) {
	const { times, match, after = 0 } = fault;
	if (times === 0 || line.search(match) === -1) return false;
	fault.after = after - 1;
	return after <= 0;
}
function flipOf({ action }) {
	return typeof action === "object" && "flip" in action ? action.flip : null;
}

// src/local-hub/server.ts
/** Listens on 127.0.0.1 only; port 0: a free one. */
async function serve(how, port) {
	const running = /* @__PURE__ */ new Set();
	const server = createServer((request, response) => {
		const done = exchange(how, request, response).finally(() => running.delete(done));
		running.add(done);
	});
	await listen(server, port);
	return {
		url: `http://127.0.0.1:${server.address().port}`,
		close: async () => {
			const closed = new Promise((resolve) => server.close(() => resolve()));
			server.closeAllConnections();
			await Promise.all([closed, ...running]);
		}
	};
}
async function listen(server, port) {
	await new Promise((resolve, reject) => {
		server.once("error", reject);
		server.listen(port, "127.0.0.1", resolve);
	});
}
let requests = 0;
/** One request from its first byte to its last, injected faults included. */
async function exchange(how, request, response) {
	const { method = "", url = "", headers } = request;
	const seen = (status, bytes = 0) => how.onRequest?.({
		method,
		url,
		headers,
		origin: how.origin,
		status,
		bytes
	});
	const line = `${method} ${url}`;
	const action = takeFault(how.faults, line) ?? how.draw(line);
	response.setHeader("X-Request-Id", `local-${++requests}`);
	try {
		if (action === "silent") await hold(how, response);
		if (action === "reset" || action === "silent") {
			seen(0);
			request.socket.resetAndDestroy();
			return;
		}
		if (action === "race") await how.race(url);
		const reply = await replyTo(how, request, action);
		if (action === "drop-answer") {
			seen(0);
			request.socket.resetAndDestroy();
			return;
		}
		seen(reply.status, method === "HEAD" ? 0 : bytesOf(reply));
		if ((action === "stall" || action === "trickle") && bytesOf(reply) > 1) await sendSlowly(how, response, reply, action === "trickle");
		else await send(response, reply, method !== "HEAD", action === "truncate" ? .5 : 1);
	} catch {
		response.destroy();
	}
}
/** Keeps a connection open until the client leaves. */
async function hold(how, response) {
	if (response.destroyed) return;
	const left = new Promise((resolve) => response.once("close", resolve));
	how.onSilence?.(() => !response.destroyed);
	await left;
}
/** Sends half of the body at once, or a byte per second, and waits until the client leaves. */
async function sendSlowly(how, response, reply, isTrickle) {
	const body = await readReply(reply);
	response.writeHead(reply.status, {
		...reply.headers,
		"Content-Length": String(body.length)
	});
	response.flushHeaders();
	if (!isTrickle) response.write(body.subarray(0, body.length >> 1));
	let sent = 0;
	const each = () => isTrickle && sent < body.length - 1 && response.write(body.subarray(sent, ++sent));
	const timer = setInterval(each, 1e3);
	await hold(how, response).finally(() => clearInterval(timer));
}
async function replyTo(how, request, action) {
	const given = action !== null && typeof action === "object" ? action : { flip: 0 };
	if ("status" in given) return json$1(given.body ?? { error: "Injected" }, given.status, given.headers);
	const reply = await withFlip(how, `${request.method} ${request.url}`, await compute(how, request));
	if (!("replace" in given) || reply.status >= 300) return reply;
	return given.replace(reply, await readReply(reply));
}
/** The reply, with a bit changed if a fault says so. */
async function withFlip({ faults }, line, reply) {
	const { body } = reply;
	if (!isSlice(body)) return reply;
	const at = takeFlip(faults, line, body);
	return at === null ? reply : {
		...reply,
		body: await flipped(body, at)
	};
}
async function compute(how, request) {
	try {
		checkHost(request);
		return await how.answer(request);
	} catch (error) {
		if (error instanceof Refusal) return refusalReply(error);
		if (request.destroyed && (!request.complete || request.socket.destroyed)) throw error;
		console.error(error);
		return json$1({ error: "Internal Server Error" }, 500);
	}
}
/**
* Refuses other host names than local ones. Otherwise a web page could point its own name at
* 127.0.0.1.
*/
function checkHost(request) {
	if (!/^(127\.0\.0\.1|localhost)(:\d{1,5})?$/i.test(request.headers.host ?? "")) throw new Refusal(421, "This Hub answers on 127.0.0.1 only");
	if (!request.url.startsWith("/")) throw refuse.badRequest("The request target must be a path");
}

// src/local-hub/checkout.ts
/** Files and folders that are not part of an import. */
const ignored$1 = /* @__PURE__ */ new Set([
	".git",
	".DS_Store",
	".cache"
]);
/**
* Changes the readable folder from `previous` to `next`. If `previous` is null (unknown), every
* file is written. LFS files are hard links to their objects if the file system allows it. Others
* are copies, so that a person may edit them.
*/
async function checkout(to, previous, next) {
	await mkdir(to.folder, { recursive: true });
	await mkdir(to.aside, { recursive: true });
	for (const path of previous?.keys() ?? []) if (!next.has(path)) await removeFile(to.folder, path);
	for (const [path, entry] of next) {
		if (previous?.get(path)?.sha256 === entry.sha256) continue;
		await placeFile(to, path, entry);
	}
}
async function removeFile(folder, path) {
	await rm(join(folder, path), { force: true });
	for (let parent = dirname(path); parent !== "."; parent = dirname(parent)) if (!await rmdir(join(folder, parent)).then(() => true, () => false)) return;
}
async function placeFile({ folder, objects, aside }, path, entry) {
	await ensureRealFolders(folder, dirname(path));
	const source = objects.path(entry.sha256);
	const staged = join(aside, randomUUID());
	await (entry.lfs ? link(source, staged).catch(() => copyFile(source, staged)) : copyFile(source, staged));
	const target = join(folder, path);
	if ((await lstat(target).catch(() => null))?.isDirectory()) await rm(target, { recursive: true });
	await rename(staged, target);
	await rm(staged, { force: true });
}
/**
* Replaces links and files on the path by folders: a symbolic link would let the path leave the
* folder.
*/
async function ensureRealFolders(folder, path) {
	if (path === ".") return;
	await ensureRealFolders(folder, dirname(path));
	const full = join(folder, path);
	const there = await lstat(full).catch(() => null);
	if (there?.isDirectory()) return;
	if (there) await rm(full);
	await mkdir(full);
}
/**
* Files of a folder that can be committed: regular files and links to such. Paths have `/`, sorted.
*/
async function filesBelow(folder) {
	const found = [];
	async function walk(path) {
		for (const item of await readdir(join(folder, path), { withFileTypes: true })) {
			if (ignored$1.has(item.name)) continue;
			const inner = path === "" ? item.name : `${path}/${item.name}`;
			if (item.isDirectory()) {
				await walk(inner);
				continue;
			}
			if ((await stat(join(folder, inner)).catch(() => null))?.isFile() && pathProblem(inner) === null) found.push(inner);
		}
	}
	await walk("");
	return found.sort();
}
/** The target of a symbolic link, so that a hard link to it does not link the link. */
async function realFile(path) {
	return realpath(path);
}

// src/local-hub/stored-repo.ts
/** A pull request or discussion. `head` is null for a discussion without changes. */
const discussion = object({
	num: count,
	title: string("text"),
	description: string("text"),
	author: line$2,
	isPullRequest: flag,
	status: oneOf([
		"draft",
		"open",
		"closed",
		"merged"
	]),
	/** Commit of main that the pull request starts from. */
	base: nullable(gitId),
	head: nullable(gitId),
	mergeCommit: nullable(gitId)
});
/**
* Everything of a repository that changes. It is one file, so that one rename changes the state.
*/
const repoState = object({
	private: flag,
	/** Name -> commit. */
	branches: entries(line$2, gitId),
	tags: entries(line$2, object({
		commit: gitId,
		message: string("text")
	})),
	discussions: list(discussion)
});
/**
* One repository: its state in memory and on disk. All changes go through `Store.change`, one at a
* time.
*/
var StoredRepo = class {
	/**
	* `<namespace>/<name>`, of a dataset `datasets/<namespace>/<name>`: key of the store and address.
	*/
	id;
	isDataset;
	/** The id in answers: without `datasets/`. */
	apiId;
	namespace;
	objects;
	/** Files that are not complete yet; cleared on start. */
	aside;
	#history;
	#visible;
	#commits = /* @__PURE__ */ new Map();
	#state = {
		private: false,
		branches: {},
		tags: {},
		discussions: []
	};
	constructor(id, folder) {
		this.id = id;
		this.isDataset = id.startsWith(`${datasetsRoot}/`);
		this.apiId = this.isDataset ? id.slice(datasetsRoot.length + 1) : id;
		this.namespace = this.apiId.split("/")[0];
		this.#history = join(folder, ".hub", id);
		this.#visible = join(folder, id);
		this.aside = join(this.#history, "aside");
		this.objects = new Objects(join(this.#history, "objects"), this.aside);
	}
	get state() {
		return this.#state;
	}
	commit(id) {
		return this.#commits.get(id);
	}
	/** The commits that a revision was made from, along first parents, newest first. */
	history(revision) {
		const ids = [];
		for (let at = this.resolve(revision); at; at = this.#commits.get(at.parents[0] ?? "")) ids.push(at.id);
		return ids;
	}
	/** The one commit whose id starts with `prefix`. */
	commitByPrefix(prefix) {
		const found = [...this.#commits.values()].filter((commit) => commit.id.startsWith(prefix));
		return found.length === 1 ? found[0] : void 0;
	}
	/** The commit that a branch, tag, `HEAD`, `refs/\u2026` or full commit id names. */
	resolve(revision) {
		const { branches, tags, discussions } = this.#state;
		const own = (record, key) => Object.hasOwn(record, key) ? record[key] : void 0;
		const name = revision === "HEAD" ? "main" : revision.replace(/^refs\/(heads|tags)\//, "");
		const pull = /^refs\/pr\/(\d+)$/.exec(revision);
		const id = pull ? discussions.find((discussion) => discussion.num === Number(pull[1]))?.head : own(branches, name) ?? own(tags, name)?.commit ?? revision;
		return id ? this.#commits.get(id) : void 0;
	}
	async load() {
		await rm(this.aside, {
			recursive: true,
			force: true
		});
		const folder = join(this.#history, "commits");
		for (const name of await readdir(folder)) {
			if (!name.endsWith(".json")) continue;
			const path = join(folder, name);
			const commit = decodeCommit(await readFile(path, "utf8"), path);
			this.#commits.set(commit.id, commit);
		}
		const file = storedFile(join(this.#history, "state.json"));
		this.#state = parse(repoState, readJson$1(await readFile(file.where, "utf8"), file), file);
		await this.#show();
	}
	/** Writes a new commit to disk. Nothing refers to it yet. */
	async addCommit(commit) {
		if (this.#commits.has(commit.id)) return;
		await writeAtomically(join(this.#history, "commits", `${commit.id}.json`), encodeCommit(commit));
		this.#commits.set(commit.id, commit);
	}
	/** Writes the next state to disk. From then on its commits, branches and tags exist. */
	async setState(next) {
		await writeAtomically(join(this.#history, "state.json"), `${JSON.stringify(next, null, 1)}\n`);
		this.#state = next;
		await this.#show().catch((error) => console.error(`${this.#visible} does not show ${this.id}: ${error}`));
	}
	/**
	* Updates the readable folder to main. The file `shown` names its commit: after a crash the next
	* start repeats it.
	*/
	async #show() {
		const head = this.resolve("main");
		if (!head) return;
		const marker = join(this.#history, "shown");
		const shown = await readFile(marker, "utf8").then((text) => text.trim(), () => "");
		if (shown === head.id && await exists(this.#visible)) return;
		const previous = await exists(this.#visible) ? this.#commits.get(shown)?.tree ?? null : null;
		const to = {
			folder: this.#visible,
			objects: this.objects,
			aside: this.aside
		};
		await checkout(to, previous, head.tree);
		await writeAtomically(marker, `${head.id}\n`);
	}
	/**
	* Copies a folder's files to the objects. The folder's own `.gitattributes` decides what is LFS.
	*/
	async takeFolder(folder, mayLink) {
		const paths = await filesBelow(folder);
		const attributes = paths.includes(".gitattributes") ? await readFile(join(folder, ".gitattributes"), "utf8") : initialAttributes;
		const entries = [];
		for (const path of paths) entries.push([path, await this.#takeFile(join(folder, path), path, attributes, mayLink)]);
		return sortTree(entries);
	}
	async #takeFile(file, path, attributes, mayLink) {
		const source = await realFile(file);
		const { size } = await stat(source);
		if (goesToLfs(attributes, path) || size >= 10485760) {
			const hashed = await this.objects.take(source, mayLink);
			return lfsEntry(hashed.sha256, hashed.size);
		}
		const bytes = await readFile(source);
		return this.addRegular(bytes);
	}
	async addRegular(bytes) {
		const entry = regularEntry(bytes);
		if (await this.objects.size(entry.sha256) === null) await this.objects.put(bytes, entry.sha256);
		return entry;
	}
	/**
	* Records that the readable folder has the files of `commit`, because it was made from that
	* folder.
	*/
	async markShown(commit) {
		await writeAtomically(join(this.#history, "shown"), `${commit.id}\n`);
	}
	async hasHistory() {
		return exists(join(this.#history, "state.json"));
	}
	/** Removes a history that a crash left without a state. */
	async clear() {
		await rm(this.#history, {
			recursive: true,
			force: true
		});
	}
	/**
	* Removes the repository. After a crash before the rename, the next start restores the readable
	* folder.
	*/
	async destroy() {
		await rm(this.#visible, {
			recursive: true,
			force: true
		});
		const removed = `${this.#history}.${randomUUID()}.removed`;
		await rename(this.#history, removed);
		await rm(removed, {
			recursive: true,
			force: true
		});
	}
};

// src/local-hub/webhooks.ts
/** All refs of a repository. */
function refsOf({ state }) {
	const { branches, tags, discussions } = state;
	const pulls = discussions.flatMap(({ num, head }) => head === null ? [] : [[`refs/pr/${num}`, head]]);
	return new Map([
		...Object.entries(branches).map(([name, id]) => [`refs/heads/${name}`, id]),
		...Object.entries(tags).map(([name, { commit }]) => [`refs/tags/${name}`, commit]),
		...pulls
	]);
}
function movedRefs(before, after) {
	return [.../* @__PURE__ */ new Set([...before.keys(), ...after.keys()])].filter((ref) => before.get(ref) !== after.get(ref)).map((ref) => ({
		ref,
		oldSha: before.get(ref) ?? null,
		newSha: after.get(ref) ?? null
	}));
}
/**
* Tells all webhooks that watch the repository. A receiver that fails is not asked again, and does
* no harm to the request that moved the refs.
*/
async function notify(webhooks, repo, { moved, origin }) {
	if (moved.length === 0) return;
	const head = repo.resolve("main");
	const id = (text) => sha256Of(text).slice(0, 24);
	const body = {
		event: {
			action: "update",
			scope: "repo.content"
		},
		repo: {
			type: repo.isDataset ? "dataset" : "model",
			name: repo.apiId,
			id: id(repo.id),
			private: repo.state.private,
			url: {
				web: `${origin}/${repo.id}`,
				api: `${origin}/api/models/${repo.apiId}`
			},
			...head && {
				headSha: head.id,
				lastModified: dateOf(head)
			},
			owner: { id: id(repo.namespace) }
		},
		updatedRefs: moved
	};
	const watching = webhooks.filter(({ watched }) => [repo.apiId, repo.namespace].some((name) => watched.includes(name)));
	for (const { url, secret } of watching) {
		const webhook = {
			id: id(url),
			version: 3
		};
		await fetch(url, {
			method: "POST",
			headers: {
				"Content-Type": "application/json",
				...secret === void 0 ? {} : { "X-Webhook-Secret": secret }
			},
			body: JSON.stringify({
				...body,
				webhook
			})
		}).then((answer) => answer.body?.cancel(), () => {});
	}
}

// src/local-hub/store.ts
/**
* All repositories of one folder. `<folder>/<org>/<name>/` has the files of main, for people to
* read. `<folder>/.hub/<org>/<name>/` has objects, commits and refs. For a dataset it is
* `datasets/<org>/<name>/` in both. A readable folder without a history becomes a repository when
* the store opens.
*/
var Store = class Store {
	folder;
	/** Called after each change of a repository that moved refs. */
	onMoved = () => {};
	#repos = /* @__PURE__ */ new Map();
	#tails = /* @__PURE__ */ new Map();
	constructor(folder) {
		this.folder = folder;
	}
	static async open(folder) {
		const store = new Store(folder);
		await makeFolder(join(folder, ".hub"));
		for (const id of await store.#idsOnDisk()) {
			const repo = new StoredRepo(id, folder);
			if (await repo.hasHistory()) await repo.load();
			else await store.#import(repo);
			if (repo.resolve("main")) store.#repos.set(id, repo);
		}
		return store;
	}
	/** Legal `<org>/<name>` folders, with a history or without. */
	async #idsOnDisk() {
		const ids = /* @__PURE__ */ new Set();
		for (const root of [join(this.folder, ".hub"), this.folder]) for (const id of [...await idsBelow(root, ""), ...await idsBelow(root, `${datasetsRoot}/`)]) ids.add(id);
		return [...ids].sort();
	}
	async #import(repo) {
		await repo.clear();
		const folder = join(this.folder, repo.id);
		if (!await exists(folder)) return;
		const commit = makeCommit([], await repo.takeFolder(folder, true), {
			title: "Import",
			author: "local"
		});
		await repo.addCommit(commit);
		await repo.markShown(commit);
		await repo.setState({
			private: false,
			branches: { main: commit.id },
			tags: {},
			discussions: []
		});
	}
	get(id) {
		return this.#repos.get(id);
	}
	/** Every repo, by id. */
	all() {
		return [...this.#repos.values()].sort((a, b) => a.id < b.id ? -1 : 1);
	}
	/**
	* Runs the changes of one repository one after another. Readers see the state before or after a
	* change.
	*/
	async change(id, run) {
		const key = id.toLowerCase();
		const before = this.#tails.get(key) ?? Promise.resolve();
		const watched = () => this.#watch(id, run);
		const mine = before.then(watched, watched);
		const tail = mine.catch(() => {});
		this.#tails.set(key, tail);
		try {
			return await mine;
		} finally {
			if (this.#tails.get(key) === tail) this.#tails.delete(key);
		}
	}
	async #watch(id, run) {
		const known = this.get(id);
		const old = known ? refsOf(known) : /* @__PURE__ */ new Map();
		const result = await run();
		const repo = this.get(id);
		const moved = repo ? movedRefs(old, refsOf(repo)) : [];
		if (repo && moved.length > 0) this.onMoved(repo, moved);
		return result;
	}
	/**
	* Creates a repository with `.gitattributes` and `files`. Throws 409 if the id exists in any
	* case.
	*/
	async create(id, isPrivate, files, url) {
		return this.change(id, async () => {
			const taken = this.all().find((repo) => repo.id.toLowerCase() === id.toLowerCase());
			if (taken) throw refuse.conflict("You already created this model repo", { url: `${url}/${taken.id}` });
			const repo = new StoredRepo(id, this.folder);
			await repo.clear();
			const tree = [];
			for (const [path, bytes] of new Map([[".gitattributes", Buffer.from(initialAttributes)], ...files])) tree.push([path, await repo.addRegular(bytes)]);
			await this.#start(repo, sortTree(tree), isPrivate);
			return repo;
		});
	}
	async #start(repo, tree, isPrivate) {
		const commit = makeCommit([], tree, {
			title: "initial commit",
			author: "local"
		});
		await repo.addCommit(commit);
		await repo.setState({
			private: isPrivate,
			branches: { main: commit.id },
			tags: {},
			discussions: []
		});
		this.#repos.set(repo.id, repo);
		return commit;
	}
	/**
	* Commits to main of `id` exactly the files of `folder`. Creates the repository if it is missing.
	*/
	async seed(id, folder) {
		return this.change(id, async () => {
			const known = this.get(id);
			const repo = known ?? new StoredRepo(id, this.folder);
			const tree = await repo.takeFolder(folder, false);
			if (!known) return this.#start(repo, tree, false);
			const head = repo.resolve("main");
			if (sameTree(head.tree, tree)) return head;
			const commit = makeCommit([head], tree, {
				title: "Seed",
				author: "local"
			});
			await repo.addCommit(commit);
			await repo.setState({
				...repo.state,
				branches: {
					...repo.state.branches,
					main: commit.id
				}
			});
			return commit;
		});
	}
	async remove(id) {
		await this.change(id, async () => {
			const repo = this.get(id);
			if (!repo) throw refuse.noRepository(true);
			this.#repos.delete(id);
			await repo.destroy();
		});
	}
};
async function idsBelow(root, prefix) {
	const found = [];
	if (!await exists(join(root, prefix))) return found;
	for (const namespace of await foldersIn(join(root, prefix))) {
		if (!isLegalName(namespace)) continue;
		for (const name of await foldersIn(join(root, prefix, namespace))) found.push(`${prefix}${namespace}/${name}`);
	}
	return found.filter(isLegalId);
}
async function foldersIn(path) {
	return (await readdir(path, { withFileTypes: true })).filter((item) => item.isDirectory()).map((item) => item.name);
}

// src/local-hub/stranger.ts
/** A file that somebody else commits. */
const strangersFile = "somebody-elses.txt";
/**
* Lets somebody else commit to the branch that a request with this address is about to commit to,
* so that the request comes too late.
*/
async function commitAsStranger(store, url) {
	const found = /^\/api\/models\/([^/]+\/[^/]+)\/commit\/([^/?]+)/.exec(url);
	const repo = store.get(found?.[1] ?? "");
	const branch = decodeURIComponent(found?.[2] ?? "");
	if (!repo) return;
	await store.change(repo.id, async () => {
		const head = repo.resolve(branch);
		if (!head || !Object.hasOwn(repo.state.branches, branch)) return;
		const added = await repo.addRegular(Buffer.from(`after ${head.id}\n`));
		const tree = sortTree([...head.tree, [strangersFile, added]]);
		const commit = makeCommit([head], tree, {
			title: "Somebody else's",
			author: "stranger"
		});
		await repo.addCommit(commit);
		const branches = {
			...repo.state.branches,
			[branch]: commit.id
		};
		await repo.setState({
			...repo.state,
			branches
		});
	});
}

// src/local-hub/local-hub.ts
/**
* Starts a Hub on 127.0.0.1. The same requests give the same commits; clock and ports do not
* matter.
*/
async function startLocalHub(options) {
	const store = await Store.open(options.folder).catch((error) => cannotUse(options.folder, error));
	const storage = new Storage(store);
	const faults = options.faults ?? [];
	const drawn = [];
	const shared = {
		faults,
		draw: options.world ? createWorld(options.world, drawn) : () => null,
		race: (url) => commitAsStranger(store, url),
		onSilence: options.onSilence,
		onRequest: options.onRequest
	};
	const handle = (request) => storage.handle(request);
	const storageServer = await serve({
		...shared,
		origin: "storage",
		answer: handle
	}, 0);
	storage.url = storageServer.url;
	const collections = await CollectionStore.open(options.folder);
	const publishers = new TrustedPublishers({
		publishers: options.publishers ?? {},
		lifetime: options.tokenLifetime ?? 3600,
		now: options.now ?? Date.now
	});
	const answer = answersOf(options, {
		store,
		storage,
		collections,
		publishers
	});
	const hubServer = await serve({
		...shared,
		origin: "hub",
		answer
	}, options.port ?? 0).catch(async (error) => {
		await storageServer.close();
		throw portInUse(options.port, error);
	});
	const told = tellWebhooks(store, options.webhooks ?? [], hubServer.url);
	return {
		url: hubServer.url,
		identityOf: (run) => publishers.environment(hubServer.url, run),
		storageUrl: storage.url,
		faults,
		drawn,
		uploads: storage.received,
		get leakedTokens() {
			return storage.leakedTokens;
		},
		close: async () => {
			await Promise.all([
				hubServer.close(),
				storageServer.close(),
				...told
			]);
		},
		seed: (id, folder) => seed(store, id, folder),
		head: (id, branch = "main") => store.get(id)?.resolve(branch)?.id ?? null,
		history: (id, branch = "main") => store.get(id)?.history(branch) ?? [],
		files: (id, branch = "main") => store.get(id)?.resolve(branch)?.tree ?? /* @__PURE__ */ new Map()
	};
}
/** Tells the webhooks of every change. Gives the messages that are on their way. */
function tellWebhooks(store, webhooks, origin) {
	const told = /* @__PURE__ */ new Set();
	store.onMoved = (repo, moved) => {
		const message = notify(webhooks, repo, {
			moved,
			origin
		}).finally(() => told.delete(message));
		told.add(message);
	};
	return told;
}
/** Answers the requests to the Hub's own origin. */
function answersOf(options, parts) {
	const hub = {
		...parts,
		users: parts.publishers.users(userTable(options.users)),
		gated: options.gated ?? {},
		lfsThreshold: options.lfsThreshold ?? 10485760,
		pageSize: options.pageSize ?? 1e3
	};
	const table = routes({
		multipartThreshold: options.multipartThreshold ?? 33554432,
		partSize: options.partSize ?? 16777216
	});
	return (request) => answerHub(hub, table, request);
}
async function seed(store, id, folder) {
	if (!isLegalId(id)) throw new OqeError("BAD_INPUT", `${id} is not a legal repository id`, "Use <namespace>/<name>.");
	return (await store.seed(id, folder).catch((error) => cannotUse(folder, error))).id;
}
function portInUse(port, error) {
	const message = `Port ${port} cannot be used: ${reasonOf(error)}`;
	return new OqeError("BAD_INPUT", message, "Choose another port.", error);
}
function cannotUse(folder, error) {
	if (error instanceof OqeError) throw error;
	throw new OqeError("DISK", `${folder} cannot be used: ${reasonOf(error)}`, "It must be a folder that can be read and written.", error);
}

// src/plan/explain.ts
/** Summarizes a plan by role, in the order of the role table. */
function explainPlan(plan, tensors, storage, sensitivity) {
	const quantized = tensors.filter((tensor) => widthOf(plan, tensor) !== void 0);
	const costs = sensitivity === null ? null : costsOfPlan(plan, sensitivity);
	return [...new Set(quantized.map((tensor) => tensor.role.role))].map((role) => {
		const own = quantized.filter((tensor) => tensor.role.role === role);
		const layers = own.flatMap(({ layer }) => layer === null ? [] : [layer]);
		const modules = own.map(modulePath);
		return {
			role,
			layers: layers.length === 0 ? null : [layers[0], layers.at(-1)],
			widths: modules.map((module) => plan.modules[module]),
			bytes: own.reduce((sum, tensor) => sum + quantizedBytes(tensor.shape, widthOf(plan, tensor), storage), 0),
			share: costs && modules.reduce((sum, module) => sum + costs.share(module), 0),
			next: costs && nextBoost(own, plan, storage, costs)
		};
	});
}
function costsOfPlan(plan, sensitivity) {
	const widths = new Map(sensitivity.tensors.map((tensor) => [tensor.module, tensor.widths]));
	const at = (module, to) => isMxfp4(to) ? {
		forcedKl: 0,
		flipPower: 0
	} : widths.get(module).find(({ bits }) => bits === to.bits);
	const own = (module) => at(module, plan.modules[module]);
	const power = Object.keys(plan.modules).reduce((sum, module) => sum + own(module).flipPower, 0);
	const forcedKl = Object.keys(plan.modules).reduce((sum, module) => sum + own(module).forcedKl, 0);
	const factor = flipFactor(sensitivity);
	const flips = flipLoss(factor, power);
	const total = forcedKl + flips;
	return {
		share: (module) => (own(module).forcedKl + (power > 0 ? flips * own(module).flipPower / power : 0)) / (total || 1),
		saving(module, to) {
			const [now, then] = [own(module), at(module, to)];
			return now.forcedKl - then.forcedKl + flips - flipLoss(factor, Math.max(0, power - now.flipPower + then.flipPower));
		}
	};
}
function nextBoost(tensors, plan, storage, costs) {
	let best = null;
	for (const tensor of tensors) {
		const module = modulePath(tensor);
		const width = plan.modules[module];
		for (const to of [
			4,
			5,
			6,
			8
		].map((bits) => widthAt(tensor, bits))) {
			const bytes = quantizedBytes(tensor.shape, to, storage) - quantizedBytes(tensor.shape, width, storage);
			if (bytes <= 0) continue;
			const saves = costs.saving(module, to);
			if (best === null || saves / bytes > best.saves / best.bytes) best = {
				module,
				from: width,
				to,
				bytes,
				saves
			};
		}
	}
	return best;
}

// src/series/verify-checks.ts
/** Checks that `oqe verify` makes before it evaluates. Each throws BAD_INPUT. */
const chunk = 1 << 24;
/**
* Every file of the receipt is there with its size and its SHA-256. There are no other shards. The
* Hub tells the hash of a large file; shards are compared with it when they are read.
*/
async function checkFiles({ files }, target) {
	for (const [path, { bytes, sha256 }] of Object.entries(files)) {
		const size = target.files.get(path);
		if (size === void 0) throw other(target, `${path} is missing, ${receiptPath} lists it`);
		if (size !== bytes) throw other(target, `${path} has ${grouped(size)} bytes, ${receiptPath} says ${grouped(bytes)}`);
		const isRead = target.id === null || !path.endsWith(".safetensors");
		const found = (target.id === null ? void 0 : target.sha256?.get(path)) ?? (isRead ? await hashOf(target, path) : sha256);
		if (found !== sha256) throw other(target, `${path} has the SHA-256 ${found}, ${receiptPath} says ${sha256}`);
	}
	for (const path of target.files.keys()) if (path.endsWith(".safetensors") && !Object.hasOwn(files, path)) throw other(target, `${path} is a shard that ${receiptPath} does not list`);
}
async function hashOf(target, path) {
	const source = await target.open(path);
	const hash = createHash("sha256");
	for (let at = 0; at < source.size; at += chunk) hash.update(await source.read(at, Math.min(chunk, source.size - at)));
	return hash.digest("hex");
}
/** The config has the widths of the receipt's plan. (The shards were compared with the config.) */
function checkWidths({ plan }, target, { tensors }) {
	const show = (width) => width === void 0 ? "unquantized" : `${width.mode ?? `${width.bits}-bit`} in groups of ${width.groupSize}`;
	const found = new Map(tensors.map((tensor) => [modulePath(tensor), tensor.width]));
	for (const module of /* @__PURE__ */ new Set([...found.keys(), ...Object.keys(plan.modules)])) {
		const [has, planned] = [found.get(module), plan.modules[module]];
		if (!(has && planned ? sameWidth(has, planned) : has === planned)) throw other(target, `config.json has "${module}" ${show(has)}, ${receiptPath} says ${show(planned)}`);
	}
}
/** Carried tensors have the base's values, decoded and moved as declared. Reads them in both. */
async function checkCarried({ carried, checkpoint }, target, finished, kernel) {
	const theirs = finished.checkpoint;
	for (const { name, dtype, shape } of carried) {
		const found = theirs.tensors.get(name);
		if (!(found?.dtype === dtype && found.shape.join() === shape.join())) throw other(target, `tensor "${name}" ${found === void 0 ? "is missing" : `is ${found.dtype} [${found.shape}]`}, of the base ${dtype} [${shape}]`);
	}
	for await (const { range, bytes } of readCarried(carried, checkpoint, kernel)) {
		const { name } = range.tensor;
		const stored = await theirs.read(name, range.start, bytes.length);
		if (Buffer.compare(stored, bytes) !== 0) throw other(target, `tensor "${name}" does not have the base's values`);
	}
}
function nameOf$1({ id, name }) {
	return id ?? name;
}
function other(target, what) {
	return new OqeError("GATE", `${nameOf$1(target)}: ${what}`, "Receipt, config and shards come from different runs. Download it again, or quantize again.");
}
/** Checks that the base is the receipt's. Returns a line for the log if this cannot be known. */
async function checkBase({ base: claimed }, { checkpoint }) {
	const { repository } = checkpoint;
	const ofFolder = claimed.revision.startsWith("sha256:");
	const revision = ofFolder ? await fingerprint(repository) : repository.revision;
	if (revision === claimed.revision) return null;
	const name = repository.id ?? repository.name;
	if (!ofFolder && revision.startsWith("sha256:")) return `the receipt names ${claimed.id ?? claimed.name} at ${claimed.revision}; whether the folder ${name} is the same is unknown`;
	throw new OqeError("BAD_INPUT", `the base ${name} is at ${revision}, ${receiptPath} says ${claimed.revision} of ${claimed.id ?? claimed.name}`, claimed.id === null ? "Name the folder that the tier was made from." : `Name the base as it was: --base ${claimed.id}@${claimed.revision}.`);
}
/** Base and target have the same architecture and shapes. */
function checkShapes(base, target, finished) {
	const wrong = (what) => new OqeError("BAD_INPUT", `${nameOf$1(target)} is not a quant of ${nameOf$1(base.checkpoint.repository)}: ${what}`, "Name the model that it was made from with --base.");
	const [ours, theirs] = [finished.architecture.modelType, base.architecture.modelType];
	if (ours !== theirs) throw wrong(`it is a ${ours} model, the base a ${theirs} one`);
	const shapes = new Map(base.tensors.map(({ name, shape }) => [name, shape]));
	const missing = base.tensors.find(({ name }) => !finished.tensors.some((tensor) => tensor.name === name));
	if (missing !== void 0) throw wrong(`it has no tensor "${missing.name}"`);
	for (const { name, shape } of finished.tensors) {
		const expected = shapes.get(name);
		if (expected === void 0) throw wrong(`the base has no tensor "${name}"`);
		if (elements(expected) !== elements(shape) || expected.at(-1) !== shape.at(-1)) throw wrong(`tensor "${name}" is [${shape.join(", ")}], of the base [${expected.join(", ")}]`);
	}
}
/** Figures that must agree with the receipt's. */
const compared = [
	"meanKl",
	"forcedMeanKl",
	"sameTop",
	"perplexity",
	"routerAgreement"
];
/**
* Allowed difference as a share of the larger figure. Two kernels may differ in the last bit of a
* sum, and then choose different experts of almost equal score.
*/
const tolerance = .02;
/** On WikiText-2. */
const comparedOnWikitext = [
	"meanKl",
	"sameTop",
	"perplexity",
	"basePerplexity"
];
/** Of the stock quant. */
const comparedOfStock = [
	"bytes",
	"meanKl",
	"sameTop",
	"perplexity"
];
/** One sentence for every figure that differs from the receipt's, if the rows are the same. */
function compareEvaluations({ evaluation: claimed }, measured) {
	if (claimed === null || claimed.rows.sha256 !== measured.rows.sha256) return [];
	const [stock, claimedStock] = [measured.stock, claimed.stock];
	return [
		...compared.flatMap((figure) => difference(figure, measured[figure], claimed[figure])),
		...stock === null || claimedStock === null ? [] : comparedOfStock.flatMap((figure) => difference(`${figure} of mlx_lm.convert -q`, stock[figure], claimedStock[figure])),
		...wikitextDifferences(measured.wikitext, claimed.wikitext)
	];
}
/** None where the chunks are not the same. */
function wikitextDifferences(measured, claimed) {
	if (measured === void 0 || measured.rows.sha256 !== claimed?.rows.sha256) return [];
	return comparedOnWikitext.flatMap((figure) => difference(`${figure} on WikiText-2`, measured[figure], claimed[figure]));
}
function difference(what, measured, claimed) {
	const [ours, theirs] = [measured ?? 0, claimed ?? 0];
	return Math.abs(ours - theirs) <= tolerance * Math.max(ours, theirs) + 1e-6 ? [] : [`${what} is ${ours}, ${receiptPath} says ${theirs}`];
}

// src/series/verify.ts
/**
* Evaluates a finished repository, ours or of `mlx_lm.convert -q`, against its base. The rows are
* those of its receipt, unless the inputs name others. Nothing is downloaded whole.
* Throws BAD_INPUT if the target differs from its receipt, if the base is another one, or if the
* evaluation rows overlap the calibration rows.
*/
async function verify(model, inputs, { report, connect, openKernel }) {
	const target = await report.stage("Open the target", () => openRepository(model, connect));
	const receipt = await readOwnReceipt(target);
	const reference = inputs.baseModel ?? baseOf(target, receipt);
	const carry = receipt?.options.carry ?? [];
	const loader = await loaderOf(target);
	const open = () => openBase(reference, connect, {
		allowHeaderOnly: false,
		carry,
		loader
	});
	const base = await report.stage("Open the base model", open);
	try {
		if (receipt !== null) {
			const check = () => checkFiles(receipt, target);
			await report.stage("Check the files against the receipt", check);
			report.info(`${Object.keys(receipt.files).length} files as in the receipt`);
			const note = await checkBase(receipt, base);
			if (note !== null) report.warn(note);
		}
		const kernel = await openKernel();
		try {
			return await evaluateTarget({
				target,
				receipt,
				base,
				inputs,
				kernel,
				report,
				connect
			});
		} finally {
			await kernel.close();
		}
	} finally {
		await Promise.all([base.checkpoint.close(), target.close?.()]);
	}
}
/** The base as the receipt has it. Throws BAD_INPUT if it names none that can be opened. */
function baseOf(target, receipt) {
	const { id = null, revision = "" } = receipt?.base ?? {};
	if (id !== null) return {
		kind: "hub",
		id,
		revision
	};
	const why = receipt === null ? `it has no ${receiptPath}` : `it was made from the folder ${receipt.base.name}, which is not on the Hub`;
	throw new OqeError("BAD_INPUT", `${nameOf(target)} does not say where its base is: ${why}`, "Name the model that it was made from: --base <folder>, or --base org/name[@revision].");
}
async function evaluateTarget(request) {
	const { target, receipt, base, inputs, kernel, report } = request;
	const finished = await openFinished(target, kernel);
	try {
		checkShapes(base, target, finished);
		if (receipt !== null) checkWidths(receipt, target, finished);
		const compare = () => checkCarried(base, target, finished, kernel);
		if (base.carried.length > 0) await report.stage("Compare carried tensors", compare);
		const rows = await report.stage("Draw the rows", () => drawRows(request));
		const tier = {
			model: finished,
			predicted: receipt?.plan.predicted ?? null,
			limits: limits(receipt, inputs.gates),
			rounded: true
		};
		const asked = {
			base,
			tier: {
				tier: nameOf(target),
				modules: {},
				bytes: [...target.files.values()].reduce((sum, size) => sum + size, 0)
			},
			rows
		};
		const { workDir: folder, memoryLimit } = inputs;
		const plan = await estimateEvaluation(asked, {
			folder,
			memoryLimit
		}, {
			kernel,
			report
		});
		const states = {
			folder,
			memory: plan.memoryForStates,
			report
		};
		const both = [base.checkpoint, finished];
		const [evaluation] = await report.stage("Evaluate", () => withStates(states, (keep, keepBytes) => withWaitingBytes(both, {
			keep: keepBytes,
			most: plan.mostWaiting
		}, async () => {
			const found = await evaluateTiers({
				base,
				rows,
				tiers: [tier],
				kernel,
				report,
				keep
			});
			for (const checkpoint of both) await proveReads(checkpoint, report);
			return found;
		})));
		return {
			evaluation,
			target: {
				name: nameOf(target),
				revision: target.revision
			},
			receipt,
			conclusion: conclude(receipt, evaluation),
			failure: judge(target, receipt, evaluation)
		};
	} finally {
		await finished.close();
	}
}
async function readOwnReceipt(target) {
	if (!target.files.has("oqe-receipt.json")) return null;
	return parseReceipt(await readText$1(target, receiptPath), `${nameOf(target)}/${receiptPath}`);
}
/** The evaluation rows. Throws BAD_INPUT if they overlap the receipt's calibration rows. */
async function drawRows(request) {
	const { base, receipt, inputs, report, connect } = request;
	const draw = await rowDrawer(base);
	const claimed = receipt?.evaluationRows;
	const { samples, length } = evaluationShape(base, {
		samples: inputs.evaluationSamples ?? claimed?.samples,
		length: inputs.evaluationLength ?? claimed?.length
	});
	const text = inputs.evaluation.kind === "bundled" && claimed?.source.startsWith("datasets/") === true ? parseText("evaluation", claimed.source) : inputs.evaluation;
	const own = draw(await openEvaluation(text, connect), samples, length);
	const chunks = receipt?.wikitextRows?.samples ?? inputs.wikitextChunks;
	const wikitext = await drawWikitext(base, inputs.wikitext, chunks);
	const evaluation = wikitext === null ? own : {
		...own,
		wikitext
	};
	const published = receipt?.evaluation?.rows;
	if (published !== void 0 && evaluation.rows.sha256 !== published.sha256) report.warn(`these are not the receipt's rows (${published.source}): the figures will differ`);
	for (const line of wikitextWarnings(receipt, wikitext)) report.warn(line);
	if (receipt?.calibration == null) return evaluation;
	const calibration = await redraw(receipt, draw, request);
	if (calibration !== null) {
		refuseOverlap(calibration, evaluation);
		if (wikitext !== null) refuseOverlap(calibration, wikitext, "wikitext");
	} else report.warn("the calibration rows cannot be drawn again: whether the evaluation rows overlap them is unknown");
	return evaluation;
}
/** What cannot be compared with the receipt's figures on WikiText-2. */
function wikitextWarnings(receipt, drawn) {
	const claimed = receipt?.wikitextRows;
	if (claimed === void 0) return [];
	if (drawn === null) return [`WikiText-2 is not measured again: name its text by --wikitext ${claimed.source}`];
	if (drawn.rows.sha256 === claimed.sha256) return [];
	return ["this is not the receipt's text of WikiText-2: the figures on it will differ"];
}
/**
* The calibration rows of the receipt. null: their text is missing. The inputs do not name the
* file, or it is the bundled text of another engine.
*/
async function redraw({ calibration, engine: maker }, draw, { inputs, connect }) {
	const { source, sha256, samples, length } = calibration;
	const isFile = source !== "bundled" && !source.startsWith("datasets/");
	const named = inputs.calibration.kind !== "bundled";
	if (isFile && !named) return null;
	const reference = named ? inputs.calibration : parseText("calibration", source === "bundled" ? "" : source);
	const rows = draw(await openCalibration(reference, connect), samples, length);
	if (rows.rows.sha256 === sha256) return rows;
	if (source === "bundled" && !named && maker.version !== engine.version) return null;
	throw new OqeError("BAD_INPUT", `calibration: the rows of ${rows.record.source} have the SHA-256 ${rows.rows.sha256}, ${receiptPath} says ${sha256} of ${source}`, "Name the text that the tier was tuned on with --calibration.");
}
/** The limits that a publish would use. For a target without receipt: the limits of the inputs. */
function limits(receipt, gates) {
	if (receipt !== null) return limitsOf(gates, receipt.plan);
	const given = gateNames.flatMap((gate) => gates[gate].all === void 0 ? [] : [[gate, gates[gate].all]]);
	return Object.fromEntries(given);
}
/** Failed gates and differences from the receipt as one error; null: there are none. */
function judge(target, receipt, evaluation) {
	const failures = [...describeFailures(evaluation.gates), ...receipt === null ? [] : compareEvaluations(receipt, evaluation)];
	if (failures.length === 0) return null;
	return new OqeError("GATE", `${nameOf(target)}: ${failures.join("; ")}`, "The figures are printed above. To set another limit: --max-kl 0.3.");
}
/** The last line: what matches the receipt, and what does not. The files were checked before. */
function conclude(receipt, evaluation) {
	if (receipt === null) return `There is no ${receiptPath}: nothing says what the figures should be.`;
	const published = receipt.evaluation;
	if (published === null) return "Every file matches the receipt. It has no figures.";
	if (published.rows.sha256 !== evaluation.rows.sha256) return "Every file matches the receipt. Its figures are of other rows.";
	const differences = compareEvaluations(receipt, evaluation);
	const missing = published.wikitext?.rows.sha256 !== evaluation.wikitext?.rows.sha256;
	if (differences.length === 0 && published.wikitext && missing) return "Every file and every figure matches the receipt, but WikiText-2 was not measured again.";
	return differences.length === 0 ? "Every file and every figure matches the receipt." : `Every file matches the receipt, but not every figure: ${differences.join("; ")}.`;
}
function nameOf({ id, name }) {
	return id ?? name;
}

// src/chart/series-picture.ts
/** Pixels of the plot and of what is around it. */
const plot = {
	left: 66,
	right: 26,
	height: 300,
	below: 54
};
/** Of more points, only marks are drawn: their labels would cover each other. */
const mostLabels = 16;
/** Models with a color and a place in the legend. The others are grey. */
const mostNamed = 2 * lineColors.length;
/** Sizes that differ by more than this factor are on a logarithmic axis. */
const mostLinear = 8;
/**
* KL divergence against size for the series of many models, on a logarithmic scale. Points at 0
* have no place on it and are left out. null: no point is left.
*/
function seriesDrawing(lines) {
	const spots = lines.flatMap(({ points }, line) => points.filter(({ mean, bytes }) => Number.isFinite(mean) && mean > 0 && bytes > 0).map((point) => ({
		...point,
		line
	})));
	if (spots.length === 0) return null;
	const unit = unitOf(spots);
	const { scale: sizes, isLog } = sizeScale(spots.map(({ bytes }) => bytes / unit.size));
	const means = logScale(spots.map(({ mean }) => mean));
	const at = ({ bytes, mean }) => [sizes.place(bytes / unit.size), means.place(mean)];
	const head = heading("KL divergence from each base against size", "Mean in nats, logarithmic; lower is better. Bars: ± 1 standard error.");
	const signs = legend(lines, spots, head.bottom + 12);
	const top = signs.bottom + 14;
	return {
		height: top + plot.height + plot.below,
		title: "KL divergence from the base model against size, for the tiers of every model",
		option: {
			grid: {
				left: plot.left,
				right: plot.right,
				top,
				height: plot.height
			},
			graphic: { elements: [
				...head.elements,
				...signs.elements,
				...labels(spots, at, top)
			] },
			xAxis: scaleAxis(sizes, {
				name: `Size in ${unit.name}${isLog ? ", logarithmic" : ""}`,
				nameLocation: "middle",
				nameGap: 32
			}),
			yAxis: scaleAxis(means),
			series: [
				...lines.map((_, line) => dottedPath(spots.filter((spot) => spot.line === line && !spot.isStock).map(at), colorOf(line).light)),
				errorBars(spots, {
					at,
					means,
					colorOf: ({ line }) => colorOf(line).light,
					cap: 0
				}),
				...spots.map((spot) => ({
					...markOf(spot),
					type: "scatter",
					silent: true,
					clip: false,
					data: [at(spot)]
				}))
			]
		}
	};
}
function sizeScale(sizes) {
	const isLog = Math.max(...sizes) > mostLinear * Math.min(...sizes);
	return {
		scale: isLog ? logScale(sizes) : linearScale(sizes),
		isLog
	};
}
function colorOf(line) {
	return line < mostNamed ? lineColors[line % lineColors.length] : colors.rounded;
}
/** Models of the same color have another mark. Quants of stock tools are hollow squares. */
function markOf({ line, isStock }) {
	const color = colorOf(line).light;
	const symbol = isStock ? "rect" : line < lineColors.length ? "circle" : "diamond";
	const itemStyle = isStock ? {
		color: colors.panel.light,
		borderColor: color,
		borderWidth: 2,
		opacity: 1
	} : {
		color,
		opacity: 1
	};
	return {
		symbol,
		symbolSize: symbol === "diamond" ? 13 : isStock ? 9 : 11,
		itemStyle
	};
}
function legend(lines, spots, y) {
	const shown = lines.flatMap(({ name }, line) => line < mostNamed && spots.some((spot) => spot.line === line) ? [{
		mark: legendMark(line),
		label: labelText(name, 440 - 80)
	}] : []);
	const others = new Set(spots.map(({ line }) => line).filter((line) => line >= mostNamed)).size;
	return marks([
		...shown,
		...others === 0 ? [] : [{
			mark: legendMark(mostNamed),
			label: `${others} more`
		}],
		...spots.some(({ isStock }) => isStock) ? [{
			mark: stockMark,
			label: "mlx_lm.convert -q"
		}] : []
	], y);
}
function legendMark(line) {
	const style = { fill: colorOf(line).light };
	return line < lineColors.length ? {
		type: "circle",
		silent: true,
		shape: { r: 5 },
		style
	} : {
		type: "polygon",
		silent: true,
		shape: { points: [
			[0, -6],
			[6, 0],
			[0, 6],
			[-6, 0]
		] },
		style
	};
}
const stockMark = {
	type: "rect",
	silent: true,
	shape: {
		x: -4,
		y: -4,
		width: 8,
		height: 8
	},
	style: {
		fill: colors.panel.light,
		stroke: colors.muted.light,
		lineWidth: 2
	}
};
function labels(spots, at, top) {
	const named = spots.filter(({ isStock }) => !isStock);
	if (named.length > mostLabels) return [];
	const isAlone = new Set(named.map(({ line }) => line)).size === 1;
	const frame = {
		left: plot.left,
		right: 440 - plot.right,
		top,
		bottom: top + plot.height
	};
	const wanted = named.map((spot) => {
		const [x, y] = at(spot);
		const tier = labelText(spot.tier, 90);
		return {
			x: frame.left + x * (frame.right - frame.left),
			y: frame.bottom - y * plot.height,
			label: isAlone ? `${tier} · ${threeDigits(spot.mean)}` : tier,
			prefer: "below"
		};
	});
	return placeLabels(wanted, frame).map(([x, y], index) => text$2(wanted[index].label, x, y, {
		align: "center",
		color: colorOf(named[index].line).light,
		halo: true
	}));
}

// src/site/site-rows.ts
/** Of the quant that stock tools make, in the column of tiers. */
const stockName = "stock 4-bit";
/** Rows by model, and of each from the largest to the smallest. */
function siteRows(found, links) {
	const isOne = namespaceOf(found) !== null;
	const nameOf = ({ receipt }) => seriesName(receipt, isOne);
	return [...new Set(found.map(nameOf))].sort(inOrder).flatMap((model) => {
		const own = found.filter((one) => nameOf(one) === model);
		const tiers = own.map((one) => ({
			...tierRow(one, links),
			model
		}));
		const stock = own.flatMap(({ receipt }) => stockRow(receipt, links, model)).slice(0, 1);
		return [...tiers.sort((a, b) => b.bytes - a.bytes), ...stock];
	});
}
/** The same rows as lines of the picture. */
function linesOf(rows) {
	return [...new Set(rows.map(({ model }) => model))].map((name) => ({
		name,
		points: rows.flatMap(({ model, tier, bytes, meanKl: mean, meanKlError: error, isStock }) => model === name && mean !== null ? [{
			tier,
			bytes,
			mean,
			error,
			isStock
		}] : [])
	}));
}
/** The one namespace of all repositories; null: there is none, or more than one. */
function namespaceOf(found) {
	const names = new Set(found.map(({ receipt: { repository } }) => repository.includes("/") ? repository.split("/")[0] : null));
	const [only = null] = names;
	return names.size === 1 ? only : null;
}
/** A tier's repository without the tier, and without a namespace that all have. */
function seriesName({ repository, name, plan }, isOne) {
	const whole = isOne ? name : repository;
	const end = `-${plan.tier}`;
	return whole.endsWith(end) ? whole.slice(0, -end.length) : whole;
}
function inOrder(a, b) {
	const [x, y] = [a.toLowerCase(), b.toLowerCase()];
	return x < y ? -1 : x > y ? 1 : a < b ? -1 : 1;
}
function tierRow({ receipt, folder }, { localFrom }) {
	const { plan, model, evaluation, repository } = receipt;
	const isHeld = evaluation?.gates.some(({ passed }) => !passed) === true;
	return {
		modelUrl: baseUrl(receipt, localFrom),
		tier: plan.tier,
		tierUrl: localFrom !== null ? folderUrl(localFrom, folder) : isHeld || !isRepositoryId(repository) ? null : `https://huggingface.co/${repository}`,
		isStock: false,
		bytes: plan.bytes,
		bpw: plan.bpw,
		mac: fitMac(loadedBytes(plan), model),
		...evaluation ?? unknown,
		verdict: isHeld ? "held back" : evaluation === null ? "not measured" : verdictOf(evaluation)
	};
}
const unknown = {
	meanKl: null,
	meanKlError: null,
	sameTop: null,
	perplexityRatio: null
};
function stockRow(receipt, { localFrom }, model) {
	const stock = receipt.evaluation?.stock ?? null;
	if (stock === null) return [];
	const { bytes } = stock;
	return [{
		model,
		modelUrl: baseUrl(receipt, localFrom),
		tier: stockName,
		tierUrl: null,
		isStock: true,
		bytes,
		bpw: null,
		mac: fitMac(bytes, receipt.model),
		...stock,
		verdict: verdictOf(stock)
	}];
}
/** Of the base. That of a rehearsal is on no public Hub. */
function baseUrl({ base }, localFrom) {
	return base.id === null || localFrom !== null ? null : `https://huggingface.co/${base.id}`;
}
function folderUrl(from, folder) {
	const path = relative(from, folder).split(sep).map(encodeURIComponent).join("/");
	return `./${path}${path === "" ? "" : "/"}`;
}

// src/site/site-style.ts
/** Style of the page. Up to 760 pixels a row is a box of figures, labelled by `data-l`. */
const style = `
:root{color-scheme:light dark;--ink:light-dark(#1f2328,#e6edf3);--muted:light-dark(#59636e,#9da7b1);
--panel:light-dark(#ffffff,#0d1117);--rule:light-dark(#d1d9e0,#3d444d);
--head:light-dark(#f6f8fa,#151b23);--link:light-dark(#0860ca,#6cb6ff)}
*{box-sizing:border-box}
body{margin:0;background:var(--panel);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:1012px;margin:0 auto;padding:24px 16px}
h1{font-size:1.75rem;line-height:1.25;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:0 0 8px}
p{margin:0 0 12px}
a{color:var(--link)}
code{font:0.9em ui-monospace,monospace;overflow-wrap:anywhere}
footer,.lead,small{color:var(--muted)}
.top{display:grid;grid-template-columns:minmax(0,440px) minmax(0,1fr);gap:24px;margin:16px 0 24px}
.top svg{display:block;width:100%;height:auto;max-width:440px}
dl{margin:0}
dt{font-weight:600}
dd{margin:0 0 10px}
table{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:15px;
table-layout:fixed}
th,td{padding:7px 6px;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
thead th{background:var(--head);vertical-align:bottom}
th.n,td.n{text-align:right}
th.name{width:24%}th.tier{width:11%}
.name,.tier{overflow-wrap:anywhere}
td.tier{font-weight:600}
.stock td{color:var(--muted)}.stock td.tier{font-weight:400}
small{display:block;font-size:0.8em;letter-spacing:-0.01em}
button{all:unset;cursor:pointer;font-weight:600}
button:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
th[aria-sort=ascending] button::after{content:" \u25b2"}
th[aria-sort=descending] button::after{content:" \u25bc"}
.sort{display:none}
@media(max-width:760px){
.top{grid-template-columns:minmax(0,1fr)}
table,tbody,thead{display:block}
.sort{display:inline;color:var(--muted)}
thead tr{display:flex;flex-wrap:wrap;gap:6px 8px;padding:8px 0;align-items:center}
thead th,th.name,th.tier{padding:0;border:0;background:none;width:auto}
thead button{border:1px solid var(--rule);border-radius:6px;padding:4px 9px;background:var(--head)}
tbody tr{display:grid;grid-template-columns:repeat(auto-fill,minmax(140px,1fr));gap:2px 12px;
padding:12px 0;border-top:1px solid var(--rule)}
tbody td{border:0;padding:0;min-width:0}
tbody .name,tbody .tier{grid-column:1/-1}
tbody .tier{font-size:1.1em}
tbody td.n{text-align:left}
tbody td[data-l]::before{content:attr(data-l);display:block;color:var(--muted);font-size:0.82em}
tbody small{display:inline;margin-left:6px}
}`;
/**
* Sorts the table by a column: `data-v` of a cell is a number or text, empty for none. Cells
* without a value stay at the end. It reads nothing but the page.
*/
const script = `
"use strict";
const body = document.querySelector("tbody");
const heads = [...document.querySelectorAll("thead th")];
const valueOf = (row, at) => row.cells[at].dataset.v;
for (const [at, head] of heads.entries()) {
  head.querySelector("button").addEventListener("click", () => {
    const isUp = head.getAttribute("aria-sort") === "ascending";
    const isFresh = !head.hasAttribute("aria-sort");
    const sign = (isFresh ? head.dataset.first === "down" : isUp) ? -1 : 1;
    for (const one of heads) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
    const isText = head.dataset.first === "text";
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [valueOf(a, at), valueOf(b, at)];
      if (x === "" || y === "") return (x === "") - (y === "");
      if (isText) return sign * (x < y ? -1 : x > y ? 1 : 0);
      return sign * (Number(x) - Number(y));
    });
    body.append(...rows);
  });
}`;

// src/site/site-page.ts
/** How a page of ours says who made it. */
const generator = "<meta name=\"generator\" content=\"oqe-publisher ";
/**
* The series page as one HTML file. It asks for nothing from outside: its policy allows its own
* style and its one script, by its hash. The same receipts give the same bytes.
*/
function sitePage(found, links) {
	const rows = siteRows(found, links);
	const lines = linesOf(rows);
	const drawing = seriesDrawing(lines);
	const namespace = namespaceOf(found);
	const title = namespace === null ? "oQe series" : `oQe series of ${namespace}`;
	return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${`default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-${createHash("sha256").update(script).digest("base64")}'; base-uri 'none'; form-action 'none'`}">
<meta name="viewport" content="width=device-width, initial-scale=1">
${generator}${escapeHtml(engine.version)}">
<title>${escapeHtml(title)}</title>
<style>${style}
</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="lead">${plural(found.length, "tier")} of ${plural(lines.length, "model")}, for ${loadersOf(found)} on Macs with
Apple silicon. Every figure is from the receipt in the tier's repository.</p>
<div class="top">
<div>${drawing === null ? "<p>No tier was evaluated, so there is no picture.</p>" : drawSvg(drawing)}</div>
${howToRead(rows.some(({ isStock }) => isStock))}
</div>
<table>
<thead><tr>${columns$1.map(headOf).join("")}</tr></thead>
<tbody>
${rows.map(rowOf).join("\n")}
</tbody>
</table>
<footer><p><small>Made by oqe-publisher ${escapeHtml(engine.version)}. <code>oqe verify &lt;repository&gt;</code> checks a
tier against its receipt, and measures its figures again.</small></p></footer>
</main>
<script>${script}<\/script>
</body>
</html>
`;
}
function howToRead(hasStock) {
	return `<div>
<h2>How to choose</h2>
<dl>
<dt>Mac</dt><dd>The smallest Mac that holds the weights, with so many tokens of context.</dd>
<dt>KL</dt><dd>How far a tier's predictions are from those of its own base, on held-out text. 0 means
the same. Compare the tiers of one model: another model has other predictions.</dd>
<dt>Same top token</dt><dd>How often tier and base find the same next token the most likely.</dd>
<dt>PPL ÷ base</dt><dd>Perplexity divided by that of the base. 1 means no loss.</dd>
<dt>Verdict</dt><dd>By KL and same top token: ${escapeHtml(verdictWords().replaceAll("*", ""))}.</dd>
${hasStock ? `<dt>${stockName}</dt><dd>What <code>mlx_lm.convert -q</code> makes of the same base.</dd>` : ""}
</dl>
</div>`;
}
const columns$1 = [
	{
		name: "Model",
		first: "text",
		kind: "name",
		value: ({ model }) => oneLine(model).toLowerCase(),
		shown: ({ model, modelUrl }) => linked(model, modelUrl)
	},
	{
		name: "Tier",
		first: "text",
		kind: "tier",
		value: ({ tier }) => oneLine(tier),
		shown: ({ tier, tierUrl }) => linked(tier, tierUrl)
	},
	{
		name: "Size",
		first: "up",
		kind: "n",
		value: ({ bytes }) => bytes,
		shown: ({ bytes }) => bytes < 1e9 ? byteCount(bytes) : `${gigabytes(bytes)}\u00a0GB`
	},
	{
		name: "Mac",
		first: "up",
		kind: "n",
		value: ({ mac }) => mac === null ? null : mac.gibibytes,
		shown: ({ mac }) => mac === null ? "\u2013" : `${mac.gibibytes}\u00a0GB${contextOf(mac.context)}`
	},
	{
		name: "KL",
		first: "up",
		kind: "n",
		value: ({ meanKl }) => meanKl,
		shown: ({ meanKl }) => meanKl === null ? "\u2013" : nats(meanKl)
	},
	{
		name: "Same top token",
		first: "down",
		kind: "n",
		value: ({ sameTop }) => sameTop,
		shown: ({ sameTop }) => sameTop === null ? "\u2013" : share(sameTop).replace(" %", "\xA0%")
	},
	{
		name: "PPL ÷ base",
		first: "up",
		kind: "n",
		value: ({ perplexityRatio }) => perplexityRatio,
		shown: ({ perplexityRatio: value }) => value === null ? "\u2013" : ratio(value, null)
	},
	{
		name: "Bits per weight",
		first: "up",
		kind: "n",
		value: ({ bpw }) => bpw,
		shown: ({ bpw }) => bpw === null ? "\u2013" : bpw.toFixed(2)
	},
	{
		name: "Verdict",
		first: "up",
		kind: "",
		value: ({ meanKl, verdict }) => verdict === "held back" ? null : meanKl,
		shown: ({ verdict }) => escapeHtml(verdict)
	}
];
function contextOf(tokens) {
	if (tokens === null) return "";
	return `<small>${tokens < 1024 ? String(tokens) : `${Math.floor(tokens / 1024)}k`}\u00a0tokens</small>`;
}
function headOf({ name, first, kind }, at) {
	return `<th scope="col" class="${kind}" data-first="${first}">${at === 0 ? "<span class=\"sort\">Sort by </span>" : ""}<button type="button">${name}</button></th>`;
}
function rowOf(row) {
	const cells = columns$1.map(({ name, kind, value, shown }) => {
		return `<td class="${kind}"${kind === "name" || kind === "tier" ? "" : ` data-l="${name}"`} data-v="${escapeHtml(String(value(row) ?? ""))}">${shown(row)}</td>`;
	});
	return `<tr${row.isStock ? " class=\"stock\"" : ""}>${cells.join("")}</tr>`;
}
function linked(text, url) {
	const name = `<bdi>${escapeHtml(text)}</bdi>`;
	return url === null ? name : `<a href="${escapeHtml(url)}">${name}</a>`;
}
/** Text of others as one line, without characters that are no letters or that reorder text. */
function oneLine(text) {
	return text.replace(/[\p{C}\s]+/gu, " ").trim();
}
function escapeHtml(text) {
	return oneLine(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}
/** The programs that load the tiers: some are for mlx-vlm alone. */
function loadersOf(found) {
	return [...new Set(found.map(({ receipt }) => receipt.options.loader ?? "mlx-lm"))].sort().join(" and ");
}

// src/site/site-receipts.ts
/** Bytes of the largest receipt that is read; that of a model with 30 B parameters has 3 MB. */
const largest = 64e6;
/** Folders below a named one that are looked through. */
const deepest = 8;
/**
* The receipts in and below some folders: `oqe-receipt.json` of a tier, or `<name>.receipt.json` as
* a release has it. Hidden folders and links are left out. A receipt that cannot be read is a
* warning, and the others are kept. Of two for one repository the first counts. Throws NOT_FOUND
* if a folder is missing or none has a receipt, BAD_INPUT if all receipts are broken.
*/
async function findReceipts(places, report) {
	const paths = new Set((await Promise.all(places.map(receiptsBelow))).flat());
	if (paths.size === 0) throw new OqeError("NOT_FOUND", `no receipt (${receiptPath} or *.receipt.json) in ${places.join(", ")}`, "Name folders that `oqe quantize` or `oqe publish` wrote, or the receipts of a release.");
	const found = /* @__PURE__ */ new Map();
	for (const path of paths) {
		const read = await readOne(path).catch((error) => {
			if (!(error instanceof OqeError)) throw error;
			report.warn(`left out: ${error.message}`);
			return null;
		});
		if (read === null) continue;
		const first = found.get(read.receipt.repository);
		if (first === void 0) found.set(read.receipt.repository, {
			...read,
			path
		});
		else if (first.text !== read.text) report.warn(`left out: ${path} differs from ${first.path}, of the same repository`);
	}
	if (found.size > 0) return [...found.values()];
	throw new OqeError("BAD_INPUT", `none of ${paths.size} receipts can be read`, "The warnings above say why. Restore them from the repositories, or quantize again.");
}
async function receiptsBelow(place) {
	const path = resolve(place);
	return (await stat(path).catch((cause) => {
		throw new OqeError("NOT_FOUND", `${place} cannot be read: ${reasonOf(cause)}`, "Check the name of the folder.", cause);
	})).isDirectory() ? walk(path, deepest) : [path];
}
async function walk(folder, levels) {
	const shown = (await readdir(folder, { withFileTypes: true }).catch(() => [])).filter(({ name }) => !name.startsWith(".") && name !== "node_modules").sort((a, b) => a.name < b.name ? -1 : 1);
	const paths = [];
	for (const entry of shown) {
		const path = join(folder, entry.name);
		const isReceipt = entry.name === "oqe-receipt.json" || entry.name.endsWith(".receipt.json");
		if (entry.isFile() && isReceipt) paths.push(path);
		else if (entry.isDirectory() && levels > 0) paths.push(...await walk(path, levels - 1));
	}
	return paths;
}
async function readOne(path) {
	const unreadable = (reason, cause) => new OqeError("BAD_INPUT", `${path} cannot be read: ${reason}`, void 0, cause);
	const text = await stat(path).then(({ size }) => {
		if (size > largest) throw unreadable(`${size} bytes are too many for a receipt`);
		return readFile(path, "utf8");
	}).catch((cause) => {
		throw cause instanceof OqeError ? cause : unreadable(reasonOf(cause), cause);
	});
	return {
		receipt: parseReceipt(text, path),
		folder: dirname(path),
		text
	};
}

// src/site/write-site.ts
/**
* Writes the series page of all receipts in and below some folders. Throws NOT_FOUND, BAD_INPUT,
* and NOT_OURS if another file is in its place.
*/
async function writeSite(folders, { out, isLocal }, report) {
	const page = await placeOf(out);
	await refuseForeignPage(page);
	const found = await findReceipts(folders, report);
	await writeAside(page, sitePage(found, { localFrom: isLocal ? dirname(page) : null }));
	return {
		page,
		tiers: found.length
	};
}
async function placeOf(out) {
	const path = resolve(out);
	return await stat(path).then((status) => status.isDirectory(), () => /[\\/]$/.test(out)) ? join(path, "index.html") : path;
}
async function refuseForeignPage(page) {
	const text = await readFile(page, "utf8").catch(() => null);
	if (text === null || text === "" || text.includes("<meta name=\"generator\" content=\"oqe-publisher ")) return;
	throw new OqeError("NOT_OURS", `${page} exists, and oqe site did not write it`, "Name another file with --out.");
}

// node_modules/commander/lib/error.js
var require_error = /* @__PURE__ */ __commonJSMin(((exports) => {
	/**
	* CommanderError class
	*/
	var CommanderError = class extends Error {
		/**
		* Constructs the CommanderError class
		* @param {number} exitCode suggested exit code which could be used with process.exit
		* @param {string} code an id string representing the error
		* @param {string} message human-readable description of the error
		*/
		constructor(exitCode, code, message) {
			super(message);
			Error.captureStackTrace(this, this.constructor);
			this.name = this.constructor.name;
			this.code = code;
			this.exitCode = exitCode;
			this.nestedError = void 0;
		}
	};
	/**
	* InvalidArgumentError class
	*/
	var InvalidArgumentError = class extends CommanderError {
		/**
		* Constructs the InvalidArgumentError class
		* @param {string} [message] explanation of why argument is invalid
		*/
		constructor(message) {
			super(1, "commander.invalidArgument", message);
			Error.captureStackTrace(this, this.constructor);
			this.name = this.constructor.name;
		}
	};
	exports.CommanderError = CommanderError;
	exports.InvalidArgumentError = InvalidArgumentError;
}));

// node_modules/commander/lib/argument.js
var require_argument = /* @__PURE__ */ __commonJSMin(((exports) => {
	const { InvalidArgumentError } = require_error();
	var Argument = class {
		/**
		* Initialize a new command argument with the given name and description.
		* The default is that the argument is required, and you can explicitly
		* indicate this with <> around the name. Put [] around the name for an optional argument.
		*
		* @param {string} name
		* @param {string} [description]
		*/
		constructor(name, description) {
			this.description = description || "";
			this.variadic = false;
			this.parseArg = void 0;
			this.defaultValue = void 0;
			this.defaultValueDescription = void 0;
			this.argChoices = void 0;
			switch (name[0]) {
				case "<":
					this.required = true;
					this._name = name.slice(1, -1);
					break;
				case "[":
					this.required = false;
					this._name = name.slice(1, -1);
					break;
				default:
					this.required = true;
					this._name = name;
			}
			if (this._name.endsWith("...")) {
				this.variadic = true;
				this._name = this._name.slice(0, -3);
			}
		}
		/**
		* Return argument name.
		*
		* @return {string}
		*/
		name() {
			return this._name;
		}
		/**
		* @package
		*/
		_collectValue(value, previous) {
			if (previous === this.defaultValue || !Array.isArray(previous)) return [value];
			previous.push(value);
			return previous;
		}
		/**
		* Set the default value, and optionally supply the description to be displayed in the help.
		*
		* @param {*} value
		* @param {string} [description]
		* @return {Argument}
		*/
		default(value, description) {
			this.defaultValue = value;
			this.defaultValueDescription = description;
			return this;
		}
		/**
		* Set the custom handler for processing CLI command arguments into argument values.
		*
		* @param {Function} [fn]
		* @return {Argument}
		*/
		argParser(fn) {
			this.parseArg = fn;
			return this;
		}
		/**
		* Only allow argument value to be one of choices.
		*
		* @param {string[]} values
		* @return {Argument}
		*/
		choices(values) {
			this.argChoices = values.slice();
			this.parseArg = (arg, previous) => {
				if (!this.argChoices.includes(arg)) throw new InvalidArgumentError(`Allowed choices are ${this.argChoices.join(", ")}.`);
				if (this.variadic) return this._collectValue(arg, previous);
				return arg;
			};
			return this;
		}
		/**
		* Make argument required.
		*
		* @returns {Argument}
		*/
		argRequired() {
			this.required = true;
			return this;
		}
		/**
		* Make argument optional.
		*
		* @returns {Argument}
		*/
		argOptional() {
			this.required = false;
			return this;
		}
	};
	/**
	* Takes an argument and returns its human readable equivalent for help usage.
	*
	* @param {Argument} arg
	* @return {string}
	* @private
	*/
	function humanReadableArgName(arg) {
		const nameOutput = arg.name() + (arg.variadic === true ? "..." : "");
		return arg.required ? "<" + nameOutput + ">" : "[" + nameOutput + "]";
	}
	exports.Argument = Argument;
	exports.humanReadableArgName = humanReadableArgName;
}));

// node_modules/commander/lib/help.js
var require_help = /* @__PURE__ */ __commonJSMin(((exports) => {
	const { humanReadableArgName } = require_argument();
	/**
	* TypeScript import types for JSDoc, used by Visual Studio Code IntelliSense and `npm run typescript-checkJS`
	* https://www.typescriptlang.org/docs/handbook/jsdoc-supported-types.html#import-types
	* @typedef { import("./argument.js").Argument } Argument
	* @typedef { import("./command.js").Command } Command
	* @typedef { import("./option.js").Option } Option
	*/
	var Help = class {
		constructor() {
			this.helpWidth = void 0;
			this.minWidthToWrap = 40;
			this.sortSubcommands = false;
			this.sortOptions = false;
			this.showGlobalOptions = false;
		}
		/**
		* prepareContext is called by Commander after applying overrides from `Command.configureHelp()`
		* and just before calling `formatHelp()`.
		*
		* Commander just uses the helpWidth and the rest is provided for optional use by more complex subclasses.
		*
		* @param {{ error?: boolean, helpWidth?: number, outputHasColors?: boolean }} contextOptions
		*/
		prepareContext(contextOptions) {
			this.helpWidth = this.helpWidth ?? contextOptions.helpWidth ?? 80;
		}
		/**
		* Get an array of the visible subcommands. Includes a placeholder for the implicit help command, if there is one.
		*
		* @param {Command} cmd
		* @returns {Command[]}
		*/
		visibleCommands(cmd) {
			const visibleCommands = cmd.commands.filter((cmd) => !cmd._hidden);
			const helpCommand = cmd._getHelpCommand();
			if (helpCommand && !helpCommand._hidden) visibleCommands.push(helpCommand);
			if (this.sortSubcommands) visibleCommands.sort((a, b) => {
				return a.name().localeCompare(b.name());
			});
			return visibleCommands;
		}
		/**
		* Compare options for sort.
		*
		* @param {Option} a
		* @param {Option} b
		* @returns {number}
		*/
		compareOptions(a, b) {
			const getSortKey = (option) => {
				return option.short ? option.short.replace(/^-/, "") : option.long.replace(/^--/, "");
			};
			return getSortKey(a).localeCompare(getSortKey(b));
		}
		/**
		* Get an array of the visible options. Includes a placeholder for the implicit help option, if there is one.
		*
		* @param {Command} cmd
		* @returns {Option[]}
		*/
		visibleOptions(cmd) {
			const visibleOptions = cmd.options.filter((option) => !option.hidden);
			const helpOption = cmd._getHelpOption();
			if (helpOption && !helpOption.hidden) {
				const removeShort = helpOption.short && cmd._findOption(helpOption.short);
				const removeLong = helpOption.long && cmd._findOption(helpOption.long);
				if (!removeShort && !removeLong) visibleOptions.push(helpOption);
				else if (helpOption.long && !removeLong) visibleOptions.push(cmd.createOption(helpOption.long, helpOption.description));
				else if (helpOption.short && !removeShort) visibleOptions.push(cmd.createOption(helpOption.short, helpOption.description));
			}
			if (this.sortOptions) visibleOptions.sort(this.compareOptions);
			return visibleOptions;
		}
		/**
		* Get an array of the visible global options. (Not including help.)
		*
		* @param {Command} cmd
		* @returns {Option[]}
		*/
		visibleGlobalOptions(cmd) {
			if (!this.showGlobalOptions) return [];
			const globalOptions = [];
			for (let ancestorCmd = cmd.parent; ancestorCmd; ancestorCmd = ancestorCmd.parent) {
				const visibleOptions = ancestorCmd.options.filter((option) => !option.hidden);
				globalOptions.push(...visibleOptions);
			}
			if (this.sortOptions) globalOptions.sort(this.compareOptions);
			return globalOptions;
		}
		/**
		* Get an array of the arguments if any have a description.
		*
		* @param {Command} cmd
		* @returns {Argument[]}
		*/
		visibleArguments(cmd) {
			if (cmd._argsDescription) cmd.registeredArguments.forEach((argument) => {
				argument.description = argument.description || cmd._argsDescription[argument.name()] || "";
			});
			if (cmd.registeredArguments.find((argument) => argument.description)) return cmd.registeredArguments;
			return [];
		}
		/**
		* Get the command term to show in the list of subcommands.
		*
		* @param {Command} cmd
		* @returns {string}
		*/
		subcommandTerm(cmd) {
			const args = cmd.registeredArguments.map((arg) => humanReadableArgName(arg)).join(" ");
			return cmd._name + (cmd._aliases[0] ? "|" + cmd._aliases[0] : "") + (cmd.options.length ? " [options]" : "") + (args ? " " + args : "");
		}
		/**
		* Get the option term to show in the list of options.
		*
		* @param {Option} option
		* @returns {string}
		*/
		optionTerm(option) {
			return option.flags;
		}
		/**
		* Get the argument term to show in the list of arguments.
		*
		* @param {Argument} argument
		* @returns {string}
		*/
		argumentTerm(argument) {
			return argument.name();
		}
		/**
		* Get the longest command term length.
		*
		* @param {Command} cmd
		* @param {Help} helper
		* @returns {number}
		*/
		longestSubcommandTermLength(cmd, helper) {
			return helper.visibleCommands(cmd).reduce((max, command) => {
				return Math.max(max, this.displayWidth(helper.styleSubcommandTerm(helper.subcommandTerm(command))));
			}, 0);
		}
		/**
		* Get the longest option term length.
		*
		* @param {Command} cmd
		* @param {Help} helper
		* @returns {number}
		*/
		longestOptionTermLength(cmd, helper) {
			return helper.visibleOptions(cmd).reduce((max, option) => {
				return Math.max(max, this.displayWidth(helper.styleOptionTerm(helper.optionTerm(option))));
			}, 0);
		}
		/**
		* Get the longest global option term length.
		*
		* @param {Command} cmd
		* @param {Help} helper
		* @returns {number}
		*/
		longestGlobalOptionTermLength(cmd, helper) {
			return helper.visibleGlobalOptions(cmd).reduce((max, option) => {
				return Math.max(max, this.displayWidth(helper.styleOptionTerm(helper.optionTerm(option))));
			}, 0);
		}
		/**
		* Get the longest argument term length.
		*
		* @param {Command} cmd
		* @param {Help} helper
		* @returns {number}
		*/
		longestArgumentTermLength(cmd, helper) {
			return helper.visibleArguments(cmd).reduce((max, argument) => {
				return Math.max(max, this.displayWidth(helper.styleArgumentTerm(helper.argumentTerm(argument))));
			}, 0);
		}
		/**
		* Get the command usage to be displayed at the top of the built-in help.
		*
		* @param {Command} cmd
		* @returns {string}
		*/
		commandUsage(cmd) {
			let cmdName = cmd._name;
			if (cmd._aliases[0]) cmdName = cmdName + "|" + cmd._aliases[0];
			let ancestorCmdNames = "";
			for (let ancestorCmd = cmd.parent; ancestorCmd; ancestorCmd = ancestorCmd.parent) ancestorCmdNames = ancestorCmd.name() + " " + ancestorCmdNames;
			return ancestorCmdNames + cmdName + " " + cmd.usage();
		}
		/**
		* Get the description for the command.
		*
		* @param {Command} cmd
		* @returns {string}
		*/
		commandDescription(cmd) {
			return cmd.description();
		}
		/**
		* Get the subcommand summary to show in the list of subcommands.
		* (Fallback to description for backwards compatibility.)
		*
		* @param {Command} cmd
		* @returns {string}
		*/
		subcommandDescription(cmd) {
			return cmd.summary() || cmd.description();
		}
		/**
		* Get the option description to show in the list of options.
		*
		* @param {Option} option
		* @return {string}
		*/
		optionDescription(option) {
			const extraInfo = [];
			if (option.argChoices) extraInfo.push(`choices: ${option.argChoices.map((choice) => JSON.stringify(choice)).join(", ")}`);
			if (option.defaultValue !== void 0) {
				if (option.required || option.optional || option.isBoolean() && typeof option.defaultValue === "boolean") extraInfo.push(`default: ${option.defaultValueDescription || JSON.stringify(option.defaultValue)}`);
			}
			if (option.presetArg !== void 0 && option.optional) extraInfo.push(`preset: ${JSON.stringify(option.presetArg)}`);
			if (option.envVar !== void 0) extraInfo.push(`env: ${option.envVar}`);
			if (extraInfo.length > 0) {
				const extraDescription = `(${extraInfo.join(", ")})`;
				if (option.description) return `${option.description} ${extraDescription}`;
				return extraDescription;
			}
			return option.description;
		}
		/**
		* Get the argument description to show in the list of arguments.
		*
		* @param {Argument} argument
		* @return {string}
		*/
		argumentDescription(argument) {
			const extraInfo = [];
			if (argument.argChoices) extraInfo.push(`choices: ${argument.argChoices.map((choice) => JSON.stringify(choice)).join(", ")}`);
			if (argument.defaultValue !== void 0) extraInfo.push(`default: ${argument.defaultValueDescription || JSON.stringify(argument.defaultValue)}`);
			if (extraInfo.length > 0) {
				const extraDescription = `(${extraInfo.join(", ")})`;
				if (argument.description) return `${argument.description} ${extraDescription}`;
				return extraDescription;
			}
			return argument.description;
		}
		/**
		* Format a list of items, given a heading and an array of formatted items.
		*
		* @param {string} heading
		* @param {string[]} items
		* @param {Help} helper
		* @returns string[]
		*/
		formatItemList(heading, items, helper) {
			if (items.length === 0) return [];
			return [
				helper.styleTitle(heading),
				...items,
				""
			];
		}
		/**
		* Group items by their help group heading.
		*
		* @param {Command[] | Option[]} unsortedItems
		* @param {Command[] | Option[]} visibleItems
		* @param {Function} getGroup
		* @returns {Map<string, Command[] | Option[]>}
		*/
		groupItems(unsortedItems, visibleItems, getGroup) {
			const result = /* @__PURE__ */ new Map();
			unsortedItems.forEach((item) => {
				const group = getGroup(item);
				if (!result.has(group)) result.set(group, []);
			});
			visibleItems.forEach((item) => {
				const group = getGroup(item);
				if (!result.has(group)) result.set(group, []);
				result.get(group).push(item);
			});
			return result;
		}
		/**
		* Generate the built-in help text.
		*
		* @param {Command} cmd
		* @param {Help} helper
		* @returns {string}
		*/
		formatHelp(cmd, helper) {
			const termWidth = helper.padWidth(cmd, helper);
			const helpWidth = helper.helpWidth ?? 80;
			function callFormatItem(term, description) {
				return helper.formatItem(term, termWidth, description, helper);
			}
			let output = [`${helper.styleTitle("Usage:")} ${helper.styleUsage(helper.commandUsage(cmd))}`, ""];
			const commandDescription = helper.commandDescription(cmd);
			if (commandDescription.length > 0) output = output.concat([helper.boxWrap(helper.styleCommandDescription(commandDescription), helpWidth), ""]);
			const argumentList = helper.visibleArguments(cmd).map((argument) => {
				return callFormatItem(helper.styleArgumentTerm(helper.argumentTerm(argument)), helper.styleArgumentDescription(helper.argumentDescription(argument)));
			});
			output = output.concat(this.formatItemList("Arguments:", argumentList, helper));
			this.groupItems(cmd.options, helper.visibleOptions(cmd), (option) => option.helpGroupHeading ?? "Options:").forEach((options, group) => {
				const optionList = options.map((option) => {
					return callFormatItem(helper.styleOptionTerm(helper.optionTerm(option)), helper.styleOptionDescription(helper.optionDescription(option)));
				});
				output = output.concat(this.formatItemList(group, optionList, helper));
			});
			if (helper.showGlobalOptions) {
				const globalOptionList = helper.visibleGlobalOptions(cmd).map((option) => {
					return callFormatItem(helper.styleOptionTerm(helper.optionTerm(option)), helper.styleOptionDescription(helper.optionDescription(option)));
				});
				output = output.concat(this.formatItemList("Global Options:", globalOptionList, helper));
			}
			this.groupItems(cmd.commands, helper.visibleCommands(cmd), (sub) => sub.helpGroup() || "Commands:").forEach((commands, group) => {
				const commandList = commands.map((sub) => {
					return callFormatItem(helper.styleSubcommandTerm(helper.subcommandTerm(sub)), helper.styleSubcommandDescription(helper.subcommandDescription(sub)));
				});
				output = output.concat(this.formatItemList(group, commandList, helper));
			});
			return output.join("\n");
		}
		/**
		* Return display width of string, ignoring ANSI escape sequences. Used in padding and wrapping calculations.
		*
		* @param {string} str
		* @returns {number}
		*/
		displayWidth(str) {
			return stripColor(str).length;
		}
		/**
		* Style the title for displaying in the help. Called with 'Usage:', 'Options:', etc.
		*
		* @param {string} str
		* @returns {string}
		*/
		styleTitle(str) {
			return str;
		}
		styleUsage(str) {
			return str.split(" ").map((word) => {
				if (word === "[options]") return this.styleOptionText(word);
				if (word === "[command]") return this.styleSubcommandText(word);
				if (word[0] === "[" || word[0] === "<") return this.styleArgumentText(word);
				return this.styleCommandText(word);
			}).join(" ");
		}
		styleCommandDescription(str) {
			return this.styleDescriptionText(str);
		}
		styleOptionDescription(str) {
			return this.styleDescriptionText(str);
		}
		styleSubcommandDescription(str) {
			return this.styleDescriptionText(str);
		}
		styleArgumentDescription(str) {
			return this.styleDescriptionText(str);
		}
		styleDescriptionText(str) {
			return str;
		}
		styleOptionTerm(str) {
			return this.styleOptionText(str);
		}
		styleSubcommandTerm(str) {
			return str.split(" ").map((word) => {
				if (word === "[options]") return this.styleOptionText(word);
				if (word[0] === "[" || word[0] === "<") return this.styleArgumentText(word);
				return this.styleSubcommandText(word);
			}).join(" ");
		}
		styleArgumentTerm(str) {
			return this.styleArgumentText(str);
		}
		styleOptionText(str) {
			return str;
		}
		styleArgumentText(str) {
			return str;
		}
		styleSubcommandText(str) {
			return str;
		}
		styleCommandText(str) {
			return str;
		}
		/**
		* Calculate the pad width from the maximum term length.
		*
		* @param {Command} cmd
		* @param {Help} helper
		* @returns {number}
		*/
		padWidth(cmd, helper) {
			return Math.max(helper.longestOptionTermLength(cmd, helper), helper.longestGlobalOptionTermLength(cmd, helper), helper.longestSubcommandTermLength(cmd, helper), helper.longestArgumentTermLength(cmd, helper));
		}
		/**
		* Detect manually wrapped and indented strings by checking for line break followed by whitespace.
		*
		* @param {string} str
		* @returns {boolean}
		*/
		preformatted(str) {
			return /\n[^\S\r\n]/.test(str);
		}
		/**
		* Format the "item", which consists of a term and description. Pad the term and wrap the description, indenting the following lines.
		*
		* So "TTT", 5, "DDD DDDD DD DDD" might be formatted for this.helpWidth=17 like so:
		*   TTT  DDD DDDD
		*        DD DDD
		*
		* @param {string} term
		* @param {number} termWidth
		* @param {string} description
		* @param {Help} helper
		* @returns {string}
		*/
		formatItem(term, termWidth, description, helper) {
			const itemIndent = 2;
			const itemIndentStr = " ".repeat(itemIndent);
			if (!description) return itemIndentStr + term;
			const paddedTerm = term.padEnd(termWidth + term.length - helper.displayWidth(term));
			const spacerWidth = 2;
			const remainingWidth = (this.helpWidth ?? 80) - termWidth - spacerWidth - itemIndent;
			let formattedDescription;
			if (remainingWidth < this.minWidthToWrap || helper.preformatted(description)) formattedDescription = description;
			else formattedDescription = helper.boxWrap(description, remainingWidth).replace(/\n/g, "\n" + " ".repeat(termWidth + spacerWidth));
			return itemIndentStr + paddedTerm + " ".repeat(spacerWidth) + formattedDescription.replace(/\n/g, `\n${itemIndentStr}`);
		}
		/**
		* Wrap a string at whitespace, preserving existing line breaks.
		* Wrapping is skipped if the width is less than `minWidthToWrap`.
		*
		* @param {string} str
		* @param {number} width
		* @returns {string}
		*/
		boxWrap(str, width) {
			if (width < this.minWidthToWrap) return str;
			const rawLines = str.split(/\r\n|\n/);
			const chunkPattern = /[\s]*[^\s]+/g;
			const wrappedLines = [];
			rawLines.forEach((line) => {
				const chunks = line.match(chunkPattern);
				if (chunks === null) {
					wrappedLines.push("");
					return;
				}
				let sumChunks = [chunks.shift()];
				let sumWidth = this.displayWidth(sumChunks[0]);
				chunks.forEach((chunk) => {
					const visibleWidth = this.displayWidth(chunk);
					if (sumWidth + visibleWidth <= width) {
						sumChunks.push(chunk);
						sumWidth += visibleWidth;
						return;
					}
					wrappedLines.push(sumChunks.join(""));
					const nextChunk = chunk.trimStart();
					sumChunks = [nextChunk];
					sumWidth = this.displayWidth(nextChunk);
				});
				wrappedLines.push(sumChunks.join(""));
			});
			return wrappedLines.join("\n");
		}
	};
	/**
	* Strip style ANSI escape sequences from the string. In particular, SGR (Select Graphic Rendition) codes.
	*
	* @param {string} str
	* @returns {string}
	* @package
	*/
	function stripColor(str) {
		return str.replace(/\x1b\[\d*(;\d*)*m/g, "");
	}
	exports.Help = Help;
	exports.stripColor = stripColor;
}));

// node_modules/commander/lib/option.js
var require_option = /* @__PURE__ */ __commonJSMin(((exports) => {
	const { InvalidArgumentError } = require_error();
	var Option = class {
		/**
		* Initialize a new `Option` with the given `flags` and `description`.
		*
		* @param {string} flags
		* @param {string} [description]
		*/
		constructor(flags, description) {
			this.flags = flags;
			this.description = description || "";
			this.required = flags.includes("<");
			this.optional = flags.includes("[");
			this.variadic = /\w\.\.\.[>\]]$/.test(flags);
			this.mandatory = false;
			const optionFlags = splitOptionFlags(flags);
			this.short = optionFlags.shortFlag;
			this.long = optionFlags.longFlag;
			this.negate = false;
			if (this.long) this.negate = this.long.startsWith("--no-");
			this.defaultValue = void 0;
			this.defaultValueDescription = void 0;
			this.presetArg = void 0;
			this.envVar = void 0;
			this.parseArg = void 0;
			this.hidden = false;
			this.argChoices = void 0;
			this.conflictsWith = [];
			this.implied = void 0;
			this.helpGroupHeading = void 0;
		}
		/**
		* Set the default value, and optionally supply the description to be displayed in the help.
		*
		* @param {*} value
		* @param {string} [description]
		* @return {Option}
		*/
		default(value, description) {
			this.defaultValue = value;
			this.defaultValueDescription = description;
			return this;
		}
		/**
		* Preset to use when option used without option-argument, especially optional but also boolean and negated.
		* The custom processing (parseArg) is called.
		*
		* @example
		* new Option('--color').default('GREYSCALE').preset('RGB');
		* new Option('--donate [amount]').preset('20').argParser(parseFloat);
		*
		* @param {*} arg
		* @return {Option}
		*/
		preset(arg) {
			this.presetArg = arg;
			return this;
		}
		/**
		* Add option name(s) that conflict with this option.
		* An error will be displayed if conflicting options are found during parsing.
		*
		* @example
		* new Option('--rgb').conflicts('cmyk');
		* new Option('--js').conflicts(['ts', 'jsx']);
		*
		* @param {(string | string[])} names
		* @return {Option}
		*/
		conflicts(names) {
			this.conflictsWith = this.conflictsWith.concat(names);
			return this;
		}
		/**
		* Specify implied option values for when this option is set and the implied options are not.
		*
		* The custom processing (parseArg) is not called on the implied values.
		*
		* @example
		* program
		*   .addOption(new Option('--log', 'write logging information to file'))
		*   .addOption(new Option('--trace', 'log extra details').implies({ log: 'trace.txt' }));
		*
		* @param {object} impliedOptionValues
		* @return {Option}
		*/
		implies(impliedOptionValues) {
			let newImplied = impliedOptionValues;
			if (typeof impliedOptionValues === "string") newImplied = { [impliedOptionValues]: true };
			this.implied = Object.assign(this.implied || {}, newImplied);
			return this;
		}
		/**
		* Set environment variable to check for option value.
		*
		* An environment variable is only used if when processed the current option value is
		* undefined, or the source of the current value is 'default' or 'config' or 'env'.
		*
		* @param {string} name
		* @return {Option}
		*/
		env(name) {
			this.envVar = name;
			return this;
		}
		/**
		* Set the custom handler for processing CLI option arguments into option values.
		*
		* @param {Function} [fn]
		* @return {Option}
		*/
		argParser(fn) {
			this.parseArg = fn;
			return this;
		}
		/**
		* Whether the option is mandatory and must have a value after parsing.
		*
		* @param {boolean} [mandatory=true]
		* @return {Option}
		*/
		makeOptionMandatory(mandatory = true) {
			this.mandatory = !!mandatory;
			return this;
		}
		/**
		* Hide option in help.
		*
		* @param {boolean} [hide=true]
		* @return {Option}
		*/
		hideHelp(hide = true) {
			this.hidden = !!hide;
			return this;
		}
		/**
		* @package
		*/
		_collectValue(value, previous) {
			if (previous === this.defaultValue || !Array.isArray(previous)) return [value];
			previous.push(value);
			return previous;
		}
		/**
		* Only allow option value to be one of choices.
		*
		* @param {string[]} values
		* @return {Option}
		*/
		choices(values) {
			this.argChoices = values.slice();
			this.parseArg = (arg, previous) => {
				if (!this.argChoices.includes(arg)) throw new InvalidArgumentError(`Allowed choices are ${this.argChoices.join(", ")}.`);
				if (this.variadic) return this._collectValue(arg, previous);
				return arg;
			};
			return this;
		}
		/**
		* Return option name.
		*
		* @return {string}
		*/
		name() {
			if (this.long) return this.long.replace(/^--/, "");
			return this.short.replace(/^-/, "");
		}
		/**
		* Return option name, in a camelcase format that can be used
		* as an object attribute key.
		*
		* @return {string}
		*/
		attributeName() {
			if (this.negate) return camelcase(this.name().replace(/^no-/, ""));
			return camelcase(this.name());
		}
		/**
		* Set the help group heading.
		*
		* @param {string} heading
		* @return {Option}
		*/
		helpGroup(heading) {
			this.helpGroupHeading = heading;
			return this;
		}
		/**
		* Check if `arg` matches the short or long flag.
		*
		* @param {string} arg
		* @return {boolean}
		* @package
		*/
		is(arg) {
			return this.short === arg || this.long === arg;
		}
		/**
		* Return whether a boolean option.
		*
		* Options are one of boolean, negated, required argument, or optional argument.
		*
		* @return {boolean}
		* @package
		*/
		isBoolean() {
			return !this.required && !this.optional && !this.negate;
		}
	};
	/**
	* This class is to make it easier to work with dual options, without changing the existing
	* implementation. We support separate dual options for separate positive and negative options,
	* like `--build` and `--no-build`, which share a single option value. This works nicely for some
	* use cases, but is tricky for others where we want separate behaviours despite
	* the single shared option value.
	*/
	var DualOptions = class {
		/**
		* @param {Option[]} options
		*/
		constructor(options) {
			this.positiveOptions = /* @__PURE__ */ new Map();
			this.negativeOptions = /* @__PURE__ */ new Map();
			this.dualOptions = /* @__PURE__ */ new Set();
			options.forEach((option) => {
				if (option.negate) this.negativeOptions.set(option.attributeName(), option);
				else this.positiveOptions.set(option.attributeName(), option);
			});
			this.negativeOptions.forEach((value, key) => {
				if (this.positiveOptions.has(key)) this.dualOptions.add(key);
			});
		}
		/**
		* Did the value come from the option, and not from possible matching dual option?
		*
		* @param {*} value
		* @param {Option} option
		* @returns {boolean}
		*/
		valueFromOption(value, option) {
			const optionKey = option.attributeName();
			if (!this.dualOptions.has(optionKey)) return true;
			const preset = this.negativeOptions.get(optionKey).presetArg;
			const negativeValue = preset !== void 0 ? preset : false;
			return option.negate === (negativeValue === value);
		}
	};
	/**
	* Convert string from kebab-case to camelCase.
	*
	* @param {string} str
	* @return {string}
	* @private
	*/
	function camelcase(str) {
		return str.split("-").reduce((str, word) => {
			return str + word[0].toUpperCase() + word.slice(1);
		});
	}
	/**
	* Split the short and long flag out of something like '-m,--mixed <value>'
	*
	* @private
	*/
	function splitOptionFlags(flags) {
		let shortFlag;
		let longFlag;
		const shortFlagExp = /^-[^-]$/;
		const longFlagExp = /^--[^-]/;
		const flagParts = flags.split(/[ |,]+/).concat("guard");
		if (shortFlagExp.test(flagParts[0])) shortFlag = flagParts.shift();
		if (longFlagExp.test(flagParts[0])) longFlag = flagParts.shift();
		if (!shortFlag && shortFlagExp.test(flagParts[0])) shortFlag = flagParts.shift();
		if (!shortFlag && longFlagExp.test(flagParts[0])) {
			shortFlag = longFlag;
			longFlag = flagParts.shift();
		}
		if (flagParts[0].startsWith("-")) {
			const unsupportedFlag = flagParts[0];
			const baseError = `option creation failed due to '${unsupportedFlag}' in option flags '${flags}'`;
			if (/^-[^-][^-]/.test(unsupportedFlag)) throw new Error(`${baseError}
- a short flag is a single dash and a single character
  - either use a single dash and a single character (for a short flag)
  - or use a double dash for a long option (and can have two, like '--ws, --workspace')`);
			if (shortFlagExp.test(unsupportedFlag)) throw new Error(`${baseError}
- too many short flags`);
			if (longFlagExp.test(unsupportedFlag)) throw new Error(`${baseError}
- too many long flags`);
			throw new Error(`${baseError}
- unrecognised flag format`);
		}
		if (shortFlag === void 0 && longFlag === void 0) throw new Error(`option creation failed due to no flags found in '${flags}'.`);
		return {
			shortFlag,
			longFlag
		};
	}
	exports.Option = Option;
	exports.DualOptions = DualOptions;
}));

// node_modules/commander/lib/suggestSimilar.js
var require_suggestSimilar = /* @__PURE__ */ __commonJSMin(((exports) => {
	const maxDistance = 3;
	function editDistance(a, b) {
		if (Math.abs(a.length - b.length) > maxDistance) return Math.max(a.length, b.length);
		const d = [];
		for (let i = 0; i <= a.length; i++) d[i] = [i];
		for (let j = 0; j <= b.length; j++) d[0][j] = j;
		for (let j = 1; j <= b.length; j++) for (let i = 1; i <= a.length; i++) {
			let cost = 1;
			if (a[i - 1] === b[j - 1]) cost = 0;
			else cost = 1;
			d[i][j] = Math.min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost);
			if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) d[i][j] = Math.min(d[i][j], d[i - 2][j - 2] + 1);
		}
		return d[a.length][b.length];
	}
	/**
	* Find close matches, restricted to same number of edits.
	*
	* @param {string} word
	* @param {string[]} candidates
	* @returns {string}
	*/
	function suggestSimilar(word, candidates) {
		if (!candidates || candidates.length === 0) return "";
		candidates = Array.from(new Set(candidates));
		const searchingOptions = word.startsWith("--");
		if (searchingOptions) {
			word = word.slice(2);
			candidates = candidates.map((candidate) => candidate.slice(2));
		}
		let similar = [];
		let bestDistance = maxDistance;
		const minSimilarity = .4;
		candidates.forEach((candidate) => {
			if (candidate.length <= 1) return;
			const distance = editDistance(word, candidate);
			const length = Math.max(word.length, candidate.length);
			if ((length - distance) / length > minSimilarity) {
				if (distance < bestDistance) {
					bestDistance = distance;
					similar = [candidate];
				} else if (distance === bestDistance) similar.push(candidate);
			}
		});
		similar.sort((a, b) => a.localeCompare(b));
		if (searchingOptions) similar = similar.map((candidate) => `--${candidate}`);
		if (similar.length > 1) return `\n(Did you mean one of ${similar.join(", ")}?)`;
		if (similar.length === 1) return `\n(Did you mean ${similar[0]}?)`;
		return "";
	}
	exports.suggestSimilar = suggestSimilar;
}));

// node_modules/commander/lib/command.js
var require_command = /* @__PURE__ */ __commonJSMin(((exports) => {
	const EventEmitter = __require("node:events").EventEmitter;
	const childProcess = __require("node:child_process");
	const path = __require("node:path");
	const fs = __require("node:fs");
	const process = __require("node:process");
	const { Argument, humanReadableArgName } = require_argument();
	const { CommanderError } = require_error();
	const { Help, stripColor } = require_help();
	const { Option, DualOptions } = require_option();
	const { suggestSimilar } = require_suggestSimilar();
	var Command = class Command extends EventEmitter {
		/**
		* Initialize a new `Command`.
		*
		* @param {string} [name]
		*/
		constructor(name) {
			super();
			/** @type {Command[]} */
			this.commands = [];
			/** @type {Option[]} */
			this.options = [];
			this.parent = null;
			this._allowUnknownOption = false;
			this._allowExcessArguments = false;
			/** @type {Argument[]} */
			this.registeredArguments = [];
			this._args = this.registeredArguments;
			/** @type {string[]} */
			this.args = [];
			this.rawArgs = [];
			this.processedArgs = [];
			this._scriptPath = null;
			this._name = name || "";
			this._optionValues = {};
			this._optionValueSources = {};
			this._storeOptionsAsProperties = false;
			this._actionHandler = null;
			this._executableHandler = false;
			this._executableFile = null;
			this._executableDir = null;
			this._defaultCommandName = null;
			this._exitCallback = null;
			this._aliases = [];
			this._combineFlagAndOptionalValue = true;
			this._description = "";
			this._summary = "";
			this._argsDescription = void 0;
			this._enablePositionalOptions = false;
			this._passThroughOptions = false;
			this._lifeCycleHooks = {};
			/** @type {(boolean | string)} */
			this._showHelpAfterError = false;
			this._showSuggestionAfterError = true;
			this._savedState = null;
			this._outputConfiguration = {
				writeOut: (str) => process.stdout.write(str),
				writeErr: (str) => process.stderr.write(str),
				outputError: (str, write) => write(str),
				getOutHelpWidth: () => process.stdout.isTTY ? process.stdout.columns : void 0,
				getErrHelpWidth: () => process.stderr.isTTY ? process.stderr.columns : void 0,
				getOutHasColors: () => useColor() ?? (process.stdout.isTTY && process.stdout.hasColors?.()),
				getErrHasColors: () => useColor() ?? (process.stderr.isTTY && process.stderr.hasColors?.()),
				stripColor: (str) => stripColor(str)
			};
			this._hidden = false;
			/** @type {(Option | null | undefined)} */
			this._helpOption = void 0;
			this._addImplicitHelpCommand = void 0;
			/** @type {Command} */
			this._helpCommand = void 0;
			this._helpConfiguration = {};
			/** @type {string | undefined} */
			this._helpGroupHeading = void 0;
			/** @type {string | undefined} */
			this._defaultCommandGroup = void 0;
			/** @type {string | undefined} */
			this._defaultOptionGroup = void 0;
		}
		/**
		* Copy settings that are useful to have in common across root command and subcommands.
		*
		* (Used internally when adding a command using `.command()` so subcommands inherit parent settings.)
		*
		* @param {Command} sourceCommand
		* @return {Command} `this` command for chaining
		*/
		copyInheritedSettings(sourceCommand) {
			this._outputConfiguration = sourceCommand._outputConfiguration;
			this._helpOption = sourceCommand._helpOption;
			this._helpCommand = sourceCommand._helpCommand;
			this._helpConfiguration = sourceCommand._helpConfiguration;
			this._exitCallback = sourceCommand._exitCallback;
			this._storeOptionsAsProperties = sourceCommand._storeOptionsAsProperties;
			this._combineFlagAndOptionalValue = sourceCommand._combineFlagAndOptionalValue;
			this._allowExcessArguments = sourceCommand._allowExcessArguments;
			this._enablePositionalOptions = sourceCommand._enablePositionalOptions;
			this._showHelpAfterError = sourceCommand._showHelpAfterError;
			this._showSuggestionAfterError = sourceCommand._showSuggestionAfterError;
			return this;
		}
		/**
		* @returns {Command[]}
		* @private
		*/
		_getCommandAndAncestors() {
			const result = [];
			for (let command = this; command; command = command.parent) result.push(command);
			return result;
		}
		/**
		* Define a command.
		*
		* There are two styles of command: pay attention to where to put the description.
		*
		* @example
		* // Command implemented using action handler (description is supplied separately to `.command`)
		* program
		*   .command('clone <source> [destination]')
		*   .description('clone a repository into a newly created directory')
		*   .action((source, destination) => {
		*     console.log('clone command called');
		*   });
		*
		* // Command implemented using separate executable file (description is second parameter to `.command`)
		* program
		*   .command('start <service>', 'start named service')
		*   .command('stop [service]', 'stop named service, or all if no name supplied');
		*
		* @param {string} nameAndArgs - command name and arguments, args are `<required>` or `[optional]` and last may also be `variadic...`
		* @param {(object | string)} [actionOptsOrExecDesc] - configuration options (for action), or description (for executable)
		* @param {object} [execOpts] - configuration options (for executable)
		* @return {Command} returns new command for action handler, or `this` for executable command
		*/
		command(nameAndArgs, actionOptsOrExecDesc, execOpts) {
			let desc = actionOptsOrExecDesc;
			let opts = execOpts;
			if (typeof desc === "object" && desc !== null) {
				opts = desc;
				desc = null;
			}
			opts = opts || {};
			const [, name, args] = nameAndArgs.match(/([^ ]+) *(.*)/);
			const cmd = this.createCommand(name);
			if (desc) {
				cmd.description(desc);
				cmd._executableHandler = true;
			}
			if (opts.isDefault) this._defaultCommandName = cmd._name;
			cmd._hidden = !!(opts.noHelp || opts.hidden);
			cmd._executableFile = opts.executableFile || null;
			if (args) cmd.arguments(args);
			this._registerCommand(cmd);
			cmd.parent = this;
			cmd.copyInheritedSettings(this);
			if (desc) return this;
			return cmd;
		}
		/**
		* Factory routine to create a new unattached command.
		*
		* See .command() for creating an attached subcommand, which uses this routine to
		* create the command. You can override createCommand to customise subcommands.
		*
		* @param {string} [name]
		* @return {Command} new command
		*/
		createCommand(name) {
			return new Command(name);
		}
		/**
		* You can customise the help with a subclass of Help by overriding createHelp,
		* or by overriding Help properties using configureHelp().
		*
		* @return {Help}
		*/
		createHelp() {
			return Object.assign(new Help(), this.configureHelp());
		}
		/**
		* You can customise the help by overriding Help properties using configureHelp(),
		* or with a subclass of Help by overriding createHelp().
		*
		* @param {object} [configuration] - configuration options
		* @return {(Command | object)} `this` command for chaining, or stored configuration
		*/
		configureHelp(configuration) {
			if (configuration === void 0) return this._helpConfiguration;
			this._helpConfiguration = configuration;
			return this;
		}
		/**
		* The default output goes to stdout and stderr. You can customise this for special
		* applications. You can also customise the display of errors by overriding outputError.
		*
		* The configuration properties are all functions:
		*
		*     // change how output being written, defaults to stdout and stderr
		*     writeOut(str)
		*     writeErr(str)
		*     // change how output being written for errors, defaults to writeErr
		*     outputError(str, write) // used for displaying errors and not used for displaying help
		*     // specify width for wrapping help
		*     getOutHelpWidth()
		*     getErrHelpWidth()
		*     // color support, currently only used with Help
		*     getOutHasColors()
		*     getErrHasColors()
		*     stripColor() // used to remove ANSI escape codes if output does not have colors
		*
		* @param {object} [configuration] - configuration options
		* @return {(Command | object)} `this` command for chaining, or stored configuration
		*/
		configureOutput(configuration) {
			if (configuration === void 0) return this._outputConfiguration;
			this._outputConfiguration = {
				...this._outputConfiguration,
				...configuration
			};
			return this;
		}
		/**
		* Display the help or a custom message after an error occurs.
		*
		* @param {(boolean|string)} [displayHelp]
		* @return {Command} `this` command for chaining
		*/
		showHelpAfterError(displayHelp = true) {
			if (typeof displayHelp !== "string") displayHelp = !!displayHelp;
			this._showHelpAfterError = displayHelp;
			return this;
		}
		/**
		* Display suggestion of similar commands for unknown commands, or options for unknown options.
		*
		* @param {boolean} [displaySuggestion]
		* @return {Command} `this` command for chaining
		*/
		showSuggestionAfterError(displaySuggestion = true) {
			this._showSuggestionAfterError = !!displaySuggestion;
			return this;
		}
		/**
		* Add a prepared subcommand.
		*
		* See .command() for creating an attached subcommand which inherits settings from its parent.
		*
		* @param {Command} cmd - new subcommand
		* @param {object} [opts] - configuration options
		* @return {Command} `this` command for chaining
		*/
		addCommand(cmd, opts) {
			if (!cmd._name) throw new Error(`Command passed to .addCommand() must have a name
- specify the name in Command constructor or using .name()`);
			opts = opts || {};
			if (opts.isDefault) this._defaultCommandName = cmd._name;
			if (opts.noHelp || opts.hidden) cmd._hidden = true;
			this._registerCommand(cmd);
			cmd.parent = this;
			cmd._checkForBrokenPassThrough();
			return this;
		}
		/**
		* Factory routine to create a new unattached argument.
		*
		* See .argument() for creating an attached argument, which uses this routine to
		* create the argument. You can override createArgument to return a custom argument.
		*
		* @param {string} name
		* @param {string} [description]
		* @return {Argument} new argument
		*/
		createArgument(name, description) {
			return new Argument(name, description);
		}
		/**
		* Define argument syntax for command.
		*
		* The default is that the argument is required, and you can explicitly
		* indicate this with <> around the name. Put [] around the name for an optional argument.
		*
		* @example
		* program.argument('<input-file>');
		* program.argument('[output-file]');
		*
		* @param {string} name
		* @param {string} [description]
		* @param {(Function|*)} [parseArg] - custom argument processing function or default value
		* @param {*} [defaultValue]
		* @return {Command} `this` command for chaining
		*/
		argument(name, description, parseArg, defaultValue) {
			const argument = this.createArgument(name, description);
			if (typeof parseArg === "function") argument.default(defaultValue).argParser(parseArg);
			else argument.default(parseArg);
			this.addArgument(argument);
			return this;
		}
		/**
		* Define argument syntax for command, adding multiple at once (without descriptions).
		*
		* See also .argument().
		*
		* @example
		* program.arguments('<cmd> [env]');
		*
		* @param {string} names
		* @return {Command} `this` command for chaining
		*/
		arguments(names) {
			names.trim().split(/ +/).forEach((detail) => {
				this.argument(detail);
			});
			return this;
		}
		/**
		* Define argument syntax for command, adding a prepared argument.
		*
		* @param {Argument} argument
		* @return {Command} `this` command for chaining
		*/
		addArgument(argument) {
			const previousArgument = this.registeredArguments.slice(-1)[0];
			if (previousArgument?.variadic) throw new Error(`only the last argument can be variadic '${previousArgument.name()}'`);
			if (argument.required && argument.defaultValue !== void 0 && argument.parseArg === void 0) throw new Error(`a default value for a required argument is never used: '${argument.name()}'`);
			this.registeredArguments.push(argument);
			return this;
		}
		/**
		* Customise or override default help command. By default a help command is automatically added if your command has subcommands.
		*
		* @example
		*    program.helpCommand('help [cmd]');
		*    program.helpCommand('help [cmd]', 'show help');
		*    program.helpCommand(false); // suppress default help command
		*    program.helpCommand(true); // add help command even if no subcommands
		*
		* @param {string|boolean} enableOrNameAndArgs - enable with custom name and/or arguments, or boolean to override whether added
		* @param {string} [description] - custom description
		* @return {Command} `this` command for chaining
		*/
		helpCommand(enableOrNameAndArgs, description) {
			if (typeof enableOrNameAndArgs === "boolean") {
				this._addImplicitHelpCommand = enableOrNameAndArgs;
				if (enableOrNameAndArgs && this._defaultCommandGroup) this._initCommandGroup(this._getHelpCommand());
				return this;
			}
			const [, helpName, helpArgs] = (enableOrNameAndArgs ?? "help [command]").match(/([^ ]+) *(.*)/);
			const helpDescription = description ?? "display help for command";
			const helpCommand = this.createCommand(helpName);
			helpCommand.helpOption(false);
			if (helpArgs) helpCommand.arguments(helpArgs);
			if (helpDescription) helpCommand.description(helpDescription);
			this._addImplicitHelpCommand = true;
			this._helpCommand = helpCommand;
			if (enableOrNameAndArgs || description) this._initCommandGroup(helpCommand);
			return this;
		}
		/**
		* Add prepared custom help command.
		*
		* @param {(Command|string|boolean)} helpCommand - custom help command, or deprecated enableOrNameAndArgs as for `.helpCommand()`
		* @param {string} [deprecatedDescription] - deprecated custom description used with custom name only
		* @return {Command} `this` command for chaining
		*/
		addHelpCommand(helpCommand, deprecatedDescription) {
			if (typeof helpCommand !== "object") {
				this.helpCommand(helpCommand, deprecatedDescription);
				return this;
			}
			this._addImplicitHelpCommand = true;
			this._helpCommand = helpCommand;
			this._initCommandGroup(helpCommand);
			return this;
		}
		/**
		* Lazy create help command.
		*
		* @return {(Command|null)}
		* @package
		*/
		_getHelpCommand() {
			if (this._addImplicitHelpCommand ?? (this.commands.length && !this._actionHandler && !this._findCommand("help"))) {
				if (this._helpCommand === void 0) this.helpCommand(void 0, void 0);
				return this._helpCommand;
			}
			return null;
		}
		/**
		* Add hook for life cycle event.
		*
		* @param {string} event
		* @param {Function} listener
		* @return {Command} `this` command for chaining
		*/
		hook(event, listener) {
			const allowedValues = [
				"preSubcommand",
				"preAction",
				"postAction"
			];
			if (!allowedValues.includes(event)) throw new Error(`Unexpected value for event passed to hook : '${event}'.
Expecting one of '${allowedValues.join("', '")}'`);
			if (this._lifeCycleHooks[event]) this._lifeCycleHooks[event].push(listener);
			else this._lifeCycleHooks[event] = [listener];
			return this;
		}
		/**
		* Register callback to use as replacement for calling process.exit.
		*
		* @param {Function} [fn] optional callback which will be passed a CommanderError, defaults to throwing
		* @return {Command} `this` command for chaining
		*/
		exitOverride(fn) {
			if (fn) this._exitCallback = fn;
			else this._exitCallback = (err) => {
				if (err.code !== "commander.executeSubCommandAsync") throw err;
			};
			return this;
		}
		/**
		* Call process.exit, and _exitCallback if defined.
		*
		* @param {number} exitCode exit code for using with process.exit
		* @param {string} code an id string representing the error
		* @param {string} message human-readable description of the error
		* @return never
		* @private
		*/
		_exit(exitCode, code, message) {
			if (this._exitCallback) this._exitCallback(new CommanderError(exitCode, code, message));
			process.exit(exitCode);
		}
		/**
		* Register callback `fn` for the command.
		*
		* @example
		* program
		*   .command('serve')
		*   .description('start service')
		*   .action(function() {
		*      // do work here
		*   });
		*
		* @param {Function} fn
		* @return {Command} `this` command for chaining
		*/
		action(fn) {
			const listener = (args) => {
				const expectedArgsCount = this.registeredArguments.length;
				const actionArgs = args.slice(0, expectedArgsCount);
				if (this._storeOptionsAsProperties) actionArgs[expectedArgsCount] = this;
				else actionArgs[expectedArgsCount] = this.opts();
				actionArgs.push(this);
				return fn.apply(this, actionArgs);
			};
			this._actionHandler = listener;
			return this;
		}
		/**
		* Factory routine to create a new unattached option.
		*
		* See .option() for creating an attached option, which uses this routine to
		* create the option. You can override createOption to return a custom option.
		*
		* @param {string} flags
		* @param {string} [description]
		* @return {Option} new option
		*/
		createOption(flags, description) {
			return new Option(flags, description);
		}
		/**
		* Wrap parseArgs to catch 'commander.invalidArgument'.
		*
		* @param {(Option | Argument)} target
		* @param {string} value
		* @param {*} previous
		* @param {string} invalidArgumentMessage
		* @private
		*/
		_callParseArg(target, value, previous, invalidArgumentMessage) {
			try {
				return target.parseArg(value, previous);
			} catch (err) {
				if (err.code === "commander.invalidArgument") {
					const message = `${invalidArgumentMessage} ${err.message}`;
					this.error(message, {
						exitCode: err.exitCode,
						code: err.code
					});
				}
				throw err;
			}
		}
		/**
		* Check for option flag conflicts.
		* Register option if no conflicts found, or throw on conflict.
		*
		* @param {Option} option
		* @private
		*/
		_registerOption(option) {
			const matchingOption = option.short && this._findOption(option.short) || option.long && this._findOption(option.long);
			if (matchingOption) {
				const matchingFlag = option.long && this._findOption(option.long) ? option.long : option.short;
				throw new Error(`Cannot add option '${option.flags}'${this._name && ` to command '${this._name}'`} due to conflicting flag '${matchingFlag}'
-  already used by option '${matchingOption.flags}'`);
			}
			this._initOptionGroup(option);
			this.options.push(option);
		}
		/**
		* Check for command name and alias conflicts with existing commands.
		* Register command if no conflicts found, or throw on conflict.
		*
		* @param {Command} command
		* @private
		*/
		_registerCommand(command) {
			const knownBy = (cmd) => {
				return [cmd.name()].concat(cmd.aliases());
			};
			const alreadyUsed = knownBy(command).find((name) => this._findCommand(name));
			if (alreadyUsed) {
				const existingCmd = knownBy(this._findCommand(alreadyUsed)).join("|");
				const newCmd = knownBy(command).join("|");
				throw new Error(`cannot add command '${newCmd}' as already have command '${existingCmd}'`);
			}
			this._initCommandGroup(command);
			this.commands.push(command);
		}
		/**
		* Add an option.
		*
		* @param {Option} option
		* @return {Command} `this` command for chaining
		*/
		addOption(option) {
			this._registerOption(option);
			const oname = option.name();
			const name = option.attributeName();
			if (option.negate) {
				const positiveLongFlag = option.long.replace(/^--no-/, "--");
				if (!this._findOption(positiveLongFlag)) this.setOptionValueWithSource(name, option.defaultValue === void 0 ? true : option.defaultValue, "default");
			} else if (option.defaultValue !== void 0) this.setOptionValueWithSource(name, option.defaultValue, "default");
			const handleOptionValue = (val, invalidValueMessage, valueSource) => {
				if (val == null && option.presetArg !== void 0) val = option.presetArg;
				const oldValue = this.getOptionValue(name);
				if (val !== null && option.parseArg) val = this._callParseArg(option, val, oldValue, invalidValueMessage);
				else if (val !== null && option.variadic) val = option._collectValue(val, oldValue);
				if (val == null) {
					if (option.negate) val = false;
					else if (option.isBoolean() || option.optional) val = true;
					else val = "";
				}
				this.setOptionValueWithSource(name, val, valueSource);
			};
			this.on("option:" + oname, (val) => {
				const invalidValueMessage = `error: option '${option.flags}' argument '${val}' is invalid.`;
				handleOptionValue(val, invalidValueMessage, "cli");
			});
			if (option.envVar) this.on("optionEnv:" + oname, (val) => {
				const invalidValueMessage = `error: option '${option.flags}' value '${val}' from env '${option.envVar}' is invalid.`;
				handleOptionValue(val, invalidValueMessage, "env");
			});
			return this;
		}
		/**
		* Internal implementation shared by .option() and .requiredOption()
		*
		* @return {Command} `this` command for chaining
		* @private
		*/
		_optionEx(config, flags, description, fn, defaultValue) {
			if (typeof flags === "object" && flags instanceof Option) throw new Error("To add an Option object use addOption() instead of option() or requiredOption()");
			const option = this.createOption(flags, description);
			option.makeOptionMandatory(!!config.mandatory);
			if (typeof fn === "function") option.default(defaultValue).argParser(fn);
			else if (fn instanceof RegExp) {
				const regex = fn;
				fn = (val, def) => {
					const m = regex.exec(val);
					return m ? m[0] : def;
				};
				option.default(defaultValue).argParser(fn);
			} else option.default(fn);
			return this.addOption(option);
		}
		/**
		* Define option with `flags`, `description`, and optional argument parsing function or `defaultValue` or both.
		*
		* The `flags` string contains the short and/or long flags, separated by comma, a pipe or space. A required
		* option-argument is indicated by `<>` and an optional option-argument by `[]`.
		*
		* See the README for more details, and see also addOption() and requiredOption().
		*
		* @example
		* program
		*     .option('-p, --pepper', 'add pepper')
		*     .option('--pt, --pizza-type <TYPE>', 'type of pizza') // required option-argument
		*     .option('-c, --cheese [CHEESE]', 'add extra cheese', 'mozzarella') // optional option-argument with default
		*     .option('-t, --tip <VALUE>', 'add tip to purchase cost', parseFloat) // custom parse function
		*
		* @param {string} flags
		* @param {string} [description]
		* @param {(Function|*)} [parseArg] - custom option processing function or default value
		* @param {*} [defaultValue]
		* @return {Command} `this` command for chaining
		*/
		option(flags, description, parseArg, defaultValue) {
			return this._optionEx({}, flags, description, parseArg, defaultValue);
		}
		/**
		* Add a required option which must have a value after parsing. This usually means
		* the option must be specified on the command line. (Otherwise the same as .option().)
		*
		* The `flags` string contains the short and/or long flags, separated by comma, a pipe or space.
		*
		* @param {string} flags
		* @param {string} [description]
		* @param {(Function|*)} [parseArg] - custom option processing function or default value
		* @param {*} [defaultValue]
		* @return {Command} `this` command for chaining
		*/
		requiredOption(flags, description, parseArg, defaultValue) {
			return this._optionEx({ mandatory: true }, flags, description, parseArg, defaultValue);
		}
		/**
		* Alter parsing of short flags with optional values.
		*
		* @example
		* // for `.option('-f,--flag [value]'):
		* program.combineFlagAndOptionalValue(true);  // `-f80` is treated like `--flag=80`, this is the default behaviour
		* program.combineFlagAndOptionalValue(false) // `-fb` is treated like `-f -b`
		*
		* @param {boolean} [combine] - if `true` or omitted, an optional value can be specified directly after the flag.
		* @return {Command} `this` command for chaining
		*/
		combineFlagAndOptionalValue(combine = true) {
			this._combineFlagAndOptionalValue = !!combine;
			return this;
		}
		/**
		* Allow unknown options on the command line.
		*
		* @param {boolean} [allowUnknown] - if `true` or omitted, no error will be thrown for unknown options.
		* @return {Command} `this` command for chaining
		*/
		allowUnknownOption(allowUnknown = true) {
			this._allowUnknownOption = !!allowUnknown;
			return this;
		}
		/**
		* Allow excess command-arguments on the command line. Pass false to make excess arguments an error.
		*
		* @param {boolean} [allowExcess] - if `true` or omitted, no error will be thrown for excess arguments.
		* @return {Command} `this` command for chaining
		*/
		allowExcessArguments(allowExcess = true) {
			this._allowExcessArguments = !!allowExcess;
			return this;
		}
		/**
		* Enable positional options. Positional means global options are specified before subcommands which lets
		* subcommands reuse the same option names, and also enables subcommands to turn on passThroughOptions.
		* The default behaviour is non-positional and global options may appear anywhere on the command line.
		*
		* @param {boolean} [positional]
		* @return {Command} `this` command for chaining
		*/
		enablePositionalOptions(positional = true) {
			this._enablePositionalOptions = !!positional;
			return this;
		}
		/**
		* Pass through options that come after command-arguments rather than treat them as command-options,
		* so actual command-options come before command-arguments. Turning this on for a subcommand requires
		* positional options to have been enabled on the program (parent commands).
		* The default behaviour is non-positional and options may appear before or after command-arguments.
		*
		* @param {boolean} [passThrough] for unknown options.
		* @return {Command} `this` command for chaining
		*/
		passThroughOptions(passThrough = true) {
			this._passThroughOptions = !!passThrough;
			this._checkForBrokenPassThrough();
			return this;
		}
		/**
		* @private
		*/
		_checkForBrokenPassThrough() {
			if (this.parent && this._passThroughOptions && !this.parent._enablePositionalOptions) throw new Error(`passThroughOptions cannot be used for '${this._name}' without turning on enablePositionalOptions for parent command(s)`);
		}
		/**
		* Whether to store option values as properties on command object,
		* or store separately (specify false). In both cases the option values can be accessed using .opts().
		*
		* @param {boolean} [storeAsProperties=true]
		* @return {Command} `this` command for chaining
		*/
		storeOptionsAsProperties(storeAsProperties = true) {
			if (this.options.length) throw new Error("call .storeOptionsAsProperties() before adding options");
			if (Object.keys(this._optionValues).length) throw new Error("call .storeOptionsAsProperties() before setting option values");
			this._storeOptionsAsProperties = !!storeAsProperties;
			return this;
		}
		/**
		* Retrieve option value.
		*
		* @param {string} key
		* @return {object} value
		*/
		getOptionValue(key) {
			if (this._storeOptionsAsProperties) return this[key];
			return this._optionValues[key];
		}
		/**
		* Store option value.
		*
		* @param {string} key
		* @param {object} value
		* @return {Command} `this` command for chaining
		*/
		setOptionValue(key, value) {
			return this.setOptionValueWithSource(key, value, void 0);
		}
		/**
		* Store option value and where the value came from.
		*
		* @param {string} key
		* @param {object} value
		* @param {string} source - expected values are default/config/env/cli/implied
		* @return {Command} `this` command for chaining
		*/
		setOptionValueWithSource(key, value, source) {
			if (this._storeOptionsAsProperties) this[key] = value;
			else this._optionValues[key] = value;
			this._optionValueSources[key] = source;
			return this;
		}
		/**
		* Get source of option value.
		* Expected values are default | config | env | cli | implied
		*
		* @param {string} key
		* @return {string}
		*/
		getOptionValueSource(key) {
			return this._optionValueSources[key];
		}
		/**
		* Get source of option value. See also .optsWithGlobals().
		* Expected values are default | config | env | cli | implied
		*
		* @param {string} key
		* @return {string}
		*/
		getOptionValueSourceWithGlobals(key) {
			let source;
			this._getCommandAndAncestors().forEach((cmd) => {
				if (cmd.getOptionValueSource(key) !== void 0) source = cmd.getOptionValueSource(key);
			});
			return source;
		}
		/**
		* Get user arguments from implied or explicit arguments.
		* Side-effects: set _scriptPath if args included script. Used for default program name, and subcommand searches.
		*
		* @private
		*/
		_prepareUserArgs(argv, parseOptions) {
			if (argv !== void 0 && !Array.isArray(argv)) throw new Error("first parameter to parse must be array or undefined");
			parseOptions = parseOptions || {};
			if (argv === void 0 && parseOptions.from === void 0) {
				if (process.versions?.electron) parseOptions.from = "electron";
				const execArgv = process.execArgv ?? [];
				if (execArgv.includes("-e") || execArgv.includes("--eval") || execArgv.includes("-p") || execArgv.includes("--print")) parseOptions.from = "eval";
			}
			if (argv === void 0) argv = process.argv;
			this.rawArgs = argv.slice();
			let userArgs;
			switch (parseOptions.from) {
				case void 0:
				case "node":
					this._scriptPath = argv[1];
					userArgs = argv.slice(2);
					break;
				case "electron":
					if (process.defaultApp) {
						this._scriptPath = argv[1];
						userArgs = argv.slice(2);
					} else userArgs = argv.slice(1);
					break;
				case "user":
					userArgs = argv.slice(0);
					break;
				case "eval":
					userArgs = argv.slice(1);
					break;
				default: throw new Error(`unexpected parse option { from: '${parseOptions.from}' }`);
			}
			if (!this._name && this._scriptPath) this.nameFromFilename(this._scriptPath);
			this._name = this._name || "program";
			return userArgs;
		}
		/**
		* Parse `argv`, setting options and invoking commands when defined.
		*
		* Use parseAsync instead of parse if any of your action handlers are async.
		*
		* Call with no parameters to parse `process.argv`. Detects Electron and special node options like `node --eval`. Easy mode!
		*
		* Or call with an array of strings to parse, and optionally where the user arguments start by specifying where the arguments are `from`:
		* - `'node'`: default, `argv[0]` is the application and `argv[1]` is the script being run, with user arguments after that
		* - `'electron'`: `argv[0]` is the application and `argv[1]` varies depending on whether the electron application is packaged
		* - `'user'`: just user arguments
		*
		* @example
		* program.parse(); // parse process.argv and auto-detect electron and special node flags
		* program.parse(process.argv); // assume argv[0] is app and argv[1] is script
		* program.parse(my-args, { from: 'user' }); // just user supplied arguments, nothing special about argv[0]
		*
		* @param {string[]} [argv] - optional, defaults to process.argv
		* @param {object} [parseOptions] - optionally specify style of options with from: node/user/electron
		* @param {string} [parseOptions.from] - where the args are from: 'node', 'user', 'electron'
		* @return {Command} `this` command for chaining
		*/
		parse(argv, parseOptions) {
			this._prepareForParse();
			const userArgs = this._prepareUserArgs(argv, parseOptions);
			this._parseCommand([], userArgs);
			return this;
		}
		/**
		* Parse `argv`, setting options and invoking commands when defined.
		*
		* Call with no parameters to parse `process.argv`. Detects Electron and special node options like `node --eval`. Easy mode!
		*
		* Or call with an array of strings to parse, and optionally where the user arguments start by specifying where the arguments are `from`:
		* - `'node'`: default, `argv[0]` is the application and `argv[1]` is the script being run, with user arguments after that
		* - `'electron'`: `argv[0]` is the application and `argv[1]` varies depending on whether the electron application is packaged
		* - `'user'`: just user arguments
		*
		* @example
		* await program.parseAsync(); // parse process.argv and auto-detect electron and special node flags
		* await program.parseAsync(process.argv); // assume argv[0] is app and argv[1] is script
		* await program.parseAsync(my-args, { from: 'user' }); // just user supplied arguments, nothing special about argv[0]
		*
		* @param {string[]} [argv]
		* @param {object} [parseOptions]
		* @param {string} parseOptions.from - where the args are from: 'node', 'user', 'electron'
		* @return {Promise}
		*/
		async parseAsync(argv, parseOptions) {
			this._prepareForParse();
			const userArgs = this._prepareUserArgs(argv, parseOptions);
			await this._parseCommand([], userArgs);
			return this;
		}
		_prepareForParse() {
			if (this._savedState === null) this.saveStateBeforeParse();
			else this.restoreStateBeforeParse();
		}
		/**
		* Called the first time parse is called to save state and allow a restore before subsequent calls to parse.
		* Not usually called directly, but available for subclasses to save their custom state.
		*
		* This is called in a lazy way. Only commands used in parsing chain will have state saved.
		*/
		saveStateBeforeParse() {
			this._savedState = {
				_name: this._name,
				_optionValues: { ...this._optionValues },
				_optionValueSources: { ...this._optionValueSources }
			};
		}
		/**
		* Restore state before parse for calls after the first.
		* Not usually called directly, but available for subclasses to save their custom state.
		*
		* This is called in a lazy way. Only commands used in parsing chain will have state restored.
		*/
		restoreStateBeforeParse() {
			if (this._storeOptionsAsProperties) throw new Error(`Can not call parse again when storeOptionsAsProperties is true.
- either make a new Command for each call to parse, or stop storing options as properties`);
			this._name = this._savedState._name;
			this._scriptPath = null;
			this.rawArgs = [];
			this._optionValues = { ...this._savedState._optionValues };
			this._optionValueSources = { ...this._savedState._optionValueSources };
			this.args = [];
			this.processedArgs = [];
		}
		/**
		* Throw if expected executable is missing. Add lots of help for author.
		*
		* @param {string} executableFile
		* @param {string} executableDir
		* @param {string} subcommandName
		*/
		_checkForMissingExecutable(executableFile, executableDir, subcommandName) {
			if (fs.existsSync(executableFile)) return;
			const executableMissing = `'${executableFile}' does not exist
 - if '${subcommandName}' is not meant to be an executable command, remove description parameter from '.command()' and use '.description()' instead
 - if the default executable name is not suitable, use the executableFile option to supply a custom name or path
 - ${executableDir ? `searched for local subcommand relative to directory '${executableDir}'` : "no directory for search for local subcommand, use .executableDir() to supply a custom directory"}`;
			throw new Error(executableMissing);
		}
		/**
		* Execute a sub-command executable.
		*
		* @private
		*/
		_executeSubCommand(subcommand, args) {
			args = args.slice();
			let launchWithNode = false;
			const sourceExt = [
				".js",
				".ts",
				".tsx",
				".mjs",
				".cjs"
			];
			function findFile(baseDir, baseName) {
				const localBin = path.resolve(baseDir, baseName);
				if (fs.existsSync(localBin)) return localBin;
				if (sourceExt.includes(path.extname(baseName))) return void 0;
				const foundExt = sourceExt.find((ext) => fs.existsSync(`${localBin}${ext}`));
				if (foundExt) return `${localBin}${foundExt}`;
			}
			this._checkForMissingMandatoryOptions();
			this._checkForConflictingOptions();
			let executableFile = subcommand._executableFile || `${this._name}-${subcommand._name}`;
			let executableDir = this._executableDir || "";
			if (this._scriptPath) {
				let resolvedScriptPath;
				try {
					resolvedScriptPath = fs.realpathSync(this._scriptPath);
				} catch {
					resolvedScriptPath = this._scriptPath;
				}
				executableDir = path.resolve(path.dirname(resolvedScriptPath), executableDir);
			}
			if (executableDir) {
				let localFile = findFile(executableDir, executableFile);
				if (!localFile && !subcommand._executableFile && this._scriptPath) {
					const legacyName = path.basename(this._scriptPath, path.extname(this._scriptPath));
					if (legacyName !== this._name) localFile = findFile(executableDir, `${legacyName}-${subcommand._name}`);
				}
				executableFile = localFile || executableFile;
			}
			launchWithNode = sourceExt.includes(path.extname(executableFile));
			let proc;
			if (process.platform !== "win32") {
				if (launchWithNode) {
					args.unshift(executableFile);
					args = incrementNodeInspectorPort(process.execArgv).concat(args);
					proc = childProcess.spawn(process.argv[0], args, { stdio: "inherit" });
				} else proc = childProcess.spawn(executableFile, args, { stdio: "inherit" });
			} else {
				this._checkForMissingExecutable(executableFile, executableDir, subcommand._name);
				args.unshift(executableFile);
				args = incrementNodeInspectorPort(process.execArgv).concat(args);
				proc = childProcess.spawn(process.execPath, args, { stdio: "inherit" });
			}
			if (!proc.killed) [
				"SIGUSR1",
				"SIGUSR2",
				"SIGTERM",
				"SIGINT",
				"SIGHUP"
			].forEach((signal) => {
				process.on(signal, () => {
					if (proc.killed === false && proc.exitCode === null) proc.kill(signal);
				});
			});
			const exitCallback = this._exitCallback;
			proc.on("close", (code) => {
				code = code ?? 1;
				if (!exitCallback) process.exit(code);
				else exitCallback(new CommanderError(code, "commander.executeSubCommandAsync", "(close)"));
			});
			proc.on("error", (err) => {
				if (err.code === "ENOENT") this._checkForMissingExecutable(executableFile, executableDir, subcommand._name);
				else if (err.code === "EACCES") throw new Error(`'${executableFile}' not executable`);
				if (!exitCallback) process.exit(1);
				else {
					const wrappedError = new CommanderError(1, "commander.executeSubCommandAsync", "(error)");
					wrappedError.nestedError = err;
					exitCallback(wrappedError);
				}
			});
			this.runningCommand = proc;
		}
		/**
		* @private
		*/
		_dispatchSubcommand(commandName, operands, unknown) {
			const subCommand = this._findCommand(commandName);
			if (!subCommand) this.help({ error: true });
			subCommand._prepareForParse();
			let promiseChain;
			promiseChain = this._chainOrCallSubCommandHook(promiseChain, subCommand, "preSubcommand");
			promiseChain = this._chainOrCall(promiseChain, () => {
				if (subCommand._executableHandler) this._executeSubCommand(subCommand, operands.concat(unknown));
				else return subCommand._parseCommand(operands, unknown);
			});
			return promiseChain;
		}
		/**
		* Invoke help directly if possible, or dispatch if necessary.
		* e.g. help foo
		*
		* @private
		*/
		_dispatchHelpCommand(subcommandName) {
			if (!subcommandName) this.help();
			const subCommand = this._findCommand(subcommandName);
			if (subCommand && !subCommand._executableHandler) subCommand.help();
			return this._dispatchSubcommand(subcommandName, [], [this._getHelpOption()?.long ?? this._getHelpOption()?.short ?? "--help"]);
		}
		/**
		* Check this.args against expected this.registeredArguments.
		*
		* @private
		*/
		_checkNumberOfArguments() {
			this.registeredArguments.forEach((arg, i) => {
				if (arg.required && this.args[i] == null) this.missingArgument(arg.name());
			});
			if (this.registeredArguments.length > 0 && this.registeredArguments[this.registeredArguments.length - 1].variadic) return;
			if (this.args.length > this.registeredArguments.length) this._excessArguments(this.args);
		}
		/**
		* Process this.args using this.registeredArguments and save as this.processedArgs!
		*
		* @private
		*/
		_processArguments() {
			const myParseArg = (argument, value, previous) => {
				let parsedValue = value;
				if (value !== null && argument.parseArg) {
					const invalidValueMessage = `error: command-argument value '${value}' is invalid for argument '${argument.name()}'.`;
					parsedValue = this._callParseArg(argument, value, previous, invalidValueMessage);
				}
				return parsedValue;
			};
			this._checkNumberOfArguments();
			const processedArgs = [];
			this.registeredArguments.forEach((declaredArg, index) => {
				let value = declaredArg.defaultValue;
				if (declaredArg.variadic) {
					if (index < this.args.length) {
						value = this.args.slice(index);
						if (declaredArg.parseArg) value = value.reduce((processed, v) => {
							return myParseArg(declaredArg, v, processed);
						}, declaredArg.defaultValue);
					} else if (value === void 0) value = [];
				} else if (index < this.args.length) {
					value = this.args[index];
					if (declaredArg.parseArg) value = myParseArg(declaredArg, value, declaredArg.defaultValue);
				}
				processedArgs[index] = value;
			});
			this.processedArgs = processedArgs;
		}
		/**
		* Once we have a promise we chain, but call synchronously until then.
		*
		* @param {(Promise|undefined)} promise
		* @param {Function} fn
		* @return {(Promise|undefined)}
		* @private
		*/
		_chainOrCall(promise, fn) {
			if (promise?.then && typeof promise.then === "function") return promise.then(() => fn());
			return fn();
		}
		/**
		*
		* @param {(Promise|undefined)} promise
		* @param {string} event
		* @return {(Promise|undefined)}
		* @private
		*/
		_chainOrCallHooks(promise, event) {
			let result = promise;
			const hooks = [];
			this._getCommandAndAncestors().reverse().filter((cmd) => cmd._lifeCycleHooks[event] !== void 0).forEach((hookedCommand) => {
				hookedCommand._lifeCycleHooks[event].forEach((callback) => {
					hooks.push({
						hookedCommand,
						callback
					});
				});
			});
			if (event === "postAction") hooks.reverse();
			hooks.forEach((hookDetail) => {
				result = this._chainOrCall(result, () => {
					return hookDetail.callback(hookDetail.hookedCommand, this);
				});
			});
			return result;
		}
		/**
		*
		* @param {(Promise|undefined)} promise
		* @param {Command} subCommand
		* @param {string} event
		* @return {(Promise|undefined)}
		* @private
		*/
		_chainOrCallSubCommandHook(promise, subCommand, event) {
			let result = promise;
			if (this._lifeCycleHooks[event] !== void 0) this._lifeCycleHooks[event].forEach((hook) => {
				result = this._chainOrCall(result, () => {
					return hook(this, subCommand);
				});
			});
			return result;
		}
		/**
		* Process arguments in context of this command.
		* Returns action result, in case it is a promise.
		*
		* @private
		*/
		_parseCommand(operands, unknown) {
			const parsed = this.parseOptions(unknown);
			this._parseOptionsEnv();
			this._parseOptionsImplied();
			operands = operands.concat(parsed.operands);
			unknown = parsed.unknown;
			this.args = operands.concat(unknown);
			if (operands && this._findCommand(operands[0])) return this._dispatchSubcommand(operands[0], operands.slice(1), unknown);
			if (this._getHelpCommand() && operands[0] === this._getHelpCommand().name()) return this._dispatchHelpCommand(operands[1]);
			if (this._defaultCommandName) {
				this._outputHelpIfRequested(unknown);
				return this._dispatchSubcommand(this._defaultCommandName, operands, unknown);
			}
			if (this.commands.length && this.args.length === 0 && !this._actionHandler && !this._defaultCommandName) this.help({ error: true });
			this._outputHelpIfRequested(parsed.unknown);
			this._checkForMissingMandatoryOptions();
			this._checkForConflictingOptions();
			const checkForUnknownOptions = () => {
				if (parsed.unknown.length > 0) this.unknownOption(parsed.unknown[0]);
			};
			const commandEvent = `command:${this.name()}`;
			if (this._actionHandler) {
				checkForUnknownOptions();
				this._processArguments();
				let promiseChain;
				promiseChain = this._chainOrCallHooks(promiseChain, "preAction");
				promiseChain = this._chainOrCall(promiseChain, () => this._actionHandler(this.processedArgs));
				if (this.parent) promiseChain = this._chainOrCall(promiseChain, () => {
					this.parent.emit(commandEvent, operands, unknown);
				});
				promiseChain = this._chainOrCallHooks(promiseChain, "postAction");
				return promiseChain;
			}
			if (this.parent?.listenerCount(commandEvent)) {
				checkForUnknownOptions();
				this._processArguments();
				this.parent.emit(commandEvent, operands, unknown);
			} else if (operands.length) {
				if (this._findCommand("*")) return this._dispatchSubcommand("*", operands, unknown);
				if (this.listenerCount("command:*")) this.emit("command:*", operands, unknown);
				else if (this.commands.length) this.unknownCommand();
				else {
					checkForUnknownOptions();
					this._processArguments();
				}
			} else if (this.commands.length) {
				checkForUnknownOptions();
				this.help({ error: true });
			} else {
				checkForUnknownOptions();
				this._processArguments();
			}
		}
		/**
		* Find matching command.
		*
		* @private
		* @return {Command | undefined}
		*/
		_findCommand(name) {
			if (!name) return void 0;
			return this.commands.find((cmd) => cmd._name === name || cmd._aliases.includes(name));
		}
		/**
		* Return an option matching `arg` if any.
		*
		* @param {string} arg
		* @return {Option}
		* @package
		*/
		_findOption(arg) {
			return this.options.find((option) => option.is(arg));
		}
		/**
		* Display an error message if a mandatory option does not have a value.
		* Called after checking for help flags in leaf subcommand.
		*
		* @private
		*/
		_checkForMissingMandatoryOptions() {
			this._getCommandAndAncestors().forEach((cmd) => {
				cmd.options.forEach((anOption) => {
					if (anOption.mandatory && cmd.getOptionValue(anOption.attributeName()) === void 0) cmd.missingMandatoryOptionValue(anOption);
				});
			});
		}
		/**
		* Display an error message if conflicting options are used together in this.
		*
		* @private
		*/
		_checkForConflictingLocalOptions() {
			const definedNonDefaultOptions = this.options.filter((option) => {
				const optionKey = option.attributeName();
				if (this.getOptionValue(optionKey) === void 0) return false;
				return this.getOptionValueSource(optionKey) !== "default";
			});
			definedNonDefaultOptions.filter((option) => option.conflictsWith.length > 0).forEach((option) => {
				const conflictingAndDefined = definedNonDefaultOptions.find((defined) => option.conflictsWith.includes(defined.attributeName()));
				if (conflictingAndDefined) this._conflictingOption(option, conflictingAndDefined);
			});
		}
		/**
		* Display an error message if conflicting options are used together.
		* Called after checking for help flags in leaf subcommand.
		*
		* @private
		*/
		_checkForConflictingOptions() {
			this._getCommandAndAncestors().forEach((cmd) => {
				cmd._checkForConflictingLocalOptions();
			});
		}
		/**
		* Parse options from `argv` removing known options,
		* and return argv split into operands and unknown arguments.
		*
		* Side effects: modifies command by storing options. Does not reset state if called again.
		*
		* Examples:
		*
		*     argv => operands, unknown
		*     --known kkk op => [op], []
		*     op --known kkk => [op], []
		*     sub --unknown uuu op => [sub], [--unknown uuu op]
		*     sub -- --unknown uuu op => [sub --unknown uuu op], []
		*
		* @param {string[]} args
		* @return {{operands: string[], unknown: string[]}}
		*/
		parseOptions(args) {
			const operands = [];
			const unknown = [];
			let dest = operands;
			function maybeOption(arg) {
				return arg.length > 1 && arg[0] === "-";
			}
			const negativeNumberArg = (arg) => {
				if (!/^-(\d+|\d*\.\d+)(e[+-]?\d+)?$/.test(arg)) return false;
				return !this._getCommandAndAncestors().some((cmd) => cmd.options.map((opt) => opt.short).some((short) => /^-\d$/.test(short)));
			};
			let activeVariadicOption = null;
			let activeGroup = null;
			let i = 0;
			while (i < args.length || activeGroup) {
				const arg = activeGroup ?? args[i++];
				activeGroup = null;
				if (arg === "--") {
					if (dest === unknown) dest.push(arg);
					dest.push(...args.slice(i));
					break;
				}
				if (activeVariadicOption && (!maybeOption(arg) || negativeNumberArg(arg))) {
					this.emit(`option:${activeVariadicOption.name()}`, arg);
					continue;
				}
				activeVariadicOption = null;
				if (maybeOption(arg)) {
					const option = this._findOption(arg);
					if (option) {
						if (option.required) {
							const value = args[i++];
							if (value === void 0) this.optionMissingArgument(option);
							this.emit(`option:${option.name()}`, value);
						} else if (option.optional) {
							let value = null;
							if (i < args.length && (!maybeOption(args[i]) || negativeNumberArg(args[i]))) value = args[i++];
							this.emit(`option:${option.name()}`, value);
						} else this.emit(`option:${option.name()}`);
						activeVariadicOption = option.variadic ? option : null;
						continue;
					}
				}
				if (arg.length > 2 && arg[0] === "-" && arg[1] !== "-") {
					const option = this._findOption(`-${arg[1]}`);
					if (option) {
						if (option.required || option.optional && this._combineFlagAndOptionalValue) this.emit(`option:${option.name()}`, arg.slice(2));
						else {
							this.emit(`option:${option.name()}`);
							activeGroup = `-${arg.slice(2)}`;
						}
						continue;
					}
				}
				if (/^--[^=]+=/.test(arg)) {
					const index = arg.indexOf("=");
					const option = this._findOption(arg.slice(0, index));
					if (option && (option.required || option.optional)) {
						this.emit(`option:${option.name()}`, arg.slice(index + 1));
						continue;
					}
				}
				if (dest === operands && maybeOption(arg) && !(this.commands.length === 0 && negativeNumberArg(arg))) dest = unknown;
				if ((this._enablePositionalOptions || this._passThroughOptions) && operands.length === 0 && unknown.length === 0) {
					if (this._findCommand(arg)) {
						operands.push(arg);
						unknown.push(...args.slice(i));
						break;
					} else if (this._getHelpCommand() && arg === this._getHelpCommand().name()) {
						operands.push(arg, ...args.slice(i));
						break;
					} else if (this._defaultCommandName) {
						unknown.push(arg, ...args.slice(i));
						break;
					}
				}
				if (this._passThroughOptions) {
					dest.push(arg, ...args.slice(i));
					break;
				}
				dest.push(arg);
			}
			return {
				operands,
				unknown
			};
		}
		/**
		* Return an object containing local option values as key-value pairs.
		*
		* @return {object}
		*/
		opts() {
			if (this._storeOptionsAsProperties) {
				const result = {};
				const len = this.options.length;
				for (let i = 0; i < len; i++) {
					const key = this.options[i].attributeName();
					result[key] = key === this._versionOptionName ? this._version : this[key];
				}
				return result;
			}
			return this._optionValues;
		}
		/**
		* Return an object containing merged local and global option values as key-value pairs.
		*
		* @return {object}
		*/
		optsWithGlobals() {
			return this._getCommandAndAncestors().reduce((combinedOptions, cmd) => Object.assign(combinedOptions, cmd.opts()), {});
		}
		/**
		* Display error message and exit (or call exitOverride).
		*
		* @param {string} message
		* @param {object} [errorOptions]
		* @param {string} [errorOptions.code] - an id string representing the error
		* @param {number} [errorOptions.exitCode] - used with process.exit
		*/
		error(message, errorOptions) {
			this._outputConfiguration.outputError(`${message}\n`, this._outputConfiguration.writeErr);
			if (typeof this._showHelpAfterError === "string") this._outputConfiguration.writeErr(`${this._showHelpAfterError}\n`);
			else if (this._showHelpAfterError) {
				this._outputConfiguration.writeErr("\n");
				this.outputHelp({ error: true });
			}
			const config = errorOptions || {};
			const exitCode = config.exitCode || 1;
			const code = config.code || "commander.error";
			this._exit(exitCode, code, message);
		}
		/**
		* Apply any option related environment variables, if option does
		* not have a value from cli or client code.
		*
		* @private
		*/
		_parseOptionsEnv() {
			this.options.forEach((option) => {
				if (option.envVar && option.envVar in process.env) {
					const optionKey = option.attributeName();
					if (this.getOptionValue(optionKey) === void 0 || [
						"default",
						"config",
						"env"
					].includes(this.getOptionValueSource(optionKey))) {
						if (option.required || option.optional) this.emit(`optionEnv:${option.name()}`, process.env[option.envVar]);
						else this.emit(`optionEnv:${option.name()}`);
					}
				}
			});
		}
		/**
		* Apply any implied option values, if option is undefined or default value.
		*
		* @private
		*/
		_parseOptionsImplied() {
			const dualHelper = new DualOptions(this.options);
			const hasCustomOptionValue = (optionKey) => {
				return this.getOptionValue(optionKey) !== void 0 && !["default", "implied"].includes(this.getOptionValueSource(optionKey));
			};
			this.options.filter((option) => option.implied !== void 0 && hasCustomOptionValue(option.attributeName()) && dualHelper.valueFromOption(this.getOptionValue(option.attributeName()), option)).forEach((option) => {
				Object.keys(option.implied).filter((impliedKey) => !hasCustomOptionValue(impliedKey)).forEach((impliedKey) => {
					this.setOptionValueWithSource(impliedKey, option.implied[impliedKey], "implied");
				});
			});
		}
		/**
		* Argument `name` is missing.
		*
		* @param {string} name
		* @private
		*/
		missingArgument(name) {
			const message = `error: missing required argument '${name}'`;
			this.error(message, { code: "commander.missingArgument" });
		}
		/**
		* `Option` is missing an argument.
		*
		* @param {Option} option
		* @private
		*/
		optionMissingArgument(option) {
			const message = `error: option '${option.flags}' argument missing`;
			this.error(message, { code: "commander.optionMissingArgument" });
		}
		/**
		* `Option` does not have a value, and is a mandatory option.
		*
		* @param {Option} option
		* @private
		*/
		missingMandatoryOptionValue(option) {
			const message = `error: required option '${option.flags}' not specified`;
			this.error(message, { code: "commander.missingMandatoryOptionValue" });
		}
		/**
		* `Option` conflicts with another option.
		*
		* @param {Option} option
		* @param {Option} conflictingOption
		* @private
		*/
		_conflictingOption(option, conflictingOption) {
			const findBestOptionFromValue = (option) => {
				const optionKey = option.attributeName();
				const optionValue = this.getOptionValue(optionKey);
				const negativeOption = this.options.find((target) => target.negate && optionKey === target.attributeName());
				const positiveOption = this.options.find((target) => !target.negate && optionKey === target.attributeName());
				if (negativeOption && (negativeOption.presetArg === void 0 && optionValue === false || negativeOption.presetArg !== void 0 && optionValue === negativeOption.presetArg)) return negativeOption;
				return positiveOption || option;
			};
			const getErrorMessage = (option) => {
				const bestOption = findBestOptionFromValue(option);
				const optionKey = bestOption.attributeName();
				if (this.getOptionValueSource(optionKey) === "env") return `environment variable '${bestOption.envVar}'`;
				return `option '${bestOption.flags}'`;
			};
			const message = `error: ${getErrorMessage(option)} cannot be used with ${getErrorMessage(conflictingOption)}`;
			this.error(message, { code: "commander.conflictingOption" });
		}
		/**
		* Unknown option `flag`.
		*
		* @param {string} flag
		* @private
		*/
		unknownOption(flag) {
			if (this._allowUnknownOption) return;
			let suggestion = "";
			if (flag.startsWith("--") && this._showSuggestionAfterError) {
				let candidateFlags = [];
				let command = this;
				do {
					const moreFlags = command.createHelp().visibleOptions(command).filter((option) => option.long).map((option) => option.long);
					candidateFlags = candidateFlags.concat(moreFlags);
					command = command.parent;
				} while (command && !command._enablePositionalOptions);
				suggestion = suggestSimilar(flag, candidateFlags);
			}
			const message = `error: unknown option '${flag}'${suggestion}`;
			this.error(message, { code: "commander.unknownOption" });
		}
		/**
		* Excess arguments, more than expected.
		*
		* @param {string[]} receivedArgs
		* @private
		*/
		_excessArguments(receivedArgs) {
			if (this._allowExcessArguments) return;
			const expected = this.registeredArguments.length;
			const s = expected === 1 ? "" : "s";
			const message = `error: too many arguments${this.parent ? ` for '${this.name()}'` : ""}. Expected ${expected} argument${s} but got ${receivedArgs.length}.`;
			this.error(message, { code: "commander.excessArguments" });
		}
		/**
		* Unknown command.
		*
		* @private
		*/
		unknownCommand() {
			const unknownName = this.args[0];
			let suggestion = "";
			if (this._showSuggestionAfterError) {
				const candidateNames = [];
				this.createHelp().visibleCommands(this).forEach((command) => {
					candidateNames.push(command.name());
					if (command.alias()) candidateNames.push(command.alias());
				});
				suggestion = suggestSimilar(unknownName, candidateNames);
			}
			const message = `error: unknown command '${unknownName}'${suggestion}`;
			this.error(message, { code: "commander.unknownCommand" });
		}
		/**
		* Get or set the program version.
		*
		* This method auto-registers the "-V, --version" option which will print the version number.
		*
		* You can optionally supply the flags and description to override the defaults.
		*
		* @param {string} [str]
		* @param {string} [flags]
		* @param {string} [description]
		* @return {(this | string | undefined)} `this` command for chaining, or version string if no arguments
		*/
		version(str, flags, description) {
			if (str === void 0) return this._version;
			this._version = str;
			flags = flags || "-V, --version";
			description = description || "output the version number";
			const versionOption = this.createOption(flags, description);
			this._versionOptionName = versionOption.attributeName();
			this._registerOption(versionOption);
			this.on("option:" + versionOption.name(), () => {
				this._outputConfiguration.writeOut(`${str}\n`);
				this._exit(0, "commander.version", str);
			});
			return this;
		}
		/**
		* Set the description.
		*
		* @param {string} [str]
		* @param {object} [argsDescription]
		* @return {(string|Command)}
		*/
		description(str, argsDescription) {
			if (str === void 0 && argsDescription === void 0) return this._description;
			this._description = str;
			if (argsDescription) this._argsDescription = argsDescription;
			return this;
		}
		/**
		* Set the summary. Used when listed as subcommand of parent.
		*
		* @param {string} [str]
		* @return {(string|Command)}
		*/
		summary(str) {
			if (str === void 0) return this._summary;
			this._summary = str;
			return this;
		}
		/**
		* Set an alias for the command.
		*
		* You may call more than once to add multiple aliases. Only the first alias is shown in the auto-generated help.
		*
		* @param {string} [alias]
		* @return {(string|Command)}
		*/
		alias(alias) {
			if (alias === void 0) return this._aliases[0];
			/** @type {Command} */
			let command = this;
			if (this.commands.length !== 0 && this.commands[this.commands.length - 1]._executableHandler) command = this.commands[this.commands.length - 1];
			if (alias === command._name) throw new Error("Command alias can't be the same as its name");
			const matchingCommand = this.parent?._findCommand(alias);
			if (matchingCommand) {
				const existingCmd = [matchingCommand.name()].concat(matchingCommand.aliases()).join("|");
				throw new Error(`cannot add alias '${alias}' to command '${this.name()}' as already have command '${existingCmd}'`);
			}
			command._aliases.push(alias);
			return this;
		}
		/**
		* Set aliases for the command.
		*
		* Only the first alias is shown in the auto-generated help.
		*
		* @param {string[]} [aliases]
		* @return {(string[]|Command)}
		*/
		aliases(aliases) {
			if (aliases === void 0) return this._aliases;
			aliases.forEach((alias) => this.alias(alias));
			return this;
		}
		/**
		* Set / get the command usage `str`.
		*
		* @param {string} [str]
		* @return {(string|Command)}
		*/
		usage(str) {
			if (str === void 0) {
				if (this._usage) return this._usage;
				const args = this.registeredArguments.map((arg) => {
					return humanReadableArgName(arg);
				});
				return [].concat(this.options.length || this._helpOption !== null ? "[options]" : [], this.commands.length ? "[command]" : [], this.registeredArguments.length ? args : []).join(" ");
			}
			this._usage = str;
			return this;
		}
		/**
		* Get or set the name of the command.
		*
		* @param {string} [str]
		* @return {(string|Command)}
		*/
		name(str) {
			if (str === void 0) return this._name;
			this._name = str;
			return this;
		}
		/**
		* Set/get the help group heading for this subcommand in parent command's help.
		*
		* @param {string} [heading]
		* @return {Command | string}
		*/
		helpGroup(heading) {
			if (heading === void 0) return this._helpGroupHeading ?? "";
			this._helpGroupHeading = heading;
			return this;
		}
		/**
		* Set/get the default help group heading for subcommands added to this command.
		* (This does not override a group set directly on the subcommand using .helpGroup().)
		*
		* @example
		* program.commandsGroup('Development Commands:);
		* program.command('watch')...
		* program.command('lint')...
		* ...
		*
		* @param {string} [heading]
		* @returns {Command | string}
		*/
		commandsGroup(heading) {
			if (heading === void 0) return this._defaultCommandGroup ?? "";
			this._defaultCommandGroup = heading;
			return this;
		}
		/**
		* Set/get the default help group heading for options added to this command.
		* (This does not override a group set directly on the option using .helpGroup().)
		*
		* @example
		* program
		*   .optionsGroup('Development Options:')
		*   .option('-d, --debug', 'output extra debugging')
		*   .option('-p, --profile', 'output profiling information')
		*
		* @param {string} [heading]
		* @returns {Command | string}
		*/
		optionsGroup(heading) {
			if (heading === void 0) return this._defaultOptionGroup ?? "";
			this._defaultOptionGroup = heading;
			return this;
		}
		/**
		* @param {Option} option
		* @private
		*/
		_initOptionGroup(option) {
			if (this._defaultOptionGroup && !option.helpGroupHeading) option.helpGroup(this._defaultOptionGroup);
		}
		/**
		* @param {Command} cmd
		* @private
		*/
		_initCommandGroup(cmd) {
			if (this._defaultCommandGroup && !cmd.helpGroup()) cmd.helpGroup(this._defaultCommandGroup);
		}
		/**
		* Set the name of the command from script filename, such as process.argv[1],
		* or require.main.filename, or __filename.
		*
		* (Used internally and public although not documented in README.)
		*
		* @example
		* program.nameFromFilename(require.main.filename);
		*
		* @param {string} filename
		* @return {Command}
		*/
		nameFromFilename(filename) {
			this._name = path.basename(filename, path.extname(filename));
			return this;
		}
		/**
		* Get or set the directory for searching for executable subcommands of this command.
		*
		* @example
		* program.executableDir(__dirname);
		* // or
		* program.executableDir('subcommands');
		*
		* @param {string} [path]
		* @return {(string|null|Command)}
		*/
		executableDir(path) {
			if (path === void 0) return this._executableDir;
			this._executableDir = path;
			return this;
		}
		/**
		* Return program help documentation.
		*
		* @param {{ error: boolean }} [contextOptions] - pass {error:true} to wrap for stderr instead of stdout
		* @return {string}
		*/
		helpInformation(contextOptions) {
			const helper = this.createHelp();
			const context = this._getOutputContext(contextOptions);
			helper.prepareContext({
				error: context.error,
				helpWidth: context.helpWidth,
				outputHasColors: context.hasColors
			});
			const text = helper.formatHelp(this, helper);
			if (context.hasColors) return text;
			return this._outputConfiguration.stripColor(text);
		}
		/**
		* @typedef HelpContext
		* @type {object}
		* @property {boolean} error
		* @property {number} helpWidth
		* @property {boolean} hasColors
		* @property {function} write - includes stripColor if needed
		*
		* @returns {HelpContext}
		* @private
		*/
		_getOutputContext(contextOptions) {
			contextOptions = contextOptions || {};
			const error = !!contextOptions.error;
			let baseWrite;
			let hasColors;
			let helpWidth;
			if (error) {
				baseWrite = (str) => this._outputConfiguration.writeErr(str);
				hasColors = this._outputConfiguration.getErrHasColors();
				helpWidth = this._outputConfiguration.getErrHelpWidth();
			} else {
				baseWrite = (str) => this._outputConfiguration.writeOut(str);
				hasColors = this._outputConfiguration.getOutHasColors();
				helpWidth = this._outputConfiguration.getOutHelpWidth();
			}
			const write = (str) => {
				if (!hasColors) str = this._outputConfiguration.stripColor(str);
				return baseWrite(str);
			};
			return {
				error,
				write,
				hasColors,
				helpWidth
			};
		}
		/**
		* Output help information for this command.
		*
		* Outputs built-in help, and custom text added using `.addHelpText()`.
		*
		* @param {{ error: boolean } | Function} [contextOptions] - pass {error:true} to write to stderr instead of stdout
		*/
		outputHelp(contextOptions) {
			let deprecatedCallback;
			if (typeof contextOptions === "function") {
				deprecatedCallback = contextOptions;
				contextOptions = void 0;
			}
			const outputContext = this._getOutputContext(contextOptions);
			/** @type {HelpTextEventContext} */
			const eventContext = {
				error: outputContext.error,
				write: outputContext.write,
				command: this
			};
			this._getCommandAndAncestors().reverse().forEach((command) => command.emit("beforeAllHelp", eventContext));
			this.emit("beforeHelp", eventContext);
			let helpInformation = this.helpInformation({ error: outputContext.error });
			if (deprecatedCallback) {
				helpInformation = deprecatedCallback(helpInformation);
				if (typeof helpInformation !== "string" && !Buffer.isBuffer(helpInformation)) throw new Error("outputHelp callback must return a string or a Buffer");
			}
			outputContext.write(helpInformation);
			if (this._getHelpOption()?.long) this.emit(this._getHelpOption().long);
			this.emit("afterHelp", eventContext);
			this._getCommandAndAncestors().forEach((command) => command.emit("afterAllHelp", eventContext));
		}
		/**
		* You can pass in flags and a description to customise the built-in help option.
		* Pass in false to disable the built-in help option.
		*
		* @example
		* program.helpOption('-?, --help' 'show help'); // customise
		* program.helpOption(false); // disable
		*
		* @param {(string | boolean)} flags
		* @param {string} [description]
		* @return {Command} `this` command for chaining
		*/
		helpOption(flags, description) {
			if (typeof flags === "boolean") {
				if (flags) {
					if (this._helpOption === null) this._helpOption = void 0;
					if (this._defaultOptionGroup) this._initOptionGroup(this._getHelpOption());
				} else this._helpOption = null;
				return this;
			}
			this._helpOption = this.createOption(flags ?? "-h, --help", description ?? "display help for command");
			if (flags || description) this._initOptionGroup(this._helpOption);
			return this;
		}
		/**
		* Lazy create help option.
		* Returns null if has been disabled with .helpOption(false).
		*
		* @returns {(Option | null)} the help option
		* @package
		*/
		_getHelpOption() {
			if (this._helpOption === void 0) this.helpOption(void 0, void 0);
			return this._helpOption;
		}
		/**
		* Supply your own option to use for the built-in help option.
		* This is an alternative to using helpOption() to customise the flags and description etc.
		*
		* @param {Option} option
		* @return {Command} `this` command for chaining
		*/
		addHelpOption(option) {
			this._helpOption = option;
			this._initOptionGroup(option);
			return this;
		}
		/**
		* Output help information and exit.
		*
		* Outputs built-in help, and custom text added using `.addHelpText()`.
		*
		* @param {{ error: boolean }} [contextOptions] - pass {error:true} to write to stderr instead of stdout
		*/
		help(contextOptions) {
			this.outputHelp(contextOptions);
			let exitCode = Number(process.exitCode ?? 0);
			if (exitCode === 0 && contextOptions && typeof contextOptions !== "function" && contextOptions.error) exitCode = 1;
			this._exit(exitCode, "commander.help", "(outputHelp)");
		}
		/**
		* // Do a little typing to coordinate emit and listener for the help text events.
		* @typedef HelpTextEventContext
		* @type {object}
		* @property {boolean} error
		* @property {Command} command
		* @property {function} write
		*/
		/**
		* Add additional text to be displayed with the built-in help.
		*
		* Position is 'before' or 'after' to affect just this command,
		* and 'beforeAll' or 'afterAll' to affect this command and all its subcommands.
		*
		* @param {string} position - before or after built-in help
		* @param {(string | Function)} text - string to add, or a function returning a string
		* @return {Command} `this` command for chaining
		*/
		addHelpText(position, text) {
			const allowedValues = [
				"beforeAll",
				"before",
				"after",
				"afterAll"
			];
			if (!allowedValues.includes(position)) throw new Error(`Unexpected value for position to addHelpText.
Expecting one of '${allowedValues.join("', '")}'`);
			const helpEvent = `${position}Help`;
			this.on(helpEvent, (context) => {
				let helpStr;
				if (typeof text === "function") helpStr = text({
					error: context.error,
					command: context.command
				});
				else helpStr = text;
				if (helpStr) context.write(`${helpStr}\n`);
			});
			return this;
		}
		/**
		* Output help information if help flags specified
		*
		* @param {Array} args - array of options to search for help flags
		* @private
		*/
		_outputHelpIfRequested(args) {
			const helpOption = this._getHelpOption();
			if (helpOption && args.find((arg) => helpOption.is(arg))) {
				this.outputHelp();
				this._exit(0, "commander.helpDisplayed", "(outputHelp)");
			}
		}
	};
	/**
	* Scan arguments and increment port number for inspect calls (to avoid conflicts when spawning new command).
	*
	* @param {string[]} args - array of arguments from node.execArgv
	* @returns {string[]}
	* @private
	*/
	function incrementNodeInspectorPort(args) {
		return args.map((arg) => {
			if (!arg.startsWith("--inspect")) return arg;
			let debugOption;
			let debugHost = "127.0.0.1";
			let debugPort = "9229";
			let match;
			if ((match = arg.match(/^(--inspect(-brk)?)$/)) !== null) debugOption = match[1];
			else if ((match = arg.match(/^(--inspect(-brk|-port)?)=([^:]+)$/)) !== null) {
				debugOption = match[1];
				if (/^\d+$/.test(match[3])) debugPort = match[3];
				else debugHost = match[3];
			} else if ((match = arg.match(/^(--inspect(-brk|-port)?)=([^:]+):(\d+)$/)) !== null) {
				debugOption = match[1];
				debugHost = match[3];
				debugPort = match[4];
			}
			if (debugOption && debugPort !== "0") return `${debugOption}=${debugHost}:${parseInt(debugPort) + 1}`;
			return arg;
		});
	}
	/**
	* @returns {boolean | undefined}
	* @package
	*/
	function useColor() {
		if (process.env.NO_COLOR || process.env.FORCE_COLOR === "0" || process.env.FORCE_COLOR === "false") return false;
		if (process.env.FORCE_COLOR || process.env.CLICOLOR_FORCE !== void 0) return true;
	}
	exports.Command = Command;
	exports.useColor = useColor;
}));

// node_modules/commander/index.js
var require_commander = /* @__PURE__ */ __commonJSMin(((exports) => {
	const { Argument } = require_argument();
	const { Command } = require_command();
	const { CommanderError, InvalidArgumentError } = require_error();
	const { Help } = require_help();
	const { Option } = require_option();
	exports.program = new Command();
	exports.createCommand = (name) => new Command(name);
	exports.createOption = (flags, description) => new Option(flags, description);
	exports.createArgument = (name, description) => new Argument(name, description);
	/**
	* Expose classes
	*/
	exports.Command = Command;
	exports.Option = Option;
	exports.Argument = Argument;
	exports.Help = Help;
	exports.CommanderError = CommanderError;
	exports.InvalidArgumentError = InvalidArgumentError;
	exports.InvalidOptionArgumentError = InvalidArgumentError;
}));

// node_modules/commander/esm.mjs
var import_commander = /* @__PURE__ */ __toESM(require_commander(), 1);
const { program, createCommand, createArgument, createOption, CommanderError, InvalidArgumentError, InvalidOptionArgumentError, Command, Argument, Option, Help } = import_commander.default;

// src/entry/command-table.ts
const modelArgument = "<model>";
const commandTable = [
	{
		name: "plan",
		argument: modelArgument,
		brief: "Prints size and bit widths of every tier",
		doc: "Prints size and bit widths of every tier. Writes nothing",
		flags: [{
			name: "measure",
			hint: "",
			doc: "Measure first, for the plan of a tuned run. Without it, headers alone are read"
		}, {
			name: "explain",
			hint: "",
			doc: "Add widths by role, and what the next boost would gain"
		}],
		examples: [["oqe plan Qwen/Qwen3-1.7B", "sizes from headers, and what measuring would cost"], ["oqe plan ./my-model --target-size 4GB --explain", "a tier of 4 GB, role by role"]]
	},
	{
		name: "sensitivity",
		argument: modelArgument,
		brief: "Measures how much each tensor's precision matters",
		doc: "Measures how much each tensor's precision affects the output",
		flags: [{
			name: "out",
			hint: "<file>",
			example: "sensitivity.json",
			doc: "File for the result. Empty means stdout"
		}],
		examples: [["oqe sensitivity ./my-model --out s.json", "a file for oqe plan --sensitivity"]]
	},
	{
		name: "quantize",
		argument: modelArgument,
		brief: "Writes one MLX folder per tier, card included",
		doc: "Writes one MLX folder per tier, card included",
		flags: [{
			name: "out",
			hint: "<folder>",
			example: "./tiers",
			doc: "Required: parent folder of the tiers"
		}],
		examples: [["oqe quantize ./my-model --out ./tiers --tiers oQ6e,oQ4e", "two tiers in ./tiers"], ["oqe quantize ./my-model --out ./fast --method rounded", "plain rounding, no text read"]]
	},
	{
		name: "publish",
		argument: modelArgument,
		brief: "Makes every tier and publishes it on the Hub",
		doc: "Makes every tier and publishes it on the Hub",
		flags: [{
			name: "until",
			hint: "measured|ahead|staged|published",
			doc: "How far the run goes. measured leaves the sensitivity in the work folder. staged leaves finished tiers on the staging branches; ahead only parts, which a run on another machine takes over. Default: published"
		}],
		examples: [["oqe publish Qwen/Qwen3-1.7B --namespace me --dry-run", "all but the writes to the Hub"], ["oqe publish Qwen/Qwen3-1.7B --namespace me", "makes and publishes the series"]]
	},
	{
		name: "verify",
		argument: "<repo or folder>",
		brief: "Checks a tier against its receipt and its base",
		doc: "Checks a tier's files against its receipt, and evaluates it again",
		flags: [{
			name: "base",
			hint: modelArgument,
			example: "Qwen/Qwen3-1.7B",
			doc: "The tier's base model. Empty means the one that its receipt names"
		}],
		examples: [["oqe verify me/Qwen3-1.7B-oQ4e", "repeats the evaluation"]]
	},
	{
		name: "check",
		argument: "[file]",
		usual: "series.yml",
		brief: "Says what a run of a series file would make",
		doc: "Says for every model of a series file what a run would make, and why. Writes nothing",
		flags: [{
			name: "series",
			hint: "<name>",
			example: "Qwen3-1.7B",
			doc: "One model of the file. Empty means all"
		}],
		examples: [["oqe check", "series.yml in this folder, against the receipts on the Hub"]]
	},
	{
		name: "card",
		argument: "<folder>",
		brief: "Renders the card of a finished folder again",
		doc: "Renders the card of a finished folder from its receipt",
		flags: [],
		examples: [["oqe card ./tiers/my-model-oQ4e", "rewrites README.md and the pictures"]]
	},
	{
		name: "site",
		argument: "<folder...>",
		isMany: true,
		brief: "Writes a page of all tiers in some folders",
		doc: "Writes a web page that compares all tiers in and below some folders, from their receipts",
		flags: [{
			name: "out",
			hint: "<file>",
			example: "public/index.html",
			doc: "File of the page, or a folder for its index.html. Empty means index.html"
		}, {
			name: "local",
			hint: "",
			doc: "Link tiers to their folders on this machine, not to their repositories"
		}],
		examples: [["oqe site ./tiers ./more --out public/", "one page of all that is in both"]]
	},
	{
		name: "init",
		argument: "[folder]",
		usual: ".",
		brief: "Writes a series file and its GitHub workflow",
		doc: "Writes a series file, and the GitHub workflow that publishes its series",
		flags: [
			{
				name: "uses",
				hint: "<owner>/oqe-publisher@<commit>",
				example: "acme/oqe-publisher@v1.0.0",
				doc: "The Action that the workflow uses. Empty means the one that oqe was installed from"
			},
			{
				name: "branch",
				hint: "<name>",
				example: "main",
				doc: "The repository's default branch. Empty means the one that git names, or main"
			},
			{
				name: "overwrite",
				hint: "",
				doc: "Replace another workflow of this name. A series.yml that is there always stays"
			}
		],
		examples: [["oqe init ./my-series", "series.yml and .github/workflows/oqe.yml"]]
	},
	{
		name: "hub",
		argument: "<folder>",
		brief: "Serves a Hub on 127.0.0.1, to rehearse publishing",
		doc: "Serves a Hub on 127.0.0.1, to rehearse publishing",
		flags: [{
			name: "port",
			hint: "<number>",
			example: "8080",
			doc: "Port. Empty or 0 means a free one"
		}],
		examples: [["oqe hub ./rehearsal", "prints its address, and serves until Ctrl-C"]]
	},
	{
		name: "completion",
		argument: "<shell>",
		words: [
			"bash",
			"zsh",
			"fish"
		],
		brief: "Prints what makes a shell complete oqe",
		doc: "Prints the script that lets a shell complete commands and flags",
		flags: [],
		examples: [
			["source <(oqe completion bash)", "in ~/.bashrc"],
			["source <(oqe completion zsh)", "in ~/.zshrc, behind compinit"],
			["oqe completion fish | source", "in ~/.config/fish/config.fish"]
		]
	}
];
const config = {
	name: "config",
	hint: "<file>",
	example: "./oqe.yml",
	doc: "File of inputs (docs/inputs.md). Empty means oqe.yml, if this folder has one"
};
const json = {
	name: "json",
	hint: "",
	doc: "Print one JSON document"
};
const quiet = {
	name: "quiet",
	hint: "",
	short: "q",
	doc: "Print only the result, warnings and errors"
};
/** The flags of a command that are not inputs. `--help` is the parser's own. */
function ownFlags(command) {
	const hasInputs = inputFlags(command).length > 0;
	const common = command.name === "completion" ? [] : [json, quiet];
	return [
		...command.flags,
		...hasInputs ? [config] : [],
		...common
	];
}
/** The inputs that a command takes as flags. */
function inputFlags({ name }) {
	return inputTable.filter(({ commands }) => commands.some((command) => command === name));
}
/** The flags that a command uses: the others that it takes have no effect on it. */
function usedFlags(command) {
	return inputFlags(command).filter(({ ignoredBy = [] }) => !ignoredBy.some((name) => name === command.name));
}
/** Whether a flag is true or false. Each such flag has a negation: `--no-verify`. */
function isBoolean(row) {
	return row.hint === "" || row.hint === "true|false";
}
function flagNames(command) {
	return [...inputFlags(command), ...ownFlags(command)].flatMap((row) => [row.name, ...isBoolean(row) ? [`no-${row.name}`] : []]);
}
/** The words that a flag's value is one of; empty: it is any text. */
function choicesOf({ hint }) {
	return /^[\w-]+(\|[\w-]+)+$/.test(hint) ? hint.split("|") : [];
}
/** A value of a flag, for its help; null: the flag has none. */
function exampleOf(row) {
	if (row.hint === "") return null;
	if (row.example !== void 0) return row.example;
	const usual = "default" in row ? row.default : "";
	return choicesOf(row).find((word) => word !== usual) ?? null;
}

// src/entry/help.ts
/** Longer lines are hard to read, also in a wide terminal. */
const longestLine = 100;
const usualColumns = 80;
/** The page of stdout. */
function helpPage(write, columns, paint) {
	return {
		write,
		columns: Math.min(columns || usualColumns, longestLine),
		paint
	};
}
/** The text of `oqe --help`. */
function overviewPage({ columns, paint }, helper) {
	const width = Math.max(...commandTable.map((command) => callOf(command).length));
	const item = (term, text) => `  ${paint("cyan", term.padEnd(width))}  ${indented(helper.boxWrap(text, columns - width - 4), width + 4)}`;
	const { failure, usage, gate, time, stopped } = exitCodes;
	const title = `oqe ${engine.version}: publishes the oQe series of a base model`;
	const wrapped = (text) => helper.boxWrap(text, columns);
	return [
		wrapped(`${title} (mixed-precision MLX quants)`),
		"",
		paint("bold", "Commands:"),
		...commandTable.map((command) => item(callOf(command), command.brief)),
		"",
		paint("bold", "Examples:"),
		...commandTable.filter(({ name }) => [
			"plan",
			"publish",
			"verify"
		].includes(name)).map(({ examples }) => `  ${examples.at(-1)[0]}`),
		"",
		paint("bold", "Flags:"),
		item("-h, --help", "Explain the flags of a command"),
		item("-q, --quiet", "Print only the result, warnings and errors"),
		item("-V, --version", "Print the version"),
		"",
		wrapped("<model> is a folder, or org/name[@revision] on the Hub. Inputs also come from OQE_* variables and from oqe.yml (docs/inputs.md). The Hub token comes from HF_TOKEN, or from `hf auth login`. Prefer both to --hub-token: other users of this machine can see the flags of a running command."),
		"",
		wrapped(`Exit codes: 0 success, ${failure} failure, ${usage} wrong usage, ${gate} a tier failed a gate, or differs from its receipt, ${time} stopped at time-limit: run again to go on, ${stopped} ended by Ctrl-C. docs/errors.md lists all errors.`),
		""
	].join("\n");
}
/** The text of `oqe <command> --help`: the flags that it uses by group, each with its default. */
function formatHelp(command, page, helper) {
	const { paint, columns } = page;
	const groups = /* @__PURE__ */ new Map();
	const flag = (row, text) => `  ${paint("cyan", termOf(row))}\n      ${indented(helper.boxWrap(text, columns - 6), 6)}`;
	const add = (group, text) => groups.set(group, [...groups.get(group) ?? [], text]);
	for (const row of ownFlags(command)) add("Flags", flag(row, describeFlag(row)));
	add("Flags", flag({
		name: "help",
		short: "h",
		hint: "always",
		doc: ""
	}, "Print this"));
	for (const row of usedFlags(command)) add(row.group, flag(row, describe(row, command.name)));
	const width = Math.max(...command.examples.map(([call]) => call.length));
	const isWide = command.examples.every(([, does]) => width + does.length + 6 <= columns);
	const examples = command.examples.map(([call, does]) => isWide ? `  ${call.padEnd(width)}  # ${does}` : `  # ${does}\n  ${call}`);
	return [
		`${paint("bold", "Usage:")} ${callOf(command)} [flags]\n`,
		`${helper.boxWrap(`${command.doc}.`, columns)}\n`,
		`${paint("bold", "Examples:")}\n${examples.join("\n")}\n`,
		...[...groups].map(([group, flags]) => `${paint("bold", `${group}:`)}\n${flags.join("\n")}\n`),
		...ignored(command).map((text) => `${helper.boxWrap(text, columns)}\n`)
	].join("\n");
}
/** The flags without effect, in a sentence; none if there are none. */
function ignored(command) {
	const used = usedFlags(command);
	const others = inputFlags(command).filter((row) => !used.includes(row));
	if (others.length === 0) return [];
	return [`So that a call can be repeated with another command, these are taken too, and have no effect: ${others.map(({ name }) => `--${name}`).join(", ")}.`];
}
function callOf({ name, argument }) {
	return `oqe ${name} ${argument}`;
}
/** `-q, --[no-]quiet`, `--tiers <tiers>`. */
function termOf(row) {
	const short = "short" in row && row.short !== void 0 ? `-${row.short}, ` : "";
	if (isBoolean(row)) return `${short}--[no-]${row.name}`;
	return `${short}--${row.name}${row.hint === "always" ? "" : ` ${row.hint}`}`;
}
function describeFlag(row) {
	return `${row.doc}${exampleText(row)}`;
}
/** `oqe verify` always evaluates and never tunes: conditions on an input do not apply to it. */
function describe(row, command) {
	const doc = command === "verify" ? row.verifyDoc ?? row.doc : describeInput(row);
	const { hint, default: value } = row;
	const usual = hint === "" || value === "" ? [] : [`Default: ${value}`];
	return [doc.replaceAll("`", ""), ...usual].join(". ") + exampleText(row);
}
/** On a line of its own. */
function exampleText(row) {
	const example = isBoolean(row) ? null : exampleOf(row);
	return example === null ? "" : `\nExample: --${row.name} ${example}`;
}
/** Further lines behind as many blanks. */
function indented(text, blanks) {
	return text.replaceAll("\n", `\n${" ".repeat(blanks)}`);
}

// src/entry/command-line.ts
/**
* Reads a command line. null: it asked for help or version, which was written. Throws BAD_INPUT for
* an unknown command or flag, or a flag that is given twice.
*/
function parseCommandLine(argv, page) {
	let called = null;
	const program = newCommand("oqe", page).version(engine.version, "-V, --version", "Print the version").helpCommand("help [command]", "Print the help of a command");
	for (const row of commandTable) {
		const flags = {};
		const command = newCommand(row.name, page, row).argument("[target...]").allowExcessArguments();
		for (const flag of [...ownFlags(row), ...inputFlags(row)]) addFlag(command, flag, flags, argv);
		command.action((positionals) => {
			called = {
				command: row,
				positionals,
				flags
			};
		});
		program.addCommand(command);
	}
	refuseSwitchValues(argv);
	try {
		program.parse(argv.length === 0 ? ["--help"] : [...argv], { from: "user" });
	} catch (error) {
		if (!(error instanceof CommanderError)) throw error;
		if (error.exitCode === 0) return null;
		throw wrongCall(error, argv);
	}
	return called;
}
function newCommand(name, page, row) {
	return new Command(name).exitOverride().helpOption("-h, --help", "Print this").configureOutput({
		writeOut: page.write,
		writeErr: () => {},
		outputError: () => {},
		getOutHelpWidth: () => page.columns,
		getOutHasColors: () => true
	}).configureHelp({ formatHelp: (_, helper) => row === void 0 ? overviewPage(page, helper) : formatHelp(row, page, helper) });
}
/** A flag, and for a boolean its negation, which keep their value in `flags`. */
function addFlag(command, row, flags, argv) {
	const { name, hint } = row;
	const set = (value) => {
		if (Object.hasOwn(flags, name)) throw repeated(name);
		flags[name] = value;
	};
	const short = "short" in row && row.short !== void 0 ? `-${row.short}, ` : "";
	command.addOption(new Option(hint === "" ? `${short}--${name}` : `--${name} <value>`));
	if (hint === "") command.on(`option:${name}`, () => set(true));
	else command.on(`option:${name}`, (value) => {
		const isApart = !argv.includes(`--${name}=${value}`);
		if (value.startsWith("-") && value !== "-" && isApart) throw noValue(name, value);
		set(value);
	});
	if (!isBoolean(row)) return;
	command.addOption(new Option(`--no-${name}`));
	command.on(`option:no-${name}`, () => set(hint === "" ? false : "false"));
}
/** parseArgs and Commander would silently use the last value. */
function repeated(name) {
	const hint = name === "tiers" ? "Give several tiers as one list: --tiers oQ6e,oQ4e." : "Give it once.";
	return new OqeError("BAD_INPUT", `--${name} is given more than once`, hint);
}
function noValue(name, next) {
	const hint = next === null ? seeHelp() : `A value that starts with "-" is written --${name}=${next}.`;
	return new OqeError("BAD_INPUT", `--${name} has no value`, hint);
}
/** The switches of all commands: flags that are given without a value. */
const switches = new Set(commandTable.flatMap((row) => [...ownFlags(row), ...inputFlags(row)].flatMap(({ name, hint }) => hint === "" ? [`--${name}`] : [])));
/** Throws BAD_INPUT for `--overwrite=false` and `--overwrite false`. */
function refuseSwitchValues(argv) {
	const end = argv.indexOf("--");
	const words = end === -1 ? argv : argv.slice(0, end);
	for (const [at, word] of words.entries()) {
		const [flag, value] = word.split("=");
		if (!switches.has(flag)) continue;
		const next = words[at + 1] ?? "";
		if (value === void 0 && !/^(true|false)$/i.test(next)) continue;
		const hint = `Give ${flag} alone for true, and ${flag.replace("--", "--no-")} for false.`;
		throw new OqeError("BAD_INPUT", `${flag} takes no value`, hint);
	}
}
/** Our error for what Commander refuses. Its text quotes the word: "unknown option '--x'". */
function wrongCall(cause, argv) {
	const command = commandTable.find(({ name }) => argv.includes(name));
	const [, word = ""] = /'([^']*)'/.exec(cause.message) ?? [];
	switch (cause.code) {
		case "commander.unknownCommand":
		case "commander.help": {
			const name = argv.find((one) => one !== "help" && !one.startsWith("-")) ?? word;
			const names = commandTable.map((row) => row.name);
			const near = didYouMean(name, names, (one) => `oqe ${one}`);
			return new OqeError("BAD_INPUT", `"${name}" is not a command`, near + seeHelp(), cause);
		}
		case "commander.unknownOption": return unknownFlag(word, command, argv);
		case "commander.optionMissingArgument": return noValue(/--([\w-]+)/.exec(word)?.[1] ?? word, null);
		default: return new OqeError("BAD_INPUT", cause.message.replace(/^error: /, ""), seeHelp(), cause);
	}
}
function unknownFlag(word, command, argv) {
	const flag = word.split("=")[0];
	const name = flag.replace(/^-+/, "");
	const others = commandTable.flatMap(flagNames);
	if (command !== void 0 && argv.indexOf(word) < argv.indexOf(command.name)) return new OqeError("BAD_INPUT", `${flag} stands before the command`, `Flags come behind it: ${callOf(command)} ${flag}.`);
	if (command !== void 0 && others.includes(name)) return new OqeError("BAD_INPUT", `oqe ${command.name} does not take ${flag}`, seeHelp(command.name));
	const near = didYouMean(name, [...new Set(command === void 0 ? others : flagNames(command))], (one) => `--${one}`);
	return new OqeError("BAD_INPUT", `Unknown option '${flag}'`, near + seeHelp(command?.name));
}
/** The hint of a wrong call. */
function seeHelp(command) {
	return command === void 0 ? "See oqe --help for the commands, and oqe <command> --help for their flags." : `See oqe ${command} --help.`;
}

// src/hub/saved-login.ts
/**
* The token that `hf auth login` saved, from the place that huggingface_hub reads: HF_TOKEN_PATH,
* else `token` in HF_HOME, else in the cache folder. null: there is none, HF_HUB_DISABLE_IMPLICIT_
* TOKEN asks not to use it, or `endpoint` is not the Hub that it was saved for: it is never sent to
* another. Throws BAD_INPUT for a file without a token in it, DISK for one that cannot be read.
*/
async function readSavedLogin(environment, endpoint) {
	if (!URL.canParse(endpoint) || new URL(endpoint).origin !== "https://huggingface.co") return null;
	if (/^(1|on|yes|true)$/i.test(environment.HF_HUB_DISABLE_IMPLICIT_TOKEN ?? "")) return null;
	const path = pathOf(environment);
	const token = (await readFile(path, "utf8").catch((cause) => {
		if (["ENOENT", "ENOTDIR"].includes(codeOf(cause))) return "";
		throw new OqeError("DISK", `${path}: ${reasonOf(cause)}`, again, cause);
	})).trim();
	if (token === "" || /^hf_\S+$/.test(token)) return token || null;
	throw new OqeError("BAD_INPUT", `${path} does not hold a Hub token`, again);
}
const again = "Sign in again with `hf auth login`, or set HF_TOKEN.";
function pathOf({ HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME, HOME }) {
	const home = HOME || homedir();
	const expanded = (path) => path.replace(/^~(?=\/|$)/, home);
	if (HF_TOKEN_PATH) return expanded(HF_TOKEN_PATH);
	const folder = HF_HOME || join(XDG_CACHE_HOME || join(home, ".cache"), "huggingface");
	return join(expanded(folder), "token");
}

// src/entry/settings.ts
/** The inputs of the command line, base-model included: those of the Action alone are left out. */
const cliInputs = inputTable.filter(({ group }) => group !== "Command");
/** Inputs that no file gives: it is shared, and could send the token to another address. */
const secretInputs = ["hub-endpoint", "hub-token"];
/** The variable that gives an input: `OQE_MAX_KL`. */
function variableOf(name) {
	return `OQE_${name.toUpperCase().replaceAll("-", "_")}`;
}
/** Variables of ours that are no inputs. */
const otherVariables = [
	"OQE_CONFIG",
	"OQE_DEBUG",
	"OQE_ONE_PROCESS",
	"OQE_TERMINAL",
	"OQE_TOOLS"
];
/** Sentences about OQE_* variables that nothing reads. */
function strayVariables(environment) {
	const known = [...cliInputs.map(({ name }) => variableOf(name)), ...otherVariables];
	return Object.keys(environment).filter((name) => name.startsWith("OQE_") && !known.includes(name) && !name.startsWith("OQE_TEST_")).map((name) => `${name} is no variable of oqe. ${didYouMean(name, known)}`.trim());
}
/** The inputs of a command: flag, else variable, else file. Empty text is as good as none. */
var Settings = class {
	#found;
	/** `flags`: the text of each input that a flag gives, by name. */
	constructor(command, sources) {
		const { flags, environment, file } = sources;
		const taken = inputFlags(command).map(({ name }) => name);
		const found = /* @__PURE__ */ new Map();
		for (const { name } of cliInputs.filter((row) => ["base-model", ...taken].includes(row.name))) {
			const variable = variableOf(name);
			const first = [
				{
					text: flags.get(name) ?? "",
					place: `--${name}`
				},
				{
					text: environment[variable] ?? "",
					place: variable
				},
				...file.has(name) ? [file.get(name)] : []
			].find(({ text }) => text.trim() !== "");
			if (first !== void 0) found.set(name, first);
		}
		this.#found = found;
	}
	read(name) {
		return this.#found.get(name)?.text ?? "";
	}
	/**
	* Checks each value that comes from a variable or a file by itself. Throws BAD_INPUT with its
	* place: `OQE_METHOD: "gptq" is not one of \u2026`.
	*/
	check() {
		for (const row of cliInputs) {
			const found = this.#found.get(row.name);
			if (found === void 0 || found.place.startsWith("--")) continue;
			try {
				row.parse(found.text.trim(), row.name);
			} catch (error) {
				if (!(error instanceof OqeError)) throw error;
				throw placed(error, row.name, found.place);
			}
		}
	}
	/** The error of inputs that do not fit together, with the places of those it speaks of. */
	explain(error) {
		if (!(error instanceof OqeError) || error.code !== "BAD_INPUT") return error;
		const [, start = ""] = /^([a-z-]+): /.exec(error.message) ?? [];
		const own = this.#found.get(start);
		if (own !== void 0 && !own.place.startsWith("--")) return placed(error, start, own.place);
		const words = new Set(error.message.split(/[^a-z-]+/));
		const places = [...this.#found].flatMap(([name, { place }]) => words.has(name) && !place.startsWith("--") ? [place] : []);
		if (places.length === 0) return error;
		const said = `${error.hint} Given by ${places.join(" and ")}.`.trim();
		return new OqeError(error.code, error.message, said, error);
	}
};
function placed({ code, message, hint }, name, place) {
	const start = `${name}: `;
	const own = message.startsWith(start) ? message.slice(start.length) : message;
	return new OqeError(code, `${place}: ${own}`, hint);
}
/**
* The environment with the token of `hf auth login` as HF_TOKEN, where neither input nor variable
* gives one.
*/
async function withSavedLogin(environment, read) {
	if (read("hub-token").trim() !== "" || environment.HF_TOKEN) return environment;
	const endpoint = read("hub-endpoint").trim() || environment.HF_ENDPOINT || "https://huggingface.co";
	const saved = await readSavedLogin(environment, endpoint);
	return saved === null ? environment : {
		...environment,
		HF_TOKEN: saved
	};
}

// src/entry/config-file.ts
const configName = "oqe.yml";
const hint = "docs/inputs.md lists the keys.";
/**
* The inputs of a file, by name. `given`: its path; null: oqe.yml of this folder, if there is one.
* Throws BAD_INPUT with file, line and key, DISK.
*/
async function readConfig(given) {
	const name = given ?? "oqe.yml";
	const text = await readText(name, given !== null);
	if (text === null) return /* @__PURE__ */ new Map();
	const { tree, lineAt } = readYaml(text, name, hint);
	if (typeof tree === "string" && tree === "") return /* @__PURE__ */ new Map();
	const refuse = (key, error) => {
		const where = `${name}:${lineAt(key === "" ? [] : [key])}: ${key === "" ? "" : `${key}: `}`;
		return new OqeError("BAD_INPUT", where + error.message, error.hint || hint, error);
	};
	if (typeof tree === "string" || Array.isArray(tree)) throw refuse("", unexpected("a table of inputs", tree));
	const found = /* @__PURE__ */ new Map();
	for (const [key, value] of Object.entries(tree)) {
		const row = cliInputs.find((one) => one.name === key);
		try {
			if (row === void 0) throw unknownKey(key);
			if (secretInputs.includes(key)) throw refusedSecret();
			const place = `${name}:${lineAt([key])}`;
			found.set(key, {
				text: writtenAs(row.form, value),
				place: `${place}: ${key}`
			});
		} catch (error) {
			throw error instanceof OqeError ? refuse(key, error) : error;
		}
	}
	return found;
}
/** null: the file is not there, and need not be. */
async function readText(name, isGiven) {
	const path = resolve(name);
	try {
		const { size } = await stat(path);
		if (size > 262144) throw new OqeError("BAD_INPUT", `${name} has ${size} bytes, at most ${longestFile} are read`);
		return await readFile(path, "utf8");
	} catch (cause) {
		if (cause instanceof OqeError) throw cause;
		if (!isGiven && codeOf(cause) === "ENOENT") return null;
		throw new OqeError("BAD_INPUT", `config: ${name}: ${reasonOf(cause)}`, hint, cause);
	}
}
function unknownKey(key) {
	const names = cliInputs.map(({ name }) => name);
	return new OqeError("BAD_INPUT", "is no input", didYouMean(key, names) + hint);
}
/** Whoever writes the file of a folder could take the token of everybody who works there. */
function refusedSecret() {
	return new OqeError("BAD_INPUT", "a file may not say which token is sent, or where to", "Use HF_TOKEN or `hf auth login`, and HF_ENDPOINT.");
}

// src/entry/stop.ts
/**
* A run that its user may stop. In a walk over the blocks it stops behind the block, so that no
* work is lost and other runs find the branches free. Elsewhere it ends at once.
*/
var Stop = class {
	#resumable;
	#outside;
	#places = null;
	/** First word of the stage that goes on, and of all before it. */
	#stages = [];
	#isAsked = false;
	/** Ends a command that serves until it is stopped. */
	#serving = null;
	constructor(resumable, outside) {
		this.#resumable = resumable;
		this.#outside = outside;
	}
	get isAsked() {
		return this.#isAsked;
	}
	keeps(places) {
		this.#places = places;
	}
	/** Until the user stops a command that serves. */
	served() {
		return new Promise((stop) => {
			this.#serving = stop;
		});
	}
	/** The same report. It notes the stages, and begins none once the user asked to stop. */
	watch(report) {
		return {
			...report,
			stage: async (name, run) => {
				if (this.#isAsked) throw new OqeError("TIME", `stopped before "${name}"`);
				this.#stages.push(name.split(" ")[0]);
				return report.stage(name, run);
			}
		};
	}
	/** The user asks. */
	ask() {
		if (this.#serving !== null) {
			this.#serving();
			return;
		}
		if (this.#isAsked) return;
		this.#isAsked = true;
		if (this.#isInWalk()) {
			const { warn, copy = warn } = this.#outside.report;
			warn("stopping behind this block; Ctrl-C again ends at once, and loses the block");
			copy(`to go on then: ${resumeCommand(this.#resumable)}`);
			return;
		}
		this.say("");
		this.#outside.end();
	}
	/** Says what is kept, and how to go on. `where`: where the run stopped. */
	say(where) {
		const { report, write } = this.#outside;
		report.close?.();
		write(`stopped${where === "" ? "" : ` ${where}`}\n  ${this.#kept()}\n  go on: ${resumeCommand(this.#resumable)}\n`);
	}
	#isInWalk() {
		const stage = this.#stages.at(-1);
		return stage === "Measure" || stage === "Quantize" && this.#places?.isTuned === true;
	}
	#kept() {
		const stages = new Set(this.#stages);
		const { workDir = "", folder = "", isStaged, isTuned } = this.#places ?? {};
		const measured = stages.has("Measure") ? [`measured blocks in ${workDir}`] : [];
		const parts = stages.has("Quantize") && isTuned ? [`finished parts of the tiers in ${folder}`] : [];
		const tiers = stages.has("Publish") ? [`the finished tiers in ${folder}`] : parts;
		const kept = [...measured, ...tiers];
		if (kept.length === 0) return "kept: nothing, so the run begins again";
		const staged = isStaged ? "; and on the staging branches of the tiers" : "";
		return `kept: ${kept.join(", ")}${staged}`;
	}
};
/** The command line of a run, without its token: processes and logs are seen by others. */
function resumeCommand({ argv, script }) {
	const program = /^cli\.[jt]s$/.test(basename(script)) ? `node ${shellWord(relative(process.cwd(), script))}` : basename(script);
	const words = [];
	for (let i = 0; i < argv.length; i++) {
		const word = argv[i];
		if (word === "--hub-token") i++;
		else if (!word.startsWith("--hub-token=")) words.push(quoted$1(word));
	}
	return [`${argv.some((word) => word.startsWith("--hub-token")) ? "HF_TOKEN=\u2026 " : ""}${program}`, ...words].join(" ");
}
/** A flag is a word that needs no quotes, which `shellWord` gives to words with a hyphen. */
function quoted$1(word) {
	return /^--?[\w-]+(=[\w@%+=:,./-]*)?$/.test(word) ? word : shellWord(word);
}

// src/entry/call.ts
/** Throws BAD_INPUT for a call without its argument, or with wrong inputs. */
async function openCall({ command, positionals, flags }, argv, { environment, write, columns, script }) {
	const loud = terminalReport(void 0, void 0, paintFor(environment, hasTerminal(environment)));
	const report = flags.quiet === true ? quietReport(loud) : loud;
	const end = () => process.exit(exitCodes.stopped);
	const tell = (text) => process.stderr.write(text);
	const stop = new Stop({
		command: command.name,
		argv,
		script
	}, {
		report,
		write: tell,
		end
	});
	const takesInputs = inputFlags(command).length > 0;
	const settings = takesInputs ? await readSettings(command, flags, environment) : null;
	const known = settings?.read("base-model") ?? "";
	const target = targetOf(command, positionals, command.argument === "<model>" ? known : "");
	const read = (input) => {
		if (input === "command") return commandUntil(flags.until);
		if (input !== "base-model") return settings?.read(input) ?? "";
		return String(flags.base || target);
	};
	const variables = takesInputs ? await withSavedLogin(environment, read) : environment;
	let sayCosts = () => {};
	return {
		target,
		targets: positionals,
		flags,
		inputs: () => {
			settings?.check();
			try {
				const inputs = parseInputs(read, variables);
				for (const line of unusedInputs(read, inputs)) report.warn(line);
				return inputs;
			} catch (error) {
				throw settings?.explain(error) ?? error;
			}
		},
		dependencies: (inputs) => {
			const stages = stagesOf(command.name, inputs, flags.measure === true);
			const watched = stop.watch(numberStages(report, stages));
			const { traffic, ...rest } = openDependencies(inputs, watched, "");
			if (stages.length > 0) sayCosts = () => report.info(runWords(costsSoFar(traffic)));
			stop.keeps(placesOf(command, inputs, flags));
			return {
				...rest,
				isStopped: () => stop.isAsked
			};
		},
		sayCosts: () => sayCosts(),
		print: async (value, makeText) => {
			const json = () => JSON.stringify(value, null, 2);
			if (flags.json === true) return write(`${json()}\n`);
			const decoration = {
				what: "the table",
				make: makeText,
				placeholder: json()
			};
			write(`${await decorate(report, decoration)}\n`);
		},
		write,
		report,
		paint: paintFor(environment, columns !== void 0),
		columns: columns ?? Number.POSITIVE_INFINITY,
		read,
		stop,
		variables
	};
	/** Reads file and variables, and warns of variables that nothing reads. */
	async function readSettings(row, given, from) {
		const path = String(given.config ?? from.OQE_CONFIG ?? "");
		if (given.config === "") throw new OqeError("BAD_INPUT", "--config names no file", `Leave it out for ${configName}.`);
		const file = await readConfig(path === "" ? null : path);
		for (const line of strayVariables(from)) report.warn(line);
		const texts = Object.entries(given).map(([name, value]) => [name, String(value)]);
		return new Settings(row, {
			flags: new Map(texts),
			environment: from,
			file
		});
	}
}
/** Where a run keeps its work. */
function placesOf({ name }, inputs, { out }) {
	const { workDir, method, dryRun } = inputs;
	const isTuned = method === "tuned";
	return {
		workDir,
		isTuned,
		folder: name === "quantize" ? resolve(String(out)) : workDir,
		isStaged: name === "publish" && isTuned && !dryRun
	};
}
/** The argument. `known`: what stands for it if there is none. */
function targetOf(command, positionals, known) {
	const { name, argument, isMany, usual, words } = command;
	const [given, ...others] = positionals;
	const more = isMany ? [] : others;
	const target = given ?? usual ?? (known === "" ? void 0 : known);
	if (target === void 0 || more.length > 0) {
		const got = target === void 0 ? "none" : [target, ...more].join(" ");
		const or = argument === "<model>" ? ` Or set base-model in ${configName}.` : "";
		throw new OqeError("BAD_INPUT", `oqe ${name} takes ${isMany ? "a folder or more" : "one argument"}, got ${got}`, seeHelp(name) + (target === void 0 ? or : ""));
	}
	if ([target, ...others].includes("") && /folder/.test(argument) && !/repo/.test(argument)) throw new OqeError("BAD_INPUT", `oqe ${name} needs a folder, got ""`, seeHelp(name));
	if (words !== void 0) choice(...words).parse(target, argument.replace(/[<>]/g, ""));
	return target;
}
/** The command of the Action that goes as far as `--until` says. */
function commandUntil(until = "published") {
	return {
		measured: "measure",
		ahead: "tune-ahead",
		staged: "tune",
		published: "publish"
	}[choice("measured", "ahead", "staged", "published").parse(String(until), "until")];
}

// src/entry/text-table.ts
/**
* Rows of cells as aligned lines. The first row has the names of the columns; those in `left` are
* aligned to the left. With `width`, the last column is wrapped to lines of that many characters.
*/
function textTable(table, left, width = Number.POSITIVE_INFINITY) {
	const [head] = table;
	const last = head.length - 1;
	const sizes = head.map((_, c) => Math.max(...table.map((row) => row[c].length)));
	const before = sizes.slice(0, last).reduce((sum, size) => sum + size + 2, 0);
	const align = (cell, c) => left.has(head[c]) ? cell.padEnd(sizes[c]) : cell.padStart(sizes[c]);
	return table.flatMap((row) => {
		if (before + sizes[last] <= width) return [row.map(align).join("  ")];
		const [first = "", ...more] = wrap(row[last], Math.max(width - before, leastWrapped));
		return [[...row.slice(0, last).map(align), first].join("  "), ...more.map((text) => " ".repeat(before) + text)];
	}).map((line) => line.trimEnd()).join("\n");
}
/** A narrower column is left to the terminal. */
const leastWrapped = 16;

// src/entry/check-local.ts
/**
* Looks at the models of a series file, on any machine: from headers and receipts on the Hub, which
* needs no token where they are public. Writes nothing. A model that fails does not stop the
* others.
*/
async function checkLocally(request) {
	const { series, inputsOf, connect, report } = request;
	const path = resolve(request.file);
	const name = isAbsolute(request.file) ? basename(path) : normalize(request.file);
	const file = await readSeriesFile({
		path,
		name
	});
	const models = series === null ? file.models : [findModel(file, series)];
	if (series === null) requireReleasable({
		file,
		inputsOf
	});
	const repository = { GITHUB_WORKSPACE: dirname(path) };
	const workflows = await checkCallers({
		environment: repository,
		report
	});
	const callers = tellCallers(workflows, true, { report });
	const kernel = await request.openKernel();
	const explain = (failure) => failure;
	const looking = {
		connect,
		kernel,
		report,
		workers: 3,
		explain
	};
	const checked = [];
	try {
		for (const model of models) {
			const look = () => lookAtSeries(inputsOf(model), looking);
			const found = await report.stage(`Look at ${model.name}`, look).catch(asKnown);
			checked.push(found instanceof OqeError ? {
				model,
				look: null,
				failure: found
			} : {
				model,
				look: found,
				failure: null
			});
		}
	} finally {
		await kernel.close();
	}
	return {
		models: checked,
		callers
	};
}
const heads$2 = [
	"tier",
	"size",
	"bpw",
	"would be",
	"why"
];
/** A table for each model, for a terminal. */
function formatChecks(checks, columns) {
	return checks.map((check) => formatCheck(check, columns)).join("\n\n");
}
function formatCheck({ model, look, failure }, columns) {
	const title = `${model.name} (${model.place})`;
	if (look === null) return `${title}\n${wrap(`failed: ${failure.message}. ${failure.hint}`, columns).join("\n")}`;
	const rows = look.tiers.map((tier) => {
		const { state, why } = stateOf$1(tier);
		return [
			tier.tier,
			byteSize(tier.plan.bytes),
			tier.plan.bpw.toFixed(2),
			state,
			why.join("; ")
		];
	});
	const { id, revision } = look.base;
	return [
		...wrap(`${title}: ${id} at ${revision.slice(0, 12)}`, columns),
		textTable([heads$2, ...rows], /* @__PURE__ */ new Set([
			"tier",
			"would be",
			"why"
		]), columns),
		...look.needs === null ? [] : wrap(`${needsWords(look.needs)}.`, columns)
	].join("\n");
}
/** The checks as JSON. */
function checksAsJson(checks) {
	return checks.map(({ model: { name, place }, look, failure }) => ({
		name,
		place,
		base: look?.base ?? null,
		failure: failure?.message ?? null,
		tiers: (look?.tiers ?? []).map((tier) => {
			const { state, why } = stateOf$1(tier);
			const { bytes, bpw } = tier.plan;
			return {
				tier: tier.tier,
				repository: tier.repository,
				bytes,
				bpw,
				state,
				why
			};
		})
	}));
}
/** The failure of a check: of the only model that failed, of all, or of the workflows. */
function failureOf({ models, callers }) {
	const failed = models.flatMap(({ model, failure }) => failure ? [{
		model,
		failure
	}] : []);
	const [first] = failed;
	if (first === void 0) return callers;
	const names = failed.map(({ model }) => model.name).join(", ");
	const { code, hint, message } = first.failure;
	if (failed.length === 1) return new OqeError(code, `${names}: ${message}`, hint);
	return new OqeError(code, `${failed.length} models cannot be looked at: ${names}`, hint);
}

// src/entry/completion.ts
const scripts = {
	bash: bashScript,
	zsh: zshScript,
	fish: fishScript
};
/** The script that lets a shell complete the commands and flags of the table, and their values. */
function completionScript(shell) {
	return scripts[shell]();
}
const names = commandTable.map(({ name }) => name);
const flagsOf = (command) => [...ownFlags(command), ...inputFlags(command)];
const allFlags = ["--help", "--version"];
/** `--quiet --no-quiet --tiers`, with `--help`. */
function flagWords(command) {
	return [...flagsOf(command).flatMap((row) => isBoolean(row) ? [`--${row.name}`, `--no-${row.name}`] : [`--${row.name}`]), "--help"].join(" ");
}
/** Words of a flag's value: also those of `--verify true|false`. */
const valuesOf = (row) => choicesOf(row).join(" ");
function bashScript() {
	const flags = commandTable.map((row) => `    ${row.name}) flags="${flagWords(row)}" ;;`);
	const words = commandTable.flatMap((row) => row.words === void 0 ? [] : [`    ${row.name}) values="${row.words.join(" ")}" ;;`]);
	const values = commandTable.flatMap((row) => flagsOf(row).flatMap((flag) => valuesOf(flag) === "" ? [] : [`    "${row.name} --${flag.name}") values="${valuesOf(flag)}" ;;`]));
	return `# Completion of oqe for bash. In ~/.bashrc: source <(oqe completion bash)
_oqe() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]}
  local command="" flags="" values="" i
  # Readline takes the = of --flag=value for a word of its own.
  if [[ $cur == = ]]; then cur=""; elif [[ $prev == = ]]; then prev=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    if [[ \${COMP_WORDS[i]} != -* ]]; then command=\${COMP_WORDS[i]}; break; fi
  done
  COMPREPLY=()
  case "$command" in
    ""|help)
      COMPREPLY=($(compgen -W "${names.join(" ")} help ${allFlags.join(" ")}" -- "$cur"))
      return ;;
${flags.join("\n")}
  esac
  case "$command $prev" in
${values.join("\n")}
  esac
  case "$command" in
${words.join("\n")}
  esac
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  elif [[ -n $values ]]; then
    COMPREPLY=($(compgen -W "$values" -- "$cur"))
  else
    compopt -o default # files
  fi
}
complete -F _oqe oqe
`;
}
function zshScript() {
	const list = commandTable.map(({ name, brief }) => `    ${quoted(`${name}:${brief}`)}`);
	const cases = commandTable.map((command) => {
		const lines = flagsOf(command).flatMap(zshFlags).map((text) => `        ${quoted(text)} \\`);
		const argument = command.words === void 0 ? "_files" : `(${command.words.join(" ")})`;
		const label = command.argument.replace(/[<>[\].]/g, "");
		const place = command.isMany ? "*" : "1";
		return `      ${command.name})
        _arguments \\
${lines.join("\n")}
        '(-h --help)'{-h,--help}'[Print this]' \\
        ${quoted(`${place}:${label}:${argument}`)} ;;`;
	});
	return `#compdef oqe
# Completion of oqe for zsh. In ~/.zshrc, behind compinit: source <(oqe completion zsh)
_oqe() {
  local state line
  local -a commands
  commands=(
${list.join("\n")}
  )
  _arguments -C '(-V --version)'{-V,--version}'[Print the version]' \\
    '(-h --help)'{-h,--help}'[Print the help]' '1: :->command' '*:: :->rest'
  case $state in
    command) _describe -t commands command commands ;;
    rest)
      case $words[1] in
${cases.join("\n")}
      esac ;;
  esac
}
compdef _oqe oqe
`;
}
/** Specifications of `_arguments`. */
function zshFlags(row) {
	const doc = plain(row.doc).replaceAll(/[[\]:]/g, "\\$&");
	const values = valuesOf(row);
	const action = values === "" ? "_files" : `(${values})`;
	const yes = row.hint === "" ? `--${row.name}[${doc}]` : `--${row.name}=[${doc}]:${row.name}:${action}`;
	return isBoolean(row) ? [yes, `--no-${row.name}[Not --${row.name}]`] : [yes];
}
function fishScript() {
	const commands = commandTable.map(({ name, brief }) => `complete -c oqe -f -n __fish_use_subcommand -a ${name} -d ${quoted(brief)}`);
	const flags = commandTable.flatMap((command) => {
		const on = `complete -c oqe -n '__fish_seen_subcommand_from ${command.name}'`;
		return [
			...command.words === void 0 ? [] : [`${on} -f -a ${quoted(command.words.join(" "))}`],
			...flagsOf(command).flatMap((row) => fishFlags(row, on)),
			`${on} -l help`
		];
	});
	return `# Completion of oqe for fish. In ~/.config/fish/config.fish: oqe completion fish | source
complete -c oqe -n __fish_use_subcommand -s V -l version -d 'Print the version'
complete -c oqe -n __fish_use_subcommand -s h -l help -d 'Print the help'
${[...commands, ...flags].join("\n")}
`;
}
function fishFlags(row, on) {
	const values = valuesOf(row);
	const value = row.hint === "" ? "" : values === "" ? " -r" : ` -x -a ${quoted(values)}`;
	const yes = `${on} -l ${row.name}${value} -d ${quoted(plain(row.doc))}`;
	return isBoolean(row) ? [yes, `${on} -l no-${row.name} -d 'Not --${row.name}'`] : [yes];
}
/** The first sentence of a text, without marks of Markdown. */
function plain(doc) {
	return doc.replaceAll("`", "").split(/(?<=[a-z)])\. /)[0];
}
/** As one word of a shell. In fish too, a quote within quotes is written `'\''`. */
function quoted(text) {
	return `'${text.replaceAll("'", "'\\''")}'`;
}

// src/entry/evaluation-table.ts
const heads$1 = [...[
	"",
	"mean KL",
	"same top",
	"perplexity"
], ...[
	"ratio to base",
	"router agreement",
	"exact routes"
]];
/**
* An evaluation as text for a terminal of `width` columns: figures of all rows and of plain
* rounding, then by domain, on WikiText-2 and by layer, then the gates.
*/
function formatEvaluation(evaluation, width) {
	const { positions, rows, rounded, byDomain, wikitext, gates, predicted } = evaluation;
	const figures = [
		heads$1,
		figuresOf("all", evaluation),
		...rounded === null ? [] : [figuresOf("rounded", rounded)],
		...byDomain.map((domain) => figuresOf(domain.domain, domain)),
		...wikitext ? [figuresOf("WikiText-2", wikitext)] : []
	];
	const text = `${rows.samples} rows of ${rows.length} tokens of ${rows.source}, ${rows.sha256}`;
	return [
		...wrap(`${positions} positions: ${text}`, width),
		aligned(figures, width),
		spreadOf(evaluation),
		...formatRoutes(evaluation),
		...predicted === null ? [] : [predictionOf(predicted)],
		...gates.map(({ gate, limit, value, passed }) => `${passed ? "passed" : "FAILED"}  ${gate} ${limit}: ${value}`)
	].join("\n");
}
function figuresOf(name, of) {
	return [
		name,
		estimate(of.meanKl, of.meanKlError),
		share(of.sameTop),
		String(of.perplexity),
		ratio(of.perplexityRatio, of.perplexityRatioError),
		of.routerAgreement == null ? "" : share(of.routerAgreement),
		of.exactRoutes == null ? "" : share(of.exactRoutes)
	];
}
function spreadOf({ medianKl, p99Kl, p999Kl, maxKl }) {
	const tail = `99 % below ${nats(p99Kl)}, 99.9 % below ${nats(p999Kl)}, largest ${nats(maxKl)}`;
	return `KL: median ${nats(medianKl)}, ${tail}`;
}
function predictionOf({ kl, forcedKl }) {
	return `the plan predicted ${nats(kl)}, ${nats(forcedKl)} with routes forced`;
}
/** How the routers chose, layer by layer; nothing for a model without experts. */
function formatRoutes(evaluation) {
	const { byLayer, forcedMeanKl, forcedMeanKlError, forcedPositions, positions } = evaluation;
	if (byLayer.length === 0) return [];
	const some = forcedPositions < positions ? `, on ${forcedPositions} positions` : "";
	const layers = byLayer.map(({ layer, routerAgreement, exactRoutes }) => [
		`layer ${layer}`,
		share(routerAgreement),
		share(exactRoutes)
	]);
	return [`KL with the base's routes forced${some}: ${estimate(forcedMeanKl, forcedMeanKlError)}`, aligned([[
		"",
		"router agreement",
		"exact routes"
	], ...layers], Number.POSITIVE_INFINITY)];
}
/** Left out, in this order, where a terminal is too narrow: other figures say nearly the same. */
const lessNeeded = ["perplexity", "exact routes"];
/** Aligned columns, the first to the left. Columns without any content are left out. */
function aligned(table, width, without = []) {
	const filled = table[0].map((head, c) => (c === 0 || table.slice(1).some((row) => row[c] !== "")) && !without.includes(head));
	const cut = table.map((row) => row.filter((_, c) => filled[c]));
	const sizes = cut[0].map((_, c) => Math.max(...cut.map((row) => row[c].length)));
	const align = (cell, c) => c === 0 ? cell.padEnd(sizes[c]) : cell.padStart(sizes[c]);
	const next = lessNeeded[without.length];
	if (sizes.reduce((sum, size) => sum + size + 2, -2) > width && next !== void 0) return aligned(table, width, [...without, next]);
	return cut.map((row) => row.map(align).join("  ").trimEnd()).join("\n");
}

// src/series-file/clone.ts
/** Asks git. Never throws. */
async function readClone(folder) {
	const origin = await git(folder, "remote", "get-url", "origin");
	const branch = (await git(folder, "symbolic-ref", "--short", "refs/remotes/origin/HEAD"))?.replace(/^origin\//, "") ?? await git(folder, "symbolic-ref", "--short", "HEAD");
	return {
		repository: repositoryOf(origin),
		branch
	};
}
/**
* The commit that a program runs from, if its folder is a clone whose `origin` on GitHub has that
* commit; null otherwise. `root`: the top of the program's own files.
*/
async function commitOfClone(root) {
	const folder = fileURLToPath(root).replace(/\/$/, "");
	if (await git(folder, "rev-parse", "--show-toplevel") !== folder) return null;
	const repository = repositoryOf(await git(folder, "remote", "get-url", "origin"));
	const ref = await git(folder, "rev-parse", "HEAD");
	if (repository === null || ref === null) return null;
	return await git(folder, "branch", "--remotes", "--contains", ref) === null ? null : {
		repository,
		ref
	};
}
/** `owner/name` of an address of GitHub; null for another place. */
function repositoryOf(address) {
	return /^(?:https:\/\/(?:[^@/]*@)?|ssh:\/\/git@|git@)github\.com[/:]([\w-]+\/[\w.-]+?)(?:\.git)?\/?$/.exec(address ?? "")?.[1] ?? null;
}
/** What git prints, in one line of it at least; null if it fails or prints nothing. */
function git(folder, ...words) {
	const others = Object.entries(process.env).filter(([name]) => !name.startsWith("GIT_"));
	const options = {
		env: Object.fromEntries(others),
		timeout: 1e4
	};
	return new Promise((done) => {
		execFile("git", [
			"-C",
			folder,
			...words
		], options, (error, stdout) => {
			const text = stdout.trim();
			done(error !== null || text === "" ? null : text);
		});
	});
}

// src/series-file/first-files.ts
/** Of a repository that nothing is known of. */
const usualHome = {
	branch: "main",
	cron: "17 3 * * 1"
};
const firstPaths = {
	series: "series.yml",
	workflow: ".github/workflows/oqe.yml",
	ignored: ".gitignore"
};
/** Series file and workflow of a new repository, by path: what a template says, for this Action. */
async function firstFiles({ repository, ref }, { branch, cron } = usualHome) {
	const words = {
		"OWNER/oqe-publisher": repository,
		REF: ref,
		VERSION: `v${engine.version}`,
		BRANCH: branch,
		CRON: cron
	};
	const fill = async (name) => {
		return (await readFile(new URL(`first-files/${name}`, assets.templates), "utf8")).replace(/\b(OWNER\/oqe-publisher|REF|VERSION|BRANCH|CRON)\b/g, (word) => words[word]);
	};
	return /* @__PURE__ */ new Map([[firstPaths.series, await fill("series.yml")], [firstPaths.workflow, await fill("oqe.yml")]]);
}
/**
* Monday, between 03:01 and 03:59 UTC. The minute comes from the repository's name: GitHub delays
* or drops runs of the full hour, when most schedules start.
*/
function weeklyCron(repository) {
	return `${1 + createHash("sha256").update(repository.toLowerCase()).digest().readUInt32BE() % 59} 3 * * 1`;
}
/** Throws BAD_INPUT for a name that is a pattern in a workflow, or none of git's. */
function checkBranch(name) {
	if (/^[\w](?!.*(\.\.|\/\/))[\w./-]{0,99}(?<![./])$/.test(name)) return name;
	throw new OqeError("BAD_INPUT", `the default branch ${JSON.stringify(name)} cannot be written into the workflow`, "Give --branch <name> with letters, digits, dots, dashes and slashes, such as --branch main.");
}
/** `owner/oqe-publisher@<commit or tag>`. Throws BAD_INPUT. */
function parsePlace(text) {
	const [, repository, ref] = /^([\w-]+\/[\w.-]+)@([\w][\w./-]{0,99})$/.exec(text) ?? [];
	if (repository !== void 0 && ref !== void 0) return {
		repository,
		ref
	};
	throw new OqeError("BAD_INPUT", `uses: "${text}" is not owner/repository@commit`, `For example acme/oqe-publisher@v${engine.version}, or with a commit of 40 digits behind the @.`);
}
/**
* Where this program was installed from: npm notes the commit of a package from GitHub in the
* folder that it installs into; a clone knows its own. null: from elsewhere.
*/
async function installedFrom(entry = import.meta.url) {
	const [, folder, name] = /^(.*\/node_modules)\/([\w.-]+)\//.exec(fileURLToPath(entry)) ?? [];
	if (folder === void 0 || name === void 0) return commitOfClone(assets.root);
	try {
		const lock = JSON.parse(await readFile(`${folder}/.package-lock.json`, "utf8"));
		const resolved = String(lock.packages[`node_modules/${name}`].resolved);
		const [, repository, ref] = /github\.com[/:]([\w-]+\/[\w.-]+?)(?:\.git)?#([0-9a-f]{40})$/.exec(resolved) ?? [];
		return repository === void 0 || ref === void 0 ? null : {
			repository,
			ref
		};
	} catch {
		return null;
	}
}

// src/entry/init.ts
/**
* Writes the series file, the workflow that calls ours, and what git is to ignore. A series file
* that is there is never changed, and lines of a `.gitignore` stay. If there is another workflow,
* nothing is written at all, unless told to overwrite it. Throws BAD_INPUT, NOT_OURS, DISK.
*/
async function writeFirstFiles(folder, flags) {
	const place = await findAction(flags.uses);
	const found = await readOld(join(folder, firstPaths.workflow));
	const home = await findHome(folder, flags.branch, found);
	const files = await firstFiles(place, home);
	const drafts = [
		await draftSeries(folder, files.get(firstPaths.series)),
		draftWorkflow(folder, {
			found,
			wanted: files.get(firstPaths.workflow)
		}, flags.overwrite),
		await draftIgnored(folder)
	];
	for (const { path, outcome, write, bytes } of drafts) {
		if (outcome === "unchanged" || outcome === "kept") continue;
		const target = join(folder, path);
		await onDisk(target, bytes, async () => {
			await mkdir(dirname(target), { recursive: true });
			await write(target);
		});
	}
	return {
		folder,
		files: drafts.map(({ path, outcome }) => ({
			path,
			outcome
		})),
		branch: home.branch
	};
}
/** What was done, and what to do next. */
function describeFirstFiles({ folder, files, branch }) {
	return `${files.map(({ path, outcome }) => `${outcome.padEnd(9)}  ${join(folder, path)}`).join("\n")}

1. In series.yml, set base-model and namespace.
2. Save a Hub token with write access to the namespace as the secret HF_TOKEN:
     gh secret set HF_TOKEN          (https://huggingface.co/settings/tokens makes one)
   Settings \u2192 Actions \u2192 General: allow GitHub Actions to create pull requests.
3. Push to ${branch}, the default branch (if it is another one: --branch <name>): that publishes. To
   see the plan first, push a branch and open a pull request: a comment shows it. Then release:
     git tag v1.0.0 && git push origin v1.0.0`;
}
async function findAction(uses) {
	const place = typeof uses === "string" ? parsePlace(uses) : await installedFrom();
	if (place !== null) return place;
	throw new OqeError("BAD_INPUT", "nothing says which repository and commit of the Action the workflow is to use", "Give --uses <owner>/oqe-publisher@<commit>. The notes of each release have the commit.");
}
/** What a person set in the workflow that is there counts more than what git says. */
async function findHome(folder, branch, workflow) {
	const clone = await readClone(folder);
	const on = tableOf(tableOf(readWorkflow(workflow ?? "").value).on);
	const [own, ...more] = textsOf(tableOf(on.push).branches);
	const [schedule] = Array.isArray(on.schedule) ? on.schedule : [];
	const { cron } = tableOf(schedule);
	const asked = typeof branch === "string" ? branch : void 0;
	const isOwnCron = typeof cron === "string" && cronFault(cron) === null;
	return {
		branch: checkBranch(asked ?? (more.length === 0 ? own : void 0) ?? clone.branch ?? "main"),
		cron: isOwnCron ? cron : weeklyCron(clone.repository ?? basename(resolve(folder)))
	};
}
/** null: there is no such file. One that cannot be read is a failure, for it would be replaced. */
function readOld(path) {
	return readFile(path, "utf8").catch((error) => {
		if (codeOf(error) === "ENOENT") return null;
		throw error;
	});
}
async function draftSeries(folder, wanted) {
	const path = firstPaths.series;
	const found = await readOld(join(folder, path));
	return {
		path,
		outcome: found === null ? "written" : found === wanted ? "unchanged" : "kept",
		...rewriting(wanted)
	};
}
function draftWorkflow(folder, { found, wanted }, overwrite) {
	const path = firstPaths.workflow;
	if (found === null) return {
		path,
		outcome: "written",
		...rewriting(wanted)
	};
	if (found === wanted) return {
		path,
		outcome: "unchanged",
		...rewriting(wanted)
	};
	if (overwrite === true) return {
		path,
		outcome: "replaced",
		...rewriting(wanted)
	};
	throw new OqeError("NOT_OURS", `${join(folder, path)} exists and differs, so nothing was written`, "Set --overwrite to replace it: its branch and its schedule stay, and so does series.yml.");
}
/** Work folders have finished tiers: gigabytes that `git add .` would take. */
async function draftIgnored(folder) {
	const path = firstPaths.ignored;
	const found = await readOld(join(folder, path));
	const text = `# Work folder of oqe-publisher\n${usualWorkDir}/\n`;
	if (found === null) return {
		path,
		outcome: "written",
		...rewriting(text)
	};
	const own = [usualWorkDir, `/${usualWorkDir}`].flatMap((name) => [name, `${name}/`]);
	const isOwn = (line) => own.includes(line.trim().replace(/^!/, ""));
	if (found.split(/\r?\n/).some(isOwn)) return {
		path,
		outcome: "unchanged",
		...rewriting(text)
	};
	const end = found.includes("\r\n") ? "\r\n" : "\n";
	const added = (found === "" || found.endsWith("\n") ? "" : end) + text.replaceAll("\n", end);
	const write = (target) => appendFile(target, added);
	return {
		path,
		outcome: "extended",
		write,
		bytes: added.length
	};
}
function rewriting(text) {
	return {
		write: (target) => writeFile(target, text),
		bytes: text.length
	};
}

// src/entry/plan-table.ts
const columns = [
	"tier",
	"target bpw",
	"bpw",
	"file bpw",
	"bytes",
	"GB",
	"GiB",
	"boosts",
	"plan"
];
const explanationColumns = [
	"role",
	"layers",
	"bytes",
	"KL share",
	"next boost",
	"nats/MB",
	"bits"
];
const leftColumns = /* @__PURE__ */ new Set([
	"role",
	"next boost",
	"bits"
]);
/** Columns that a narrow terminal has no room for: others say the same. */
const wideColumns = /* @__PURE__ */ new Set(["file bpw", "GiB"]);
/** In characters, for the plan of a model with some ten boosted matrices. */
const wideTable = 100;
/** The series as a plain table for a terminal, one line per tier; then the costly floors. */
function formatPlan(plan, width) {
	const rows = plan.tiers.map((tier) => [
		tier.tier,
		tier.targetBpw.toFixed(2),
		tier.bpw.toFixed(2),
		tier.fileBpw.toFixed(2),
		grouped(tier.bytes),
		gigabytes(tier.bytes),
		gibibytes(tier.bytes),
		String(tier.boosts),
		tier.plan
	]);
	const floors = plan.tiers.flatMap((tier) => costlyFloors(tier).map(([name, share]) => `${tier.tier}: the floor of ${name} costs ${percentage(share, 1)} of the predicted KL`));
	const shown = (row) => row.filter((_, c) => width >= wideTable || !wideColumns.has(columns[c]));
	return [
		textTable([columns, ...rows].map(shown), /* @__PURE__ */ new Set(["tier", "plan"]), width),
		...plan.tiers[0] === void 0 ? [] : carriedLines(plan.tiers[0]),
		...floors
	].join("\n");
}
/**
* One tier's plan, one line per role: its widths in layer order, its share of the predicted KL, and
* the gain of its best next boost.
*/
function formatExplanation(plan, roles, width) {
	const rows = roles.map(({ role, layers, bytes, share, next, widths }) => [
		role,
		layers === null ? "" : layers[0] === layers[1] ? String(layers[0]) : `${layers[0]}-${layers[1]}`,
		grouped(bytes),
		share === null ? "" : `${(100 * share).toFixed(1)} %`,
		next === null ? "" : `${layerOf(next.module)}${widthName(next.from)}\u2192${widthName(next.to)}`,
		next === null ? "" : (1e6 * next.saves / next.bytes).toExponential(1),
		collapse(widths.map(widthName))
	]);
	const { predicted, floors } = plan;
	const limits = floors === null ? "" : `, floors ${formatFloors(floors)}`;
	const loss = predicted === null ? "" : `, predicted KL ${predicted.kl.toPrecision(3)} nats (${predicted.forcedKl.toPrecision(3)} with routes forced)`;
	const size = `${bitsPerWeight(plan.bpw)} bpw of ${bitsPerWeight(plan.targetBpw)}`;
	const table = textTable([explanationColumns, ...rows], leftColumns, width);
	return `${wrap(`${plan.tier}: ${size}${loss}${limits}`, width).join("\n")}\n${table}`;
}
function layerOf(module) {
	const [, layer] = /\.layers\.(\d+)\./.exec(module) ?? [];
	return layer === void 0 ? "" : `layer ${layer} `;
}
/** `6 5×3 4`. */
function collapse(names) {
	const runs = [];
	for (const name of names) {
		const last = runs.at(-1);
		if (last?.name === name) last.count++;
		else runs.push({
			name,
			count: 1
		});
	}
	return runs.map((run) => run.count === 1 ? run.name : `${run.name}×${run.count}`).join(" ");
}
/** The tensors that no tier quantizes: one line per reason. */
function formatUnquantized(plan) {
	const counts = /* @__PURE__ */ new Map();
	for (const reason of Object.values(plan.unquantized)) counts.set(reason, (counts.get(reason) ?? 0) + 1);
	return [...counts].map(([reason, count]) => `unquantized: ${count} × ${reason}`);
}

// src/entry/run-table.ts
const heads = [
	"tier",
	"GB",
	"bpw",
	"mean KL",
	"same top",
	"verdict",
	"result"
];
const words = {
	"dry-run": "not published (dry run)",
	kept: "not published: the published one is better",
	staged: "finished, on its staging branch",
	unfinished: "not finished"
};
/** Size, quality and verdict of every tier, and what came of it, in `columns` columns. */
function formatRun(tiers, columns, paint) {
	const rows = tiers.map(({ plan, receipt, outcome }) => {
		const evaluation = receipt?.evaluation ?? null;
		return [
			...[
				plan.tier,
				gigabytes(plan.bytes),
				plan.bpw.toFixed(2)
			],
			evaluation === null ? "\u2013" : nats(evaluation.meanKl),
			evaluation === null ? "\u2013" : share(evaluation.sameTop),
			evaluation === null ? "\u2013" : missedOf(receipt) === "" ? verdictOf(evaluation) : "held back",
			resultOf({
				plan,
				receipt,
				outcome
			})
		];
	});
	return textTable([heads, ...rows], /* @__PURE__ */ new Set([
		"tier",
		"verdict",
		"result"
	]), columns).split("\n").map((line) => / {2}(FAILED|failed)\b/.test(line) ? paint("red", line) : line).join("\n");
}
/** The gates that a tier failed, with their limits. */
function missedOf(receipt) {
	return (receipt?.evaluation?.gates ?? []).filter(({ passed }) => !passed).map(({ gate, limit }) => `${gate} ${limit}`).join(", ");
}
function resultOf({ receipt, outcome }) {
	const missed = missedOf(receipt);
	if (missed !== "") return `FAILED ${missed}`;
	const text = words[outcome] ?? outcome;
	if (receipt === null || outcome === "failed") return text;
	return receipt.evaluation === null ? `${text}, not evaluated` : text;
}

// src/entry/commands.ts
const runs = {
	plan,
	sensitivity: measure,
	quantize,
	publish,
	verify: verifyTarget,
	check,
	card,
	site,
	init,
	hub,
	completion
};
/**
* Runs one command line. The result goes to `write` (stdout), everything else to stderr. Gives the
* exit code of a run that ended as it should, or that its user stopped. Throws OqeError.
*/
async function runCommand(argv, outlet) {
	const { environment, write, columns } = outlet;
	const paint = paintFor(environment, columns !== void 0);
	const line = parseCommandLine(argv, helpPage(write, columns, paint));
	if (line === null) return 0;
	const call = await openCall(line, argv, outlet);
	const { stop, sayCosts } = call;
	const unwatch = whenStopped(() => stop.ask());
	try {
		await Promise.resolve(runs[line.command.name](call)).finally(sayCosts);
		return 0;
	} catch (error) {
		if (!stop.isAsked || !(error instanceof OqeError) || error.code !== "TIME") throw error;
		stop.say(error instanceof TimeIsUp ? error.where : "");
		return exitCodes.stopped;
	} finally {
		unwatch();
	}
}
async function plan({ inputs, flags, dependencies, print, columns }) {
	const parsed = inputs();
	const { plan: series, base, sensitivity } = await planModel(parsed, dependencies(parsed), { measures: flags.measure === true });
	const how = sensitivity === null ? "fixed rules" : "measured sensitivity";
	const title = `${stateOf(series.model, series.revision)}, planned by ${how}`;
	const table = () => [
		...wrap(title, columns),
		formatPlan(series, columns),
		...formatUnquantized(series).flatMap((line) => wrapped(line, columns))
	].join("\n");
	if (flags.explain !== true) return print(series, table);
	const tiers = series.tiers.map((tier) => ({
		...tier,
		roles: explainPlan(tier, base.tensors, base.storage, sensitivity)
	}));
	const explain = () => tiers.map((tier) => formatExplanation(tier, tier.roles, columns)).join("\n\n");
	return print({
		...series,
		tiers
	}, () => `${table()}\n\n${explain()}`);
}
/** A model and its commit. The hash of a folder says nothing to people. */
function stateOf(name, revision) {
	return /^[0-9a-f]{40}$/.test(revision) ? `${name} at ${revision}` : `the folder ${name}`;
}
/** Prints the sensitivity, or writes it to the file of --out. */
async function measure({ inputs, flags, dependencies, print, write }) {
	const parsed = inputs();
	if (flags.out === "") throw new OqeError("BAD_INPUT", "--out names no file", "Leave it out to print the sensitivity.");
	const path = typeof flags.out === "string" ? resolve(flags.out) : null;
	if (path !== null) await tryFile(path);
	const text = writeSensitivity(await measureModel(parsed, dependencies(parsed)));
	if (path === null) return write(text);
	await onDisk(path, text.length, () => writeFile(path, text));
	return print({ sensitivity: path }, () => path);
}
async function quantize({ inputs, flags, dependencies, print, columns, paint }) {
	const parsed = inputs();
	if (typeof flags.out !== "string" || flags.out === "") throw new OqeError("BAD_INPUT", "oqe quantize needs --out <folder>", "The tiers are written to <folder>/<Model>-<tier>/.");
	const { plan: series, folders, receipts, stopped, failure } = await quantizeModel(parsed, resolve(flags.out), dependencies(parsed));
	const tiers = series.tiers.map((tier) => {
		const receipt = receipts.find(({ plan }) => plan.tier === tier.tier) ?? null;
		return {
			plan: tier,
			receipt,
			outcome: receipt === null ? "unfinished" : "written"
		};
	});
	const text = () => [
		series.model,
		formatRun(tiers, columns, paint),
		...folders
	].join("\n");
	await print({
		...series,
		folders
	}, text);
	if (failure !== null) throw failure;
	if (stopped !== null) throw stopped;
}
async function publish({ inputs, dependencies, print, columns, paint }) {
	const parsed = inputs();
	const { plan: series, tiers, made, current, stopped, failure } = await publishModel(parsed, dependencies(parsed));
	const ended = series.tiers.map((tier) => ({
		plan: tier,
		receipt: [...made, ...current].find(({ plan }) => plan.tier === tier.tier) ?? null,
		outcome: tiers.find((one) => one.tier === tier.tier)?.outcome ?? "failed"
	}));
	const isOnHub = (outcome) => [
		"published",
		"unchanged",
		"proposed"
	].includes(outcome);
	const places = tiers.map(({ url, folder, outcome }) => isOnHub(outcome) ? url : folder ?? url);
	const text = () => [
		series.model,
		formatRun(ended, columns, paint),
		...places
	].join("\n");
	await print({
		...series,
		repositories: tiers
	}, text);
	if (failure !== null) throw failure;
	if (stopped !== null) throw stopped;
}
async function verifyTarget({ target, inputs, flags, dependencies, print, columns }) {
	const parsed = inputs();
	const isNamed = typeof flags.base === "string" && flags.base !== "";
	const asked = {
		...parsed,
		baseModel: isNamed ? parsed.baseModel : null
	};
	const verified = await verify(parseModel(target, ""), asked, dependencies(parsed));
	const { evaluation, failure, conclusion } = verified;
	const title = stateOf(verified.target.name, verified.target.revision);
	await print(evaluation, () => `${title}\n${formatEvaluation(evaluation, columns)}\n${conclusion}`);
	if (failure !== null) throw failure;
}
async function check({ target, flags, read, variables, report, print, columns }) {
	const workers = optionalCount("", 1, 64).parse(read("workers"), "workers");
	const connection = {
		...parsePlaces(read, variables),
		workers
	};
	const ofWorkflow = (name) => name === "base-model" ? "" : read(name);
	const checks = await checkLocally({
		...openDependencies(connection, report, ""),
		file: target,
		series: typeof flags.series === "string" && flags.series !== "" ? flags.series : null,
		inputsOf: (model) => parseInputs(readModel(model, ofWorkflow), variables)
	});
	await print(checksAsJson(checks.models), () => formatChecks(checks.models, columns));
	const failure = failureOf(checks);
	if (failure !== null) throw failure;
}
async function card({ target, print, report }) {
	const path = await rewriteCard(resolve(target), report);
	return print({ card: path }, () => path);
}
/** Prints the place of the page in its last line. */
async function site({ targets, flags, print, report }) {
	const out = typeof flags.out === "string" && flags.out !== "" ? flags.out : "index.html";
	const made = await writeSite(targets, {
		out,
		isLocal: flags.local === true
	}, report);
	return print(made, () => `${plural(made.tiers, "tier")}\n${made.page}`);
}
async function init({ target, flags, print }) {
	const made = await writeFirstFiles(resolve(target), flags);
	return print(made, () => describeFirstFiles(made));
}
async function hub({ target, flags, print, stop }) {
	const port = wholeNumber(String(flags.port ?? 0), "port", [0, 65535]);
	const server = await startLocalHub({
		folder: resolve(target),
		port
	});
	const text = `HF_ENDPOINT=${server.url} HF_TOKEN=hf_rehearsal oqe publish <model> --namespace <name>\n  stop it with Ctrl-C`;
	await print({ endpoint: server.url }, () => `${server.url}\n  ${text}`);
	await stop.served();
	await server.close();
}
function completion({ target, write }) {
	write(completionScript(target));
}

export { runCommand };