// Helpers: elements, numbers for people, colours, charts. A text of the data only ever becomes a text node: nothing
// here or elsewhere sets innerHTML, and charts draw on a canvas with tooltips that know no HTML.

const byId = (id) => document.getElementById(id);

/** Return a new element. `about` holds properties, `class`, `style` (a map), `data` and `aria` attributes and `on` handlers. */
function el(tag, about = {}, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(about)) {
    if (value === undefined || value === null) continue;
    if (key === 'class') node.className = value;
    else if (key === 'style') for (const [name, text] of Object.entries(value)) node.style.setProperty(name, text);
    else if (key === 'data') Object.assign(node.dataset, value);
    else if (key === 'aria') for (const [name, text] of Object.entries(value)) node.setAttribute(`aria-${name}`, text);
    else if (key === 'on') for (const [name, handler] of Object.entries(value)) node.addEventListener(name, handler);
    else if (key in node) node[key] = value;
    else node.setAttribute(key, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ''));
  return node;
}

/** Fill a section with a heading, a word of explanation and its content, and show it. */
function fill(id, title, told, ...children) {
  const section = byId(id);
  section.replaceChildren(
    el('div', { class: 'head' }, el('h2', { id: `${id}-title` }, title), told ? el('p', {}, told) : null),
    ...children.filter(Boolean),
  );
  section.setAttribute('aria-labelledby', `${id}-title`);
  section.hidden = false;
  return section;
}

/** Return what an object of the data has under a name: its prototype has names too. */
const own = (object, name) => (object && Object.hasOwn(object, name) ? object[name] : undefined);

const isNumber = (value) => typeof value === 'number';
const isFinite_ = (value) => typeof value === 'number' && Number.isFinite(value);

/** Return a number with at most four significant digits, as the terminal shows it: 0.9871, 3e-4, 1.2e6. */
function measure(value) {
  if (value === null || value === undefined) return '–';
  if (!isNumber(value)) return String(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e6) {
    const digits = Math.max(0, 3 - Math.floor(Math.log10(size)));
    const short = value.toFixed(digits);
    return Number(short) === value ? String(value) : short;
  }
  return value.toExponential(3).replace(/\.?0+e/, 'e').replace('e+', 'e');
}

/** Return the size of an error with two significant digits. */
function error_(value) {
  if (!isFinite_(value)) return '';
  return value === 0 || value >= 1e-5 && value < 1e5 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
}

