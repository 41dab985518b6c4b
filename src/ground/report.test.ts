import { expect, test, vi } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import { isLive } from "./live-line.ts";
import { actionsReport, quietReport, terminalReport } from "./report.ts";

/** A report on a clock that a test moves. `columns`: of a terminal; null: a pipe. */
function open(columns: number | null) {
  const clock = manualClock();
  let text = "";
  const write = (more: string) => {
    text += more;
  };
  const terminal = { write, columns: () => columns };
  const report = terminalReport(terminal, { ...clock, residentBytes: () => 3.2e9 });
  return { clock, report, written: () => text, lines: () => text.split("\n").slice(0, -1) };
}

/** What a terminal shows after `text`: it understands a return and "erase to the end". */
function screen(text: string): string[] {
  return text.split("\n").map((line) => {
    let shown = "";
    for (const part of line.split("\r")) {
      const [written = "", erased] = part.split("\u001b[K");
      shown = written + (erased === undefined ? shown.slice(written.length) : erased);
    }
    return shown;
  });
}

const percents = (calls: readonly (readonly [seconds: number, done: number])[]) => {
  const { clock, report, lines } = open(null);
  for (const [seconds, done] of calls) {
    clock.advance(1000 * seconds);
    report.tick(done, 1000, "bytes");
  }
  return lines().map((line) => Number.parseInt(line, 10));
};

test("progress that was printed ends with 100 %, and begins anew", () => {
  const first = [
    [3, 500],
    [1, 900],
    [0, 1000],
    [0, 1000],
  ] as const;
  expect(percents(first)).toEqual([50, 100]);
  expect(percents([...first, [1, 100], [1, 200]])).toEqual([50, 100, 20]);
});

test("a stage that is over before its first line stays silent", () => {
  expect(
    percents([
      [1, 500],
      [0, 1000],
    ]),
  ).toEqual([]);
});

test("a pipe gets whole lines", async () => {
  const { report, written } = open(null);
  await report.stage("Measure", async () => {
    report.info("a line");
    report.warn("careful");
  });
  expect(written()).toBe("Measure\n  a line\n  warning: careful\n");
});

test("a silent stage says at least every 30 s what goes on, until its end", async () => {
  const { clock, report, lines } = open(null);
  await report.stage("Measure (7 of 12)", async () => {
    report.tick(10, 50, "blocks");
    clock.advance(1_900);
    report.tick(11, 50, "blocks");
    clock.advance(18_000);
    report.info("a line");
    clock.advance(24_000);
    expect(lines()).toHaveLength(2);
    clock.advance(6_000);
    clock.advance(30_000);
    clock.advance(30_000);
  });
  const beat = (left: string, elapsed: string) =>
    `  Measure (7 of 12) goes on: ${elapsed}, 22 % (11 of 50 blocks), ${left}3.2 GB of memory`;
  expect(lines()).toEqual([
    "Measure (7 of 12)",
    "  a line",
    beat("31 s left, ", "45 s"),
    beat("6 s left, ", "70 s"),
    // The block takes longer than those before it: nothing is said of the end, rather than `0 s`.
    beat("", "2 min"),
  ]);
  expect(clock.isAwaited()).toBe(false);
  clock.advance(100_000);
  expect(lines()).toHaveLength(5);
});

test("a stage without progress has a heartbeat too; one that failed has none any more", async () => {
  const { clock, report, lines } = open(null);
  const failing = report.stage("Check the cards", async () => {
    clock.advance(29_000);
    throw new Error("no");
  });
  await expect(failing).rejects.toThrow("no");
  expect(clock.isAwaited()).toBe(false);
  clock.advance(100_000);
  expect(lines()).toEqual(["Check the cards", "  Check the cards goes on: 25 s, 3.2 GB of memory"]);
});

test("a stage inside another gives its heartbeat, then the outer one again", async () => {
  const { clock, report, lines } = open(null);
  await report.stage("outer", async () => {
    await report.stage("inner", async () => clock.advance(26_000));
    clock.advance(26_000);
  });
  expect(lines().map((line) => line.trim().split(",")[0])).toEqual([
    "outer",
    "inner",
    "inner goes on: 25 s",
    "outer goes on: 50 s",
  ]);
});

test("a terminal has a live line below the others, which is gone after the stage", async () => {
  const { clock, report, written } = open(120);
  const last = () => screen(written()).at(-1);
  await report.stage("Measure (7 of 12)", async () => {
    expect(screen(written())).toEqual(["Measure (7 of 12)", "Measure (7 of 12)  0 s"]);
    clock.advance(60_000);
    report.tick(12, 48, "blocks");
    clock.advance(60_000);
    report.tick(14, 48, "blocks");
    clock.advance(1_000);
    const bar = `[=======>${" ".repeat(16)}]`;
    expect(last()).toBe(
      `Measure (7 of 12)  29 % ${bar}  14 of 48 blocks  2.0/min  2 min, 17 min left`,
    );
    report.info("block 14");
    expect(screen(written()).slice(1)).toEqual(["  block 14", last()]);
    expect(last()).toContain("14 of 48");
  });
  expect(screen(written())).toEqual(["Measure (7 of 12)", "  block 14", ""]);
  expect(clock.isAwaited()).toBe(false);
});

