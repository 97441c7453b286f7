/**
 * Makes a realm unchangeable, so that it may serve one run after the other: no code in it can leave anything behind for the
 * next. Runs INSIDE the isolate, turned into text like prelude.ts. What it needs is saved before foreign code runs; the
 * function it gives back is called once, when the plugin has been evaluated. `lazy`: globals that are made when they are used.
 *
 * Everything that can be reached from the global object and from what syntax alone makes is frozen. A frozen prototype
 * would keep `error.name = …` from working on every object below it, since what is inherited read-only cannot be assigned;
 * so what people do assign is an accessor there, which defines the property on the object itself.
 * Source of the hidden intrinsics and of the remedy: tc39.es/ecma262 table 6, github.com/endojs/endo (ses), read 2026-11.
 */
export function hardener(lazy: readonly string[]): () => void {
  const { freeze, getPrototypeOf, getOwnPropertyDescriptor, defineProperty } = Object;
  const { ownKeys, apply } = Reflect;
  const SavedSet = Set;
  const SavedTypeError = TypeError;
  const has = Set.prototype.has;
  const add = Set.prototype.add;
  const realm = globalThis as unknown as Record<string, unknown>;

  /** Kept assignable on whatever inherits from them. */
  const ASSIGNED = [
    Object.prototype,
    Function.prototype,
    ...[Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError].map(
      (each) => each.prototype as object,
    ),
  ];
  const OF_ALL = [
    'constructor',
    'toString',
    'toLocaleString',
    'valueOf',
    'toJSON',
    'name',
    'message',
    'length',
    'next',
  ];
  const generator = (function* () {})();
  const asyncGenerator = (async function* () {})();
  const hidden: unknown[] = [
    (async () => {}).constructor,
    getPrototypeOf(generator).constructor,
    getPrototypeOf(asyncGenerator).constructor,
    getPrototypeOf(getPrototypeOf(generator)),
    getPrototypeOf(getPrototypeOf(asyncGenerator)),
    getPrototypeOf(Int8Array),
  ];
  /** What only instances show. */
  const instances = () => {
    const segments = new Intl.Segmenter('en').segment('');
    return [
      [].values(),
      ''[Symbol.iterator](),
      new Map().entries(),
      new Set().values(),
      ''.matchAll(/./g),
      [].values().map((value) => value),
      Iterator.from({ next: () => ({ done: true, value: undefined }) }),
      segments,
      segments[Symbol.iterator](),
    ];
  };

  function assignable(holder: object, key: PropertyKey): void {
    const found = getOwnPropertyDescriptor(holder, key);
    if (!found?.configurable || !('value' in found)) return;
    const { value, enumerable } = found;
    defineProperty(holder, key, {
      configurable: false,
      enumerable,
      get: () => value,
      set(this: unknown, given: unknown) {
        if (this === holder || typeof this !== 'object' || this === null) {
          if (this === holder || typeof this !== 'function') {
            throw new SavedTypeError(`Cannot assign to read only property '${String(key)}' of object`);
          }
        }
        defineProperty(this as object, key, { value: given, writable: true, enumerable: true, configurable: true });
      },
    });
  }

  return () => {
    const seen = new SavedSet<unknown>();
    const found: object[] = [];
    const meet = (value: unknown) => {
      if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return;
      if (apply(has, seen, [value])) return;
      apply(add, seen, [value]);
      found[found.length] = value;
    };
    for (let at = 0; at < lazy.length; at++) void realm[lazy[at]!];
    meet(realm);
    const shown = instances();
    for (let at = 0; at < shown.length; at++) meet(getPrototypeOf(shown[at]));
    for (let at = 0; at < hidden.length; at++) meet(hidden[at]);
    for (let at = 0; at < ASSIGNED.length; at++) meet(ASSIGNED[at]);
    for (let at = 0; at < found.length; at++) {
      const holder = found[at]!;
      const keys = ownKeys(holder);
      meet(getPrototypeOf(holder));
      for (let k = 0; k < keys.length; k++) {
        const property = getOwnPropertyDescriptor(holder, keys[k]!);
        if (!property) continue;
        if ('value' in property) meet(property.value);
        else {
          meet(property.get);
          meet(property.set);
        }
      }
    }
    for (let at = 0; at < ASSIGNED.length; at++) {
      const keys = ownKeys(ASSIGNED[at]!);
      for (let k = 0; k < keys.length; k++) assignable(ASSIGNED[at]!, keys[k]!);
    }
    for (let at = 0; at < found.length; at++) {
      const holder = found[at]!;
      if (typeof holder === 'function' || holder === realm) continue;
      for (let k = 0; k < OF_ALL.length; k++) {
        // a prototype is known by its constructor
        if (getOwnPropertyDescriptor(holder, 'constructor')) assignable(holder, OF_ALL[k]!);
      }
    }
    for (let at = 0; at < found.length; at++) freeze(found[at]);
  };
}