function duration(seconds) {
  if (!isFinite_(seconds)) return '–';
  const whole = Math.round(seconds);
  const two = (value) => String(value).padStart(2, '0');
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m${two(whole % 60)}s`;
  if (whole < 172800) return `${Math.floor(whole / 3600)}h${two(Math.floor((whole % 3600) / 60))}m`;
  return `${(whole / 86400).toFixed(1)} days`;
}

const date = (seconds) => new Date(seconds * 1000).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' });
const plural = (count, word) => `${count.toLocaleString('en')} ${word}${count === 1 ? '' : 's'}`;

/** Return name=value pairs as small labels. */
function settings(pairs) {
  return el('span', { class: 'settings' }, pairs.map(([name, text]) =>
    el('span', { class: 'setting' }, el('b', {}, `${name}=`), text)));
}

/** Return a command with a button that copies it. */
function commandBox(text) {
  const button = el('button', { type: 'button', class: 'quiet', on: { click: () => copy(text, button) } }, 'copy');
  return el('div', { class: 'command' }, el('code', {}, text), button);
}

async function copy(text, button) {
  let done = true;
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = el('textarea', { value: text });
    document.body.append(area);
    area.select();
    done = document.execCommand('copy');
    area.remove();
    button.focus();
  }
  button.textContent = done ? 'copied' : 'select the text';
  setTimeout(() => { button.textContent = 'copy'; }, 1600);
}

function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  el('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function select(label, options, value, change) {
  const box = el('select', { aria: { label }, on: { change: () => change(box.value) } },
    options.map(([key, text]) => el('option', { value: key, selected: key === value }, text)));
  return el('label', {}, label, box);
}

function checkbox(label, checked, change) {
  const box = el('input', { type: 'checkbox', checked, on: { change: () => change(box.checked) } });
  return el('label', {}, box, label);
}

// Colours -------------------------------------------------------------------------------------------------------------

const PALETTES = {
  light: ['#3b5bdb', '#e8710a', '#2b9a66', '#d6336c', '#7b4fc9', '#0c8599', '#a6781c', '#c2255c', '#5c7a29', '#495057'],
  dark: ['#8aa4ff', '#ffa94d', '#5fd39b', '#ff8fb1', '#b79bff', '#5fd0e0', '#e2c25f', '#ff8787', '#a9d06a', '#c3cad6'],
};
const RAMPS = { light: ['#d3d9e4', '#7fa6e8', '#2b46c0'], dark: ['#343d4b', '#4d74c9', '#a9c1ff'] };

const theme = () => document.documentElement.dataset.theme;
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const colour = (place) => PALETTES[theme()][place % PALETTES[theme()].length];

function channels(hex) {
  return [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
}

/** Return the colour of a share from 0 (the worst) to 1 (the best). */
function ramp(share) {
  const stops = RAMPS[theme()];
  const place = Math.min(0.9999, Math.max(0, share)) * (stops.length - 1);
  const [from, to] = [channels(stops[Math.floor(place)]), channels(stops[Math.floor(place) + 1])];
  const mixed = from.map((value, channel) => Math.round(value + (to[channel] - value) * (place % 1)));
  return `rgb(${mixed.join(',')})`;
}

function fade(hex, alpha) {
  return `rgba(${channels(hex).join(',')},${alpha})`;
}

const STATE_TOKENS = { completed: 'good', failed: 'bad', unreadable: 'bad', stalled: 'warn', lost: 'warn', missing: 'warn', running: 'busy' };
const stateColour = (state) => token(STATE_TOKENS[state] ?? 'faint');

function stateLabel(state) {
  return el('span', { class: `state ${state}` }, el('i', { class: 'dot', aria: { hidden: 'true' } }), state);
}

// Charts --------------------------------------------------------------------------------------------------------------

const charts = new Set();

/** Return an element that shows what `draw()` returns, drawn again by `refresh` and whenever the theme changes. */
function chart(label, height, draw, ready) {
  const node = el('div', { class: 'chart', role: 'img', aria: { label }, style: { height: `${height}px` } });
  const self = {
    node,
    instance: null,
    dispose() {
      charts.delete(self);
      self.instance?.dispose();
    },
    refresh() {
      if (!node.isConnected) { self.dispose(); return; }
      if (!self.instance) {
        self.instance = echarts.init(node, null, { renderer: 'canvas' });
        ready?.(self.instance);
      }
      self.instance.resize();
      self.instance.setOption({ ...common(), ...draw() }, { notMerge: true });
      self.after?.(self.instance);
    },
  };
  charts.add(self);
  return self;
}

/** Draw a chart once it comes near the screen: a page of many charts opens at once. */
function whenSeen(self) {
  const watcher = new IntersectionObserver((entries) => {
    if (entries.some((entry) => entry.isIntersecting)) {
      watcher.disconnect();
      self.refresh();
    }
  }, { rootMargin: '600px' });
  watcher.observe(self.node);
  return self.node;
}

function common() {
  return {
    animation: false,
    textStyle: { fontFamily: token('sans'), color: token('muted') },
    tooltip: tooltip(),
  };
}

function tooltip(more = {}) {
  return {
    renderMode: 'richText',
    confine: true,
    backgroundColor: token('card'),
    borderColor: token('strong-line'),
    textStyle: { color: token('text'), fontSize: 12, fontFamily: token('sans') },
    ...more,
  };
}

/** Return the looks of an axis that all charts share. */
function axis(more = {}) {
  return {
    axisLine: { lineStyle: { color: token('strong-line') } },
    axisTick: { show: false },
    axisLabel: { color: token('muted'), fontSize: 11.5, ...more.axisLabel },
    splitLine: { lineStyle: { color: token('line') }, ...more.splitLine },
    nameTextStyle: { color: token('muted'), fontSize: 12 },
    ...Object.fromEntries(Object.entries(more).filter(([key]) => !['axisLabel', 'splitLine'].includes(key))),
  };
}

function redrawCharts() {
  for (const self of [...charts]) if (self.instance || !self.node.isConnected) self.refresh();
}

let resizing = 0;
window.addEventListener('resize', () => {
  cancelAnimationFrame(resizing);
  resizing = requestAnimationFrame(() => { for (const self of charts) self.instance?.resize(); });
});
