// The stream of frames, and the commands that go back. One stream a page, closed while nobody looks
// at it: a browser opens six connections to a server at most.

const KEY = 'toystore-token';

/** What may break things: behind the # of the address that `up` printed, then in this tab only. */
export function token() {
  const given = new URLSearchParams(location.hash.slice(1)).get('token');
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, '', location.pathname + location.search);
  }
  return sessionStorage.getItem(KEY);
}

/** Listens for ever; a stream that breaks is opened again by the browser. */
export function listen({ onHello, onFrames, onState }) {
  let source = null;
  const open = () => {
    source = new EventSource('api/feed');
    source.addEventListener('hello', (event) => onHello(JSON.parse(event.data)));
    source.addEventListener('history', (event) => onFrames(JSON.parse(event.data)));
    source.addEventListener('frame', (event) => onFrames([JSON.parse(event.data)]));
    source.addEventListener('open', () => onState('open'));
    source.addEventListener('error', () => {
      onState('broken');
      // The browser gives up where the server answered with an error.
      if (source?.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(() => source ?? document.hidden ?? open(), 2000);
      }
    });
  };
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source) {
      open();
    }
  });
  open();
}

/** Asks the server; returns what it says, or throws an Error with its words. */
export async function ask(method, path, body, headers = {}) {
  const init = { method, headers: { ...headers } };
  const secret = token();
  if (secret) init.headers.authorization = `Bearer ${secret}`;
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers['content-type'] = 'application/json';
  }
  let answer;
  try {
    answer = await fetch(`api/${path}`, init);
  } catch {
    throw new Error('the store cannot be reached: does `toystore up` still run?');
  }
  const said = await answer.json().catch(() => null);
  if (answer.ok) return said.data;
  throw new Error(said?.error?.message ?? `it says ${answer.status}`);
}
