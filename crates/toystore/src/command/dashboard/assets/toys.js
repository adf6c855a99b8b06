// A picture of each toy of the built-in catalogue, drawn by hand in a square of 48; of any other toy
// a parcel with its first letter.

// Colours that stand on light and on dark ground.
const [RED, BLUE, GREEN, GOLD, ROSE, BROWN, GREY, NIGHT, SNOW, SKY] = [
  '#dc2626', '#2563eb', '#16a34a', '#f59e0b', '#ec4899', '#92400e', '#9ca3af', '#334155', '#f8fafc', '#38bdf8',
];

const circle = (x, y, r, fill) => `<circle cx="${x}" cy="${y}" r="${r}" fill="${fill}"/>`;
const rect = (x, y, w, h, fill, rx = 2) =>
  `<rect x="${x}" y="${y}" width="${w}" height="${h}" rx="${rx}" fill="${fill}"/>`;
const shape = (d, fill) => `<path d="${d}" fill="${fill}"/>`;
const stroke = (d, colour, width = 3) =>
  `<path d="${d}" fill="none" stroke="${colour}" stroke-width="${width}" stroke-linecap="round" stroke-linejoin="round"/>`;
const oval = (x, y, rx, ry, fill) => `<ellipse cx="${x}" cy="${y}" rx="${rx}" ry="${ry}" fill="${fill}"/>`;
const letter = (words, x, y, size, fill) =>
  `<text x="${x}" y="${y}" font-size="${size}" font-weight="700" font-family="sans-serif" text-anchor="middle" fill="${fill}">${words}</text>`;
const many = (places, draw) => places.map((place) => draw(...place)).join('');

