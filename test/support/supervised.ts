import { isWorker, supervise, whenStopped } from "../../src/entry/supervise.ts";

/** A supervised process that ends as its argument says, for src/entry/supervise.test.ts. */
const ends: Readonly<Record<string, () => void>> = {
  well: () => process.stdout.write("done\n"),
  badly: () => {
    process.exitCode = 3;
  },
  full: () => {
    const kept: string[][] = [];
    for (;;) kept.push(Array.from({ length: 1000 }, (_, i) => `text ${kept.length} ${i}`));
  },
  aborted: () => process.abort(),
  killed: () => process.kill(process.pid, "SIGKILL"),
  interrupted: () => process.kill(process.pid, "SIGINT"),
  speaking: () => process.stderr.write("FATAL is a word\nand # another\nno end of line"),
  unheard: () => {
    for (let i = 0; i < 20; i++) setTimeout(() => process.stderr.write(`line ${i}\n`), 25 * i);
    setTimeout(() => process.stdout.write("done\n"), 600);
  },
  allocating: () => process.stdout.write(process.env.MALLOC_MMAP_THRESHOLD_ ?? "default"),
  asking: () => {
    whenStopped(() => process.stdout.write("asked\n"));
    process.stdout.write("waiting\n");
    setInterval(() => {}, 1000);
  },
  obeying: () => {
    const timer = setInterval(() => {}, 1000);
    const unwatch = whenStopped(() => {
      clearInterval(timer);
      unwatch();
      process.exitCode = 130;
    });
    process.stdout.write("waiting\n");
  },
  waiting: () => {
    process.stdout.write("waiting\n");
    setInterval(() => {}, 1000);
  },
};

if (isWorker()) ends[process.argv[2]!]!();
else
  supervise(({ message, hint }) => process.stderr.write(`error: ${message}\n  ${hint}\n`), {
    asks: /^(asking|obeying)$/.test(process.argv[2]!),
  });
