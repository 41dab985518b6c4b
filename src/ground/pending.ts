/** A value that somebody else will give. */
export class Pending<T> {
  resolve!: (value: T) => void;
  reject!: (error: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    // Who rejects also throws the error. Without this, a promise that nobody awaits ends Node.
    this.promise.catch(() => {});
  }
}
