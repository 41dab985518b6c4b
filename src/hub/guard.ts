import { inspect } from "node:util";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";

/**
 * The last line between the token and people. A server (or a proxy with a debug page) may echo a request's headers in an
 * error, a redirect, a file name; whatever leaves the Hub client as an error or a line goes through here.
 */
export interface Guard {
  /** The same function, its errors without the token. */
  errors<A extends unknown[], T>(run: (...given: A) => Promise<T>): (...given: A) => Promise<T>;
  /** The same repository, the errors of its reads without the token. */
  repository(repository: Repository): Repository;
  /** The same report, its lines without the token. */
  report(report: Report): Report;
}

export function createGuard(token: string | null): Guard {
  const redact = (text: string) => (token === null ? text : text.replaceAll(token, "hf_***"));
  const errors: Guard["errors"] =
    (run) =>
    async (...given) => {
      try {
        return await run(...given);
      } catch (failure) {
        throw clean(failure, redact);
      }
    };
  return {
    errors,
    repository: (repository) => ({
      ...repository,
      open: errors(async (path) => {
        const source = await repository.open(path);
        return {
          ...source,
          read: errors((offset, length, into) => source.read(offset, length, into)),
        };
      }),
    }),
    report: (report) => ({
      stage: (name, run) => report.stage(name, run),
      info: (line) => report.info(redact(line)),
      warn: (line) => report.warn(redact(line)),
      tick: (done, total, unit) => report.tick(done, total, unit),
    }),
  };
}

function clean(failure: unknown, redact: (text: string) => string): unknown {
  const whole = inspect(failure, { depth: 8 });
  if (redact(whole) === whole) return failure;
  if (failure instanceof OqeError)
    return new OqeError(failure.code, redact(failure.message), redact(failure.hint));
  return new OqeError(
    "INTERNAL",
    "a bug in the Hub client stopped the run",
    "Please report it: the command or workflow, the model, and the log.",
  );
}
