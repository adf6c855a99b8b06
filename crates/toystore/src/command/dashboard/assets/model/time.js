// How long something took, in words. Pure.

/** `us` microseconds as people compare them: 870 µs, 2.7 ms, 15 ms, 3.2 s, 5 min; – if not known. */
export function lasting(us) {
  if (us === null || us === undefined) return '–';
  const of = (value, digits, unit) => `${Number(value.toFixed(digits))} ${unit}`;
  if (us < 1000) return of(us, 0, 'µs');
  if (us < 10_000) return of(us / 1000, 1, 'ms');
  if (us < 999_500) return of(us / 1000, 0, 'ms');
  return us < 60_000_000 ? of(us / 1_000_000, 1, 's') : of(us / 60_000_000, 0, 'min');
}
