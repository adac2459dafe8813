/** Members of a host's object that are replaced for as long as a federation is attached. */

/** Any method, as far as it is called here. */
type Method = (...args: unknown[]) => unknown;

/**
 * Replaces a member.
 *
 * @returns How to put the former back, unless somebody has replaced it meanwhile.
 */
export function override(target: object, name: string, value: unknown): () => void {
  const own = Object.getOwnPropertyDescriptor(target, name);
  Object.defineProperty(target, name, {
    configurable: true,
    enumerable: own?.enumerable ?? true,
    writable: true,
    value,
  });
  return () => {
    if (Reflect.get(target, name) !== value) return;
    if (own === undefined) Reflect.deleteProperty(target, name);
    else Object.defineProperty(target, name, own);
  };
}

/** {@link override} for a method, by what `make` makes of it; one that is not there stays away. */
export function overrideMethod(
  target: object,
  name: string,
  make: (former: Method) => Method,
): () => void {
  const former: unknown = Reflect.get(target, name);
  return typeof former === "function"
    ? override(target, name, make(former as Method))
    : () => undefined;
}

/**
 * Lets `around` call the host's callback, also one that the host sets later.
 *
 * @returns How to leave the host's own, as it is then.
 */
export function wrapCallback<Name extends string>(
  target: Record<Name, () => unknown>,
  name: Name,
  around: (host: () => unknown) => Promise<void>,
): () => void {
  let host = target[name];
  Object.defineProperty(target, name, {
    configurable: true,
    enumerable: true,
    get: () => () => around(() => host.call(target)),
    set: (value: () => unknown) => {
      host = value;
    },
  });
  return () => {
    Object.defineProperty(target, name, {
      configurable: true,
      enumerable: true,
      writable: true,
      value: host,
    });
  };
}
