import { a as group, c as setFailed, d as startGroup, f as warning, i as getInput, l as setOutput, n as endGroup, o as info, p as summary, r as error, s as isDebug, t as ExitCode, u as setSecret } from "./core.js";

export { info, isDebug, setFailed };