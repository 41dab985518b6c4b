import { inspect } from "node:util";
import type { Repository } from "../checkpoint/repository.ts";
import { OqeError } from "../ground/errors.ts";
import type { Report } from "../ground/report.ts";
import { withoutSecrets } from "../ground/secrets.ts";

/**
 * Removes every token from every error and log line of the Hub client. A server, or a proxy with a
 * debug page, may echo the headers of a request in an error, a redirect or a file name.
 */
export interface Guard {
  /** The same function; its errors do not contain the token. */
  errors<A extends unknown[], T>(run: (...given: A) => Promise<T>): (...given: A) => Promise<T>;
  /** The same repository; errors of its reads do not contain the token. */
  repository(repository: Repository): Repository;
  /** The same report; its lines do not contain the token. */
  report(report: Report): Report;
}

export function createGuard(secrets: () => Iterable<string>): Guard {
  const redact = (text: string) => withoutSecrets(text, secrets());
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
        const { readAgain, ...source } = await repository.open(path);
        const again = readAgain && { readAgain: errors(readAgain) };
        return { ...source, read: errors(source.read), ...again };
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
