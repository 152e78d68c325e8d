// Helpers: elements, numbers for people. A text of the data only ever becomes a text node: nothing
// here or elsewhere sets innerHTML.

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

/** Return number texts with blanks behind them, so that their points stand under each other where they end together. */
function aligned(texts) {
  const tails = texts.map((text) => (/^-?[\d,]*(?:\.\d*)?(?:e-?\d+)?$/.test(text) && text ? text.length - text.search(/\.|e|$/) : 0));
  const most = tails.reduce((top, tail) => Math.max(top, tail), 0);
  return texts.map((text, place) => text + '\u00a0'.repeat(most - tails[place]));
}

/** Return whether positive numbers span two decades and lie more evenly on a logarithmic scale than on a linear one. */
function wantsLog(numbers) {
  const found = numbers.filter(isFinite_).toSorted((a, b) => a - b);
  const [low, high] = [found[0], found.at(-1)];
  if (!(low > 0) || high / low < 100) return false;
  const middle = found[Math.floor((found.length - 1) / 2)] / 2 + found[Math.ceil((found.length - 1) / 2)] / 2;
  const off = (turn) => Math.abs((turn(middle) - turn(low)) / (turn(high) - turn(low)) - 0.5);
  return off(Math.log) < off(Number);
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

const SETTINGS_SHOWN = 8;

/** Return name=value pairs as small labels; of many the first, the rest at a click. */
function settings(pairs) {
  const label = ([name, text]) => el('span', { class: 'setting' }, el('b', {}, `${name}=`), text);
  const box = el('span', { class: 'settings' }, pairs.slice(0, SETTINGS_SHOWN).map(label));
  const rest = pairs.slice(SETTINGS_SHOWN);
  if (rest.length) box.append(el('button', { type: 'button', class: 'more', on: { click: ({ target }) => target.replaceWith(...rest.map(label)) } }, `and ${rest.length} more`));
  return box;
}

/** Return the first of many elements and, if there are more, a button that shows the rest. */
function folded(items, most, word) {
  if (items.length <= most) return items;
  const rest = items.slice(most);
  const button = el('button', { type: 'button', class: 'quiet', on: { click: () => line.replaceWith(...rest) } }, `show ${plural(rest.length, `more ${word}`)}`);
  const line = items[0].tagName === 'TR' ? el('tr', {}, el('td', { colSpan: items[0].cells.length }, button)) : el('div', { class: 'pager' }, button);
  return [...items.slice(0, most), line];
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

const download = (name, type, text) => downloadBlob(name, new Blob([text], { type }));

function downloadBlob(name, blob) {
  const url = URL.createObjectURL(blob);
  el('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Return a choice with its label, which is only spoken if it is `quiet`. */
function select(label, options, value, change, { quiet = false } = {}) {
  const box = el('select', { aria: { label }, on: { change: () => change(box.value) } },
    options.map(([key, text]) => el('option', { value: key, selected: key === value }, text)));
  return quiet ? box : el('label', {}, label, box);
}

function checkbox(label, checked, change) {
  const box = el('input', { type: 'checkbox', checked, on: { change: () => change(box.checked) } });
  return el('label', {}, box, label);
}
