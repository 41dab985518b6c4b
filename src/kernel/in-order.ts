/**
 * Runs at most `limit` tasks at a time and yields their results in the order of the tasks. After a
 * failure no new task starts; the error is thrown when the running ones have ended.
 */
export async function* inOrder<T>(
  tasks: Iterable<() => Promise<T>>,
  limit: number,
): AsyncGenerator<T> {
  const waiting: Promise<T>[] = [];
  try {
    for (const task of tasks) {
      const running = task();
      running.catch(() => {}); // awaited below; until then a failure must not count as unhandled
      waiting.push(running);
      if (waiting.length >= limit) yield await waiting.shift()!;
    }
    while (waiting.length > 0) yield await waiting.shift()!;
  } finally {
    await Promise.allSettled(waiting);
  }
}
