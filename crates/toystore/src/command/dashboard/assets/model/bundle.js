// A run that is over: where in it a frame is, and what is drawn of one that has no frames.
//
// Pure. What the server says of a bundle is in the first event of its stream.

/** So many seconds, as people read a clock that begins with the run. */
export function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** Where in the run a frame is. */
export function moment(frame, newest) {
  return `${seconds(frame.clock_ms)} into the run, of ${seconds(newest.clock_ms)}`;
}

/** What the bundle is, and what is said of it, above the lines of its verdict. */
export function introduction({ viewing, verdict, differs }, says) {
  const many = verdict.operations === 1 ? '1 operation' : `${verdict.operations} operations`;
  const again = differs ? ` ${differs[0].toUpperCase()}${differs.slice(1)}.` : '';
  return `${viewing}: ${many}, ${says}.${again}`;
}

/** Of all lines of a verdict, what counts. */
export function conclusion({ mark, says, verdict, lines }) {
  const names = lines.filter((one) => one.verdict === verdict).map((one) => one.name);
  const all = verdict === 'held' ? `all ${names.length} guarantees that could be judged` : names.join(', ');
  return names.length ? `${mark} ${says}: ${all}` : `${mark} ${says}`;
}

/** Bars and marks of the strip out of a history, for a picture so wide; its beginning is the left. */
export function strip({ bar_ms: bar, orders, marks }, width) {
  const span = orders.length * bar;
  const x = (atMs) => Math.min(width, (atMs / span) * width);
  const bars = orders.map((many, place) => ({ left: x(place * bar), right: x((place + 1) * bar), rate: many / (bar / 1000) }));
  return {
    bars,
    most: Math.max(0, ...bars.map(({ rate }) => rate)),
    seconds: span / 1000,
    marks: marks.map((mark) => ({ ...mark, x: x(mark.at_ms) })),
  };
}
