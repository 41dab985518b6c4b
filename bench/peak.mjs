// Preloaded into a measured process. At exit it writes the peak resident memory in bytes to
// $OQE_PEAK_FILE.
import { writeFileSync } from "node:fs";

process.on("exit", () => {
  // maxRSS is in kilobytes on every platform that Node runs on.
  writeFileSync(process.env.OQE_PEAK_FILE, String(process.resourceUsage().maxRSS * 1024));
});
