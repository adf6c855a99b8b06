// Shoppers that the page sends, and what they meet. Called by main.js.

import { byId, h, say, set } from '../dom.js';
import { availability, load } from '../model/rounds.js';
import { ask } from '../stream.js';

const SHOWN_MS = 60_000;
const [WIDTH, HEIGHT] = [600, 14];

export function loadView({ mayBreak, tell }) {
  const [form, stop, met, strip] = ['load', 'load-stop', 'load-met', 'load-strip'].map(byId);
  set(strip, { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none' });
  const send = async (method, body) => {
    try {
      await ask(method, 'load', body);
    } catch (error) {
      tell(error.message, true);
    }
  };
  form.onsubmit = (event) => {
    event.preventDefault();
    const value = (id) => byId(id).value;
    const rate = value('rate') === '' ? {} : { rate: Number(value('rate')) };
    send('PUT', {
      shoppers: Number(value('shoppers')), probability: value('probability'), pause_ms: Number(value('pause')), ...rate,
    });
  };
  // Whoever keeps a rate does not think.
  byId('rate').oninput = (event) => { byId('pause').disabled = event.target.value !== ''; };
  stop.onclick = () => send('DELETE');
  return (frame, _, timeline) => {
    const now = load(frame);
    const why = mayBreak();
    for (const button of form.querySelectorAll('button')) button.disabled = why !== null;
    stop.disabled = why !== null || now === null;
    const answered = now?.answered === null || now === null ? '' : `, ${(now.answered * 100).toFixed(1)} % answered`;
    say(met, now === null
      ? 'Nobody shops from here.'
      : `${now.shoppers} shoppers: ${now.rate ?? 0} ${now.wanted ? `of ${now.wanted} ` : ''}requests/s${now.late}, p50 ${now.p50}, p99 ${now.p99}${answered}, of the last 5 s${now.wanted ? '; counted from when each was meant to begin' : ''}`);
    const frames = availability(timeline.frames.filter((one) => one.at_ms <= frame.at_ms));
    const from = frame.at_ms - SHOWN_MS;
    const x = (atMs) => ((atMs - from) / SHOWN_MS) * WIDTH;
    const bars = [];
    for (let place = 1; place < frames.length; place += 1) {
      const [before, after] = [frames[place - 1], frames[place]];
      if (after.at_ms < from || after.answered === null) continue;
      const left = Math.max(0, x(before.at_ms));
      const whole = after.answered > 0.999;
      bars.push(h('rect', { class: whole ? 'fine' : 'poor', x: left, width: Math.max(0.5, x(after.at_ms) - left),
        y: whole ? 0 : HEIGHT * (1 - Math.max(after.answered, 0.15)), height: whole ? HEIGHT : HEIGHT * Math.max(after.answered, 0.15) }));
    }
    strip.replaceChildren(...bars);
    set(strip, { 'aria-label': `Share of requests answered in the last minute${answered}` });
  };
}
