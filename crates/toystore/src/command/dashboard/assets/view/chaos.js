// The switch of chaos in the bar, and what it strikes. Called by main.js.

import { byId, each, h, say, set } from '../dom.js';
import { chaos, seedOf } from '../model/chaos.js';
import { ask } from '../stream.js';

export function chaosView({ mayBreak, tell }) {
  const [form, seed, button, box] = ['chaos', 'chaos-seed', 'chaos-switch', 'chaos-box'].map(byId);
  let [now, busy] = [null, false];
  const turn = async () => {
    if (now) {
      const { seed: was } = now;
      await ask('DELETE', 'chaos');
      tell(`Chaos is off, and what it broke is mended. Seed ${was} strikes the same again.`, false);
    } else {
      const wanted = seedOf(seed.value);
      await ask('PUT', 'chaos', wanted === null ? {} : { seed: wanted });
    }
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    await turn().catch((error) => tell(error.message, true));
    busy = false;
  };
  return (frame) => {
    now = chaos(frame);
    form.hidden = mayBreak() !== null;
    set(button, { 'aria-checked': String(now !== null) });
    seed.disabled = now !== null;
    box.hidden = now === null;
    byId('store-hint').hidden = now !== null;
    if (!now) return;
    say(byId('chaos-now'), now.words);
    set(byId('chaos-now'), { title: now.words });
    each(byId('chaos-last'), now.last, (words) => words, () => h('li'), say);
  };
}
