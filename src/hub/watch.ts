import { type Patience, retryLimits, Transient } from "./patience.ts";

/** One attempt that is watched: what it is, and how long it may go on without progress. */
export interface Watched {
  readonly patience: Patience;
  /** For messages: `GET https://…`. */
  readonly what: string;
  /** Milliseconds. */
  readonly budget: number;
}

/**
 * Ends an attempt that makes no progress. It looks at windows of a minute: each must bring a body's
 * bytes at 8 kB/s, or end a phase (the request is sent, the answer begins). So a server that
 * accepts and is silent, one that sends headers only, and one that sends a byte per second are all
 * given up after a minute, and a large body may take as long as it needs.
 */
export class Watch {
  readonly #watched: Watched;
  readonly #abort = new AbortController();
  #cancel: () => void = () => {};
  readonly #began: number;
  /** Milliseconds of earlier windows that brought too little. */
  #lost = 0;
  #opened = 0;
  #bytes = 0;
  /** A body can report its end after the answer to it. */
  #hasEnded = false;

  constructor(watched: Watched) {
    this.#watched = watched;
    this.#began = watched.patience.now();
    this.#open();
  }

  /** Fires with a `Transient`. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  /** Bytes of a body were sent or received. */
  count(bytes: number, way: "sent" | "received"): void {
    this.#bytes += bytes;
    this.#watched.patience.traffic[way] += bytes;
  }

  /** A body was handed over whole. That says nothing of how fast it goes. */
  countShort(bytes: number): void {
    this.#watched.patience.traffic.sent += bytes;
  }

  /** The request is sent. */
  sent(): void {
    this.#close();
    this.#open();
  }

  /** The answer has begun. */
  answered(): void {
    this.#watched.patience.contact.isLost = false;
    this.sent();
  }

  /**
   * Stops watching. Returns the milliseconds without progress. Of an attempt that was given up, the
   * window before counts as well: megabytes of an upload go no further than this machine's buffers.
   */
  end(): number {
    this.#close();
    this.#hasEnded = true;
    if (!this.signal.aborted) return this.#lost;
    const elapsed = this.#watched.patience.now() - this.#began;
    return Math.max(this.#lost, Math.min(elapsed, 2 * retryLimits.silence));
  }

  #open(): void {
    if (this.#hasEnded) return;
    const { patience, budget } = this.#watched;
    this.#opened = patience.now();
    this.#bytes = 0;
    const length = Math.max(0, Math.min(retryLimits.silence, budget - this.#lost));
    if (length <= retryLimits.firstWord) this.#wait(length, () => this.#giveUp());
    else
      this.#wait(retryLimits.firstWord, () => {
        if (this.#isSlow()) this.#say();
        this.#wait(length - retryLimits.firstWord, () => this.#giveUp());
      });
  }

  /** Calls `run` then, unless the timer comes late: then nobody could have read what came. */
  #wait(milliseconds: number, run: () => void): void {
    const { patience } = this.#watched;
    const due = patience.now() + milliseconds;
    this.#cancel = patience.after(milliseconds, () => {
      if (patience.now() - due < retryLimits.late) run();
      else this.#open();
    });
  }

  #close(): void {
    this.#cancel();
    if (this.#isSlow()) this.#lost += this.#elapsed();
    this.#opened = this.#watched.patience.now();
    this.#bytes = 0;
  }

  #elapsed(): number {
    return this.#watched.patience.now() - this.#opened;
  }

  #isSlow(): boolean {
    return this.#bytes < retryLimits.slowest * Math.max(1, this.#elapsed());
  }

  #giveUp(): void {
    if (this.#isSlow()) this.#abort.abort(new Transient(this.#describe(), { isSilence: true }));
    else this.sent();
  }

  #say(): void {
    const { patience, what, budget } = this.#watched;
    const end = this.#opened + budget - this.#lost;
    const time = new Date(end).toISOString().slice(11, 16);
    patience.report.info(`${what}: ${this.#describe()}; trying until ${time} UTC`);
  }

  #describe(): string {
    const seconds = Math.round(this.#elapsed() / 1000);
    return this.#bytes === 0
      ? `no answer for ${seconds} s`
      : `only ${this.#bytes} bytes in ${seconds} s`;
  }
}