const PICTURES = {
  'Tux': oval(24, 27, 14, 18, NIGHT) + oval(24, 31, 9, 13, SNOW) + circle(19, 17, 3, SNOW) + circle(29, 17, 3, SNOW)
    + circle(20, 17, 1.4, NIGHT) + circle(28, 17, 1.4, NIGHT) + shape('M19 22h10l-5 5z', GOLD)
    + oval(16, 44, 6, 3, GOLD) + oval(32, 44, 6, 3, GOLD),
  'Whale': shape('M4 28c0-10 9-15 19-15s15 7 17 13l5-5c2 8-1 15-8 17H16C9 38 4 34 4 28z', BLUE)
    + circle(13, 26, 1.8, SNOW) + stroke('M20 13c0-5-3-6-5-7M20 13c0-5 3-6 5-7', SKY, 2.5) + stroke('M6 33c6 4 12 3 16 0', SKY, 2),
  'Elephant': oval(28, 25, 15, 12, GREY) + circle(14, 20, 9, GREY) + stroke('M8 22c-3 6-2 12 2 15', GREY, 5)
    + rect(18, 32, 6, 11, GREY) + rect(34, 32, 6, 11, GREY) + oval(18, 20, 4, 6, '#6b7280') + circle(10, 18, 1.5, NIGHT),
  'Dolphin': shape('M4 30C10 14 26 10 38 18l6-4-2 9c2 7-4 11-10 9-9-3-18-2-28-2z', SKY) + shape('M22 14l6-8 3 10z', '#0284c7')
    + circle(36, 21, 1.6, NIGHT) + stroke('M38 26l6 1', '#0284c7', 2),
  'Fox': shape('M6 8l12 9h12l12-9-2 18-16 16L8 26z', '#ea580c') + shape('M8 26l9 1 7 15zM40 26l-9 1-7 15z', SNOW)
    + circle(18, 24, 2, NIGHT) + circle(30, 24, 2, NIGHT) + circle(24, 40, 2.4, NIGHT),
  'Monopoly': shape('M14 14h20v16H14z', NIGHT) + rect(8, 29, 32, 5, NIGHT) + rect(14, 24, 20, 4, RED, 0) + rect(12, 36, 24, 7, GREEN) + letter('$', 24, 42.5, 8, SNOW),
  'Lego': rect(6, 18, 36, 22, RED, 3) + many([[10], [21], [32]], (x) => rect(x, 12, 7, 7, '#b91c1c', 1.5)),
  'Marbles': many([[16, 30, 11, BLUE], [33, 33, 9, GREEN], [28, 15, 9, ROSE]], (x, y, r, fill) => circle(x, y, r, fill) + circle(x - r / 3, y - r / 3, r / 4, SNOW)),
  'Frisbee': oval(24, 26, 20, 9, GOLD) + oval(24, 24, 14, 5, '#fcd34d') + stroke('M6 36c10 6 26 6 36 0', GREY, 2),
  'Bicycle': stroke('M12 33l8-16h14l3 16M20 17l6 16M12 33h14l8-16M17 12h6M34 17l-2-6h5', BLUE, 2.6)
    + many([[12, 33], [37, 33]], (x, y) => `<circle cx="${x}" cy="${y}" r="8" fill="none" stroke="${GREY}" stroke-width="2.6"/>`),
  'Barbie': circle(24, 13, 7, '#fcd9bd') + stroke('M17 12c1-9 13-9 14 0l1 9', GOLD, 4) + shape('M24 20l13 24H11z', ROSE) + circle(22, 13, 1, NIGHT) + circle(27, 13, 1, NIGHT),
  'Candy Land': stroke('M24 22v22', GREY, 3) + circle(24, 15, 11, ROSE) + stroke('M24 15c3-4 8-1 6 4s-13 5-14-3 8-13 15-8', SNOW, 2.4),
  'Checkers': rect(6, 6, 36, 36, SNOW) + many([[6, 6], [24, 6], [15, 15], [33, 15], [6, 24], [24, 24], [15, 33], [33, 33]], (x, y) => rect(x, y, 9, 9, NIGHT, 0)) + circle(19.5, 19.5, 3.6, RED) + circle(28.5, 28.5, 3.6, RED),
  'Chess': shape('M15 42h20v-4l-4-4c2-8 1-15-6-21l1-6-6 5c-6 3-9 9-10 14l4 4 8-4c0 5-5 7-6 12z', BROWN)
    + stroke('M15 42h20v-4l-4-4c2-8 1-15-6-21l1-6-6 5c-6 3-9 9-10 14l4 4 8-4c0 5-5 7-6 12z', GOLD, 2) + circle(20, 18, 1.6, SNOW),
  'Crayola Crayons': many([[9, RED], [20, GREEN], [31, BLUE]], (x, fill) => shape(`M${x} 18l4.5-12 4.5 12z`, fill) + rect(x, 17, 9, 26, fill, 1) + rect(x, 23, 9, 12, GOLD, 0)),
  'Dominoes': rect(12, 3, 24, 42, GREY, 5) + rect(14, 5, 20, 38, NIGHT, 3) + stroke('M16 24h16', GREY, 1.6) + many([[20, 12], [28, 18], [20, 30], [28, 30], [24, 34], [20, 38], [28, 38]], (x, y) => circle(x, y, 2, SNOW)),
  'Easy-Bake Oven': rect(6, 9, 36, 32, ROSE, 3) + rect(11, 20, 26, 16, NIGHT) + oval(24, 31, 7, 3, GOLD) + many([[13, 14.5], [20, 14.5], [35, 14.5]], (x, y) => circle(x, y, 2, SNOW)),
  'Erector Set': stroke('M8 40L24 8l16 32M15 27h18M24 8v32M12 33l12-7 12 7', GREY, 3) + many([[24, 8], [8, 40], [40, 40], [24, 27]], (x, y) => circle(x, y, 3, RED)),
  'Etch A Sketch': rect(4, 8, 40, 33, RED, 4) + rect(10, 13, 28, 19, '#d1d5db') + circle(12, 37, 3, SNOW) + circle(36, 37, 3, SNOW) + stroke('M14 28h6v-8h8v6h6', NIGHT, 1.6),
  'Hula Hoop': `<ellipse cx="24" cy="25" rx="19" ry="16" fill="none" stroke="${GREEN}" stroke-width="5"/><ellipse cx="24" cy="25" rx="19" ry="16" fill="none" stroke="${GOLD}" stroke-width="5" stroke-dasharray="9 9"/>`,
  'Jigsaw Puzzle': shape('M6 14h11c-3-7 8-8 7 0h10v11c7-3 8 8 0 7v10H23c3-7-8-8-7 0H6V31c7 3 8-8 0-7z', GREEN),
  'Lincoln Logs': many([[38], [31], [24]], (y) => stroke(`M8 ${y}h32`, BROWN, 6)) + shape('M4 20L24 6l20 14z', GREEN),
  'Lionel Trains': rect(20, 12, 20, 22, RED) + rect(6, 20, 22, 14, NIGHT) + rect(9, 12, 5, 9, NIGHT) + rect(25, 16, 10, 7, SKY) + many([[13, 37], [24, 37], [35, 37]], (x, y) => circle(x, y, 4.5, GREY)) + circle(11, 8, 3, GREY),
  'Play-Doh': rect(11, 16, 26, 25, GOLD, 3) + rect(9, 9, 30, 9, RED, 2) + oval(24, 30, 9, 7, BLUE),
  'Radio Flyer Wagon': rect(10, 18, 32, 13, RED) + stroke('M12 24L5 9', NIGHT, 3) + many([[17, 36], [35, 36]], (x, y) => circle(x, y, 6, NIGHT) + circle(x, y, 2.4, SNOW)),
  'Rubik\'s Cube': rect(6, 6, 36, 36, NIGHT, 3) + [RED, BLUE, GOLD, GREEN, SNOW, RED, BLUE, '#ea580c', GREEN].map((fill, place) => rect(9 + (place % 3) * 10.5, 9 + Math.floor(place / 3) * 10.5, 9, 9, fill, 1)).join(''),
  'Scrabble': rect(5, 13, 22, 22, '#fde68a', 3) + letter('T', 16, 30, 16, NIGHT) + rect(22, 19, 22, 22, '#fcd34d', 3) + letter('Y', 33, 36, 16, NIGHT),
  'Slinky': [0, 1, 2, 3, 4, 5, 6].map((coil) => `<ellipse cx="${9 + coil * 5}" cy="${32 - Math.sin((coil / 6) * Math.PI) * 12}" rx="5" ry="9" fill="none" stroke="${GREY}" stroke-width="2.4"/>`).join(''),
  'Teddy Bear': many([[12, 11], [36, 11]], (x, y) => circle(x, y, 6, BROWN)) + circle(24, 22, 15, '#b45309') + oval(24, 28, 7, 6, '#fcd9bd') + circle(18, 19, 2, NIGHT) + circle(30, 19, 2, NIGHT) + oval(24, 26, 2.6, 2, NIGHT) + oval(24, 42, 12, 5, '#b45309'),
  'View-Master': shape('M6 14h36v18l-10 4-8-8-8 8-10-4z', RED) + circle(16, 22, 5, NIGHT) + circle(32, 22, 5, NIGHT) + circle(24, 11, 6, GREY),
  'Yo-Yo': stroke('M24 4v16', GREY, 2) + circle(24, 29, 14, BLUE) + circle(24, 29, 9, SKY) + circle(24, 29, 3, SNOW),
};

function parcel(name) {
  return rect(6, 14, 36, 28, BLUE, 3) + rect(20, 14, 8, 28, GOLD, 0) + stroke('M24 14c-8-8-12 0 0 0s8-8 0 0', GOLD, 3)
    + circle(24, 29, 9, SNOW) + letter(escape(name.slice(0, 1).toUpperCase()), 24, 34, 13, NIGHT);
}

function escape(words) {
  return words.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** The source of a toy's picture. */
export function source(name) {
  const drawn = Object.hasOwn(PICTURES, name) ? PICTURES[name] : parcel(name);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 48 48" aria-hidden="true">${drawn}</svg>`;
}

/** A toy's picture as an element. */
export function picture(name) {
  const parsed = new DOMParser().parseFromString(source(name), 'image/svg+xml');
  return document.importNode(parsed.documentElement, true);
}

export const DRAWN = Object.keys(PICTURES);
