// Run in the page by looks.rs.
const parts = (color) => {
  const found = /rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)/.exec(color);
  return found ? found.slice(1).map((part) => part === undefined ? 1 : Number(part)) : null;
};
const light = ([r, g, b]) => {
  const line = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  return 0.2126 * line(r) + 0.7152 * line(g) + 0.0722 * line(b);
};
const behind = (element) => {
  for (let one = element; one; one = one.parentElement) {
    const color = parts(getComputedStyle(one).backgroundColor);
    if (color && color[3] > 0.99) return color;
  }
  return [255, 255, 255, 1];
};
const pale = [];
for (const element of document.body.querySelectorAll('*')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !element.checkVisibility() || element.closest(':disabled, title, .skip, [aria-hidden=true]')) continue;
  const style = getComputedStyle(element);
  const ink = parts(element.namespaceURI.endsWith('svg') ? style.fill : style.color);
  const ground = behind(element);
  if (!ink || ink[3] < 0.99) continue;
  const [one, other] = [light(ink), light(ground)].sort((a, b) => b - a);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || size >= 18.66 && Number(style.fontWeight) >= 700;
  const ratio = (one + 0.05) / (other + 0.05);
  if (ratio < (large ? 3 : 4.5)) pale.push(`${ratio.toFixed(2)}: ${element.textContent.trim().slice(0, 40)}`);
}
return pale;
