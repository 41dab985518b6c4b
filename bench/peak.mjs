// Preloaded into a process under measurement: writes its peak resident memory in bytes to $OQE_PEAK_FILE at exit.
import { writeFileSync } from "node:fs";

process.on("exit", () => {
  // maxRSS is in kilobytes on every platform that Node runs on.
  writeFileSync(process.env.OQE_PEAK_FILE, String(process.resourceUsage().maxRSS * 1024));
});
