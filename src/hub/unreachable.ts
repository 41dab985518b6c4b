import { OqeError } from "../ground/errors.ts";
import { codeOf } from "../ground/reasons.ts";
import { retryLimits, Transient } from "./patience.ts";

/** What no later attempt changes, by OpenSSL's and Node's codes of the failure. */
const permanent: readonly (readonly [RegExp, string])[] = [
  [/^(EPROTO|ERR_SSL_)/, "it does not speak TLS, which an https:// address needs"],
  [/^CERT_HAS_EXPIRED$/, "its certificate has expired"],
  [/^CERT_NOT_YET_VALID$/, "its certificate is not valid yet; check the clock of this machine"],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, "its certificate is for another host"],
  [/^(CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_)/, "this machine does not trust its certificate"],
  [/^(ERR_INVALID_|UND_ERR_INVALID_ARG$)/, "the request cannot be sent to it"],
];

/** No connection at all: a wrong address, or an outage. */
const unconnected = /^(ECONNREFUSED|ENOTFOUND|EADDRNOTAVAIL|EHOSTUNREACH|ENETUNREACH)$/;

/**
 * The error for a request that got no answer. NETWORK where another attempt cannot help; else
 * `Transient`, with few attempts if nothing has answered before and there is no connection.
 */
export function unreachable(
  failure: unknown,
  { server, reason, hasAnswered }: { server: string; reason: string; hasAnswered: boolean },
): OqeError | Transient {
  const chain = causes(failure);
  const known = permanent.find(([codes]) => chain.some((cause) => codes.test(codeOf(cause))));
  // Browsers, and fetch in Node, never connect to some ports. This failure has no code.
  const isBadPort = chain.some(({ message }) => message === "bad port");
  const fault = isBadPort ? "Node's fetch refuses this port" : known?.[1];
  if (fault !== undefined) {
    const hint = "Check the Hub endpoint (hub-endpoint or HF_ENDPOINT), and any proxy in between.";
    return new OqeError("NETWORK", `${server} cannot be reached: ${fault}`, hint, failure);
  }
  const isWrong = !hasAnswered && chain.some((cause) => unconnected.test(codeOf(cause)));
  const { attempts, firstContact } = retryLimits;
  return new Transient(reason, { attempts: isWrong ? firstContact : attempts });
}

/** The failure and its causes. */
function causes(failure: unknown): Error[] {
  const chain: Error[] = [];
  for (let at = failure; at instanceof Error && chain.length < 4; at = at.cause)
    chain.push(at, ...(at instanceof AggregateError ? at.errors : []));
  return chain;
}