test("the live line is gone after an error", async () => {
  const { report, written, clock } = open(80);
  await expect(report.stage("Measure", () => Promise.reject(new Error("no")))).rejects.toThrow();
  clock.advance(10_000);
  expect(screen(written())).toEqual(["Measure", ""]);
});

test("uploads beside the walk do not take its place; after it they are shown", async () => {
  const { clock, report, written } = open(120);
  const last = () => screen(written()).at(-1);
  await report.stage("Quantize", async () => {
    report.tick(0, 2e9, "bytes");
    report.tick(1e6, 5e6, "bytes uploaded");
    clock.advance(10_000);
    report.tick(1e9, 2e9, "bytes");
    clock.advance(1_000);
    expect(last()).toMatch(/ {2}1\.0 GB of 2\.0 GB {2}100\.0 MB\/s {2}11 s, 9 s left$/);
    report.tick(2e9, 2e9, "bytes");
    clock.advance(1_000);
    expect(last()).toContain("20 % [====>");
    expect(last()).toContain("1.0 MB of 5.0 MB uploaded");
  });
});

test.each([
  [80, "quant  50 % [============>           ]  1 of 2 blocks  6.0/min  11 s, 9 s left"],
  [70, "quant  50 % [=====>    ]  1 of 2 blocks  6.0/min  11 s, 9 s left"],
  [60, "quant  50 % [=====>    ]  6.0/min  11 s, 9 s left"],
  [45, "quant  50 % [=====>    ]  11 s, 9 s left"],
  [30, "quant  50 %  11 s, 9 s left"],
  [20, "quant  50 %"],
  [5, "quan"],
])("the live line fits %i columns", async (columns, line) => {
  const { clock, report, written } = open(columns);
  await report.stage("quant", async () => {
    report.tick(0, 2, "blocks");
    clock.advance(10_000);
    report.tick(1, 2, "blocks");
    clock.advance(1_000);
    expect(screen(written()).at(-1)).toBe(line);
    expect(line.length).toBeLessThan(columns);
  });
});

test("a dumb terminal, and one in CI, is not rewritten", () => {
  expect(isLive({ TERM: "xterm-256color" })).toBe(true);
  expect(isLive({ TERM: "xterm", CI: "false" })).toBe(true);
  expect(isLive({ TERM: "dumb" })).toBe(false);
  expect(isLive({}, "linux")).toBe(false);
  expect(isLive({}, "win32")).toBe(true);
  expect(isLive({ TERM: "xterm", CI: "true" })).toBe(false);
});

test("colors are never written, so NO_COLOR changes nothing", async () => {
  const { clock, report, written } = open(80);
  await report.stage("Measure", async () => {
    report.tick(1, 2, "blocks");
    clock.advance(1_000);
    report.warn("careful");
  });
  expect(written().replaceAll("\u001b[K", "")).not.toContain("\u001b");
});

test("in a job a line of text is no command of the runner", () => {
  const written: string[] = [];
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    written.push(String(text));
    return true;
  });
  const report = actionsReport();
  for (const text of ["::error::a", "a\n ::add-mask::b", "a ##[error]b", "model::layer, C::"])
    report.info(text);
  write.mockRestore();
  expect(written.join("")).toBe(
    ": :error::a\na\n : :add-mask::b\na ## [error]b\nmodel::layer, C::\n",
  );
});

test("a terminal gets lines broken at words, but whole ones to copy", () => {
  const written: string[] = [];
  const terminal = { write: (text: string) => void written.push(text), columns: () => 24 };
  const paint = (style: string, text: string) => `<${style}>${text}</${style}>`;
  const report = terminalReport(terminal, undefined, paint);
  report.info("one two three four five six");
  report.warn("one two three four");
  report.copy!("oqe plan some-model --tiers oQ4e");
  expect(written.join("")).toBe(
    "  one two three four\n  five six\n" +
      "  <yellow>warning:</yellow> one two three\n  four\n" +
      "  oqe plan some-model --tiers oQ4e\n",
  );
  const quiet = quietReport(report);
  written.length = 0;
  quiet.info("nothing");
  quiet.tick(1, 2, "blocks");
  quiet.warn("this");
  expect(written.join("")).toBe("  <yellow>warning:</yellow> this\n");
});
