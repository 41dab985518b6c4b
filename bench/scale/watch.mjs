// Preloaded into a measured process and its worker threads. Each thread of the kernel tells the
// channel what a job took: its thread's CPU time and the wall time, in milliseconds.
import { registerHooks } from "node:module";
import { BroadcastChannel, isMainThread, parentPort } from "node:worker_threads";

if (!isMainThread && parentPort !== null) {
  const channel = new BroadcastChannel("oqe-kernel-jobs");
  const on = parentPort.on.bind(parentPort);
  parentPort.on = (event, listener) =>
    on(event, event === "message" ? (task) => measure(task, listener) : listener);

  const measure = (task, run) => {
    const [started, before] = [performance.now(), process.threadCpuUsage()];
    run(task);
    const { user, system } = process.threadCpuUsage(before);
    const [cpu, wall] = [(user + system) / 1e3, performance.now() - started];
    channel.postMessage({ name: task.name, key: task.job.key, cpu, wall });
  };
  channel.unref?.();
}

// The base of a bench stands for one of more than 4 B parameters: it is treated as large.
const limits = { "folders.ts": "mostToRound", "rows.ts": "fewParameters" };
if (isMainThread)
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      const name = limits[url.match(/\/src\/series\/(\w+\.ts)$/)?.[1]];
      if (name === undefined) return loaded;
      const source = loaded.source.toString();
      const changed = source.replace(`${name} = 4e9`, `${name} = 0`);
      if (changed === source) throw new Error(`${url} has no ${name} to replace`);
      return { ...loaded, source: changed };
    },
  });
