import { n as runCommand, t as openDependencies } from "./commands.js";

export { runCommand };