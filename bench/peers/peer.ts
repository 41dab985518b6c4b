import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { createInterface } from "node:readline";

/** One turn, by the clock of the peer. */
export interface Turn {
  readonly seconds: number;
  /** CPU seconds of all threads. */
  readonly cpu: number;
  readonly stages: Readonly<Record<string, number>>;
}

interface Introduction {
  readonly methods: readonly string[];
  /** Method → why it cannot run here. */
  readonly missing: Readonly<Record<string, string>>;
  readonly versions: Readonly<Record<string, string | null>>;
}

/** A Python process that runs one turn at a time (turns.py). */
export interface Peer extends Introduction {
  turn(method: string): Promise<Turn>;
  end(): void;
}

/**
 * Starts `script` with `args`. Throws if that Python is missing, or if the script ends before it
 * lists its methods.
 */
export async function startPeer(
  python: string,
  script: string,
  args: readonly string[],
): Promise<Peer> {
  if (!existsSync(python)) throw new Error(`there is no ${python}`);
  const child: ChildProcessWithoutNullStreams = spawn(python, [script, ...args]);
  child.stderr.resume(); // libraries print greetings and warnings
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const answer = async <T>(): Promise<T> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${basename(script)} ended early: run it by hand to see why`);
    return JSON.parse(value) as T;
  };
  const introduction = await answer<Introduction>();
  return {
    ...introduction,
    turn: (method) => {
      child.stdin.write(`${method}\n`);
      return answer<Turn>();
    },
    end: () => child.stdin.end(),
  };
}
