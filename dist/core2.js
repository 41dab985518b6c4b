import { a as getIDToken, c as info, d as setSecret, f as startGroup, i as error, l as isDebug, m as summary, n as debug, o as getInput, p as warning, r as endGroup, s as group, t as ExitCode, u as setOutput } from "./core.js";

export { ExitCode, error, info, isDebug, summary, warning };