/** How a request is sent, beside its own headers. */
export interface Sending {
  readonly headers: Readonly<Record<string, string>>;
  readonly dispatcher?: NonNullable<RequestInit["dispatcher"]>;
}

/**
 * How to send a request over a connection that no other request has used, past caches. Node's
 * `fetch` has no such option, and Node does not export its pool of connections. But it keeps the
 * usual pool under this symbol (undici's `lib/global.js`), so another of its kind can be made.
 */
export function ownConnection(): Sending {
  const headers = { Connection: "close", "Cache-Control": "no-cache", Pragma: "no-cache" };
  const usual: unknown = Reflect.get(globalThis, Symbol.for("undici.globalDispatcher.1"));
  if (typeof usual !== "object" || usual === null) return { headers };
  try {
    const Pool = usual.constructor as new () => NonNullable<Sending["dispatcher"]>;
    return { headers, dispatcher: new Pool() };
  } catch {
    return { headers }; // somebody set a pool that needs options: its connections are used
  }
}
