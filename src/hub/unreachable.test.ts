import { expect, it } from "vitest";
import { playServer, testToken, thrown } from "../../test/support/scripted-server.ts";
import { createSender } from "./origin.ts";
import { Transient } from "./patience.ts";
import { oneToken } from "./token-source.ts";
import { unreachable } from "./unreachable.ts";

function failureOf(cause: Error & { code?: string }) {
  return unreachable(new TypeError("fetch failed", { cause }), {
    server: "https://hub.test",
    reason: "r",
    hasAnswered: false,
  });
}

const coded = (code: string) => Object.assign(new Error("engine words"), { code });

it.each([
  ["CERT_HAS_EXPIRED", "has expired"],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", "does not trust"],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "does not trust"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "another host"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "does not speak TLS"],
])("never tries %s again", (code, words) => {
  const failure = failureOf(coded(code));
  expect(failure).toMatchObject({ code: "NETWORK", message: expect.stringContaining(words) });
  expect(failure.message).toContain("https://hub.test");
  expect(failure.message).not.toContain("engine words");
});

it.each(["ECONNRESET", "UND_ERR_SOCKET", "EAI_AGAIN", "UND_ERR_HEADERS_TIMEOUT"])(
  "gives %s every attempt, also at first",
  (code) => expect(failureOf(coded(code))).toMatchObject({ attempts: 8 }),
);

it.each(["ECONNREFUSED", "ENOTFOUND", "ENETUNREACH"])("gives %s three attempts at first", (code) =>
  expect(failureOf(coded(code))).toMatchObject({ attempts: 3 }),
);

it("finds the code of a host with several addresses", () => {
  const several = new AggregateError([coded("ECONNREFUSED"), coded("ECONNREFUSED")]);
  expect(failureOf(several)).toMatchObject({ attempts: 3 });
});

it("names a port that fetch refuses, and an http server behind an https address", async () => {
  const refused = createSender("http://127.0.0.1:6000", oneToken(testToken), fetch);
  expect(await thrown(refused.send("http://127.0.0.1:6000/x"))).toMatchObject({
    code: "NETWORK",
    message: "http://127.0.0.1:6000 cannot be reached: Node's fetch refuses this port",
  });
  const server = await playServer((_request, response) => response.end());
  const address = server.url.replace("http:", "https:");
  const failure = await thrown(
    createSender(address, oneToken(testToken), fetch).send(`${address}/x`),
  );
  await server.close();
  expect(failure).toMatchObject({
    code: "NETWORK",
    message: expect.stringContaining("does not speak TLS"),
  });
  expect(failure).not.toBeInstanceOf(Transient);
});
