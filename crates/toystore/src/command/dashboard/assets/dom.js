// Making elements, and changing those that are there instead of making them anew: what has focus
// keeps it, what moves goes on moving.

const SVG = 'http://www.w3.org/2000/svg';
const IN_SVG = new Set([
  'svg', 'g', 'path', 'rect', 'circle', 'line', 'text', 'title', 'defs', 'use', 'tspan', 'polygon',
  'polyline', 'ellipse',
]);

/** An element: `h('button', { class: 'x', onclick: f }, 'words', child)`. */
export function h(tag, attributes = {}, ...children) {
  const element = IN_SVG.has(tag)
    ? document.createElementNS(SVG, tag)
    : document.createElement(tag);
  set(element, attributes);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return element;
}

/** Sets attributes where they differ; null or false takes one away, a function listens. */
export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element[name] = value;
    else if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
  return element;
}

/** Writes words where they differ. */
export function say(element, words) {
  if (element.textContent !== String(words)) element.textContent = words;
}

/**
 * Makes the children of `parent` those of `items`: one each by its key, made by `make` when it is
 * new, brought up to date by `update`, in the order of the items.
 */
export function each(parent, items, key, make, update) {
  const known = (parent.known ??= new Map());
  const wanted = new Set(items.map(key));
  for (const [name, element] of known) {
    if (!wanted.has(name)) {
      element.remove();
      known.delete(name);
    }
  }
  items.forEach((item, place) => {
    const name = key(item);
    let element = known.get(name);
    if (!element) {
      element = make(item);
      known.set(name, element);
    }
    if (parent.children[place] !== element) parent.insertBefore(element, parent.children[place]);
    update(element, item);
  });
}

const widths = new WeakMap();
const watcher = typeof ResizeObserver === 'undefined' ? null : new ResizeObserver((resized) => {
  for (const { target } of resized) widths.set(target, target.clientWidth);
});

/** How wide an element is, in pixels. In the midst of drawing the question would cost a layout. */
export function widthOf(element) {
  if (!widths.has(element)) {
    widths.set(element, element.clientWidth);
    watcher?.observe(element);
  }
  return widths.get(element);
}

/** Where the left end of an element over the page may be, so that all of it is in the window. */
export function inWindow(left, element) {
  return Math.min(Math.max(8, left), innerWidth - element.offsetWidth - 8);
}

export function byId(id) {
  return document.getElementById(id);
}
