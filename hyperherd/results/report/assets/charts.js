// Colours and charts. Charts draw on a canvas, with tooltips that know no HTML.

// Colours -------------------------------------------------------------------------------------------------------------

const PALETTES = {
  light: ['#3b5bdb', '#e8710a', '#2b9a66', '#d6336c', '#7b4fc9', '#0c8599', '#a6781c', '#c2255c', '#5c7a29', '#495057'],
  dark: ['#8aa4ff', '#ffa94d', '#5fd39b', '#ff8fb1', '#b79bff', '#5fd0e0', '#e2c25f', '#ff8787', '#a9d06a', '#c3cad6'],
};
const RAMPS = { light: ['#d3d9e4', '#7fa6e8', '#2b46c0'], dark: ['#343d4b', '#4d74c9', '#a9c1ff'] };

const theme = () => document.documentElement.dataset.theme;
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const fonts = () => token('sans').replaceAll('"', "'"); // ECharts writes it into an attribute of an SVG as it is.
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

/**
 * Return a figure that shows what `draw()` returns, drawn again by `refresh` and whenever the theme changes.
 * `about` holds `ready(instance)`, called once, `legend()`, the names of the series that a saved picture lists, and
 * `bare`, for a figure whose buttons stand elsewhere.
 */
function chart(label, height, draw, about = {}) {
  const plot = el('div', { class: 'chart', role: 'img', aria: { label }, style: { height: `${height}px` } });
  const self = {
    node: plot, label, draw, plot, about, instance: null,
    dispose() {
      charts.delete(self);
      self.instance?.dispose();
    },
    refresh() {
      if (!plot.isConnected) { self.dispose(); return; }
      if (!self.instance) {
        self.instance = echarts.init(plot, null, { renderer: 'canvas' });
        charts.add(self);
        about.ready?.(self.instance);
      }
      self.instance.resize();
      self.instance.setOption({ ...common(), ...draw() }, { notMerge: true });
      self.after?.(self.instance);
    },
  };
  if (!about.bare) self.node = el('figure', {}, plot, saveButtons(self));
  charts.add(self);
  return self;
}

// Pictures -------------------------------------------------------------------------------------------------------------

const NOT_XML = /[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu; // no XML may hold these

function saveButtons(self) {
  const button = (kind) => el('button', { type: 'button', class: 'save', aria: { label: `save as ${kind}: ${self.label}` }, on: { click: () => savePicture(self, kind) } }, kind);
  return el('div', { class: 'saves' }, button('PNG'), button('SVG'));
}

/** Save what a chart shows, with its legend, on the ground of the page. */
function savePicture(self, kind) {
  const name = `${self.label.toLowerCase().replace(/[^a-z0-9]+/g, '-').slice(0, 60)}`;
  const names = self.about.legend?.() ?? [];
  const room = names.length ? 12 + 19 * names.length : 0;
  const size = { width: self.plot.clientWidth, height: self.plot.clientHeight + room };
  const picture = echarts.init(...(kind === 'SVG' ? [null, null, { renderer: 'svg', ssr: true, ...size }] : [el('div'), null, size]));
  picture.setOption(pictureOption(self.draw(), names, room));
  if (kind === 'SVG') download(`${name}.svg`, 'image/svg+xml', picture.renderToSVGString().replace(NOT_XML, '\ufffd'));
  else downloadBlob(`${name}.png`, pngOf(picture.renderToCanvas({ pixelRatio: 2, backgroundColor: token('card') })));
  picture.dispose();
}

/** Return a canvas as PNG, at once: `toBlob` waits until the page is idle, when a click may be too old to save anything. */
function pngOf(canvas) {
  const bytes = atob(canvas.toDataURL('image/png').split(',')[1]);
  return new Blob([Uint8Array.from(bytes, (char) => char.charCodeAt(0))], { type: 'image/png' });
}

function pictureOption(option, names, room) {
  const legend = { orient: 'vertical', left: 14, bottom: 4, itemHeight: 3, itemWidth: 16, icon: 'rect', itemGap: 8, data: names, formatter: (text) => clip(text, 110),
    textStyle: { color: token('text'), fontSize: 12 } };
  return { ...common(), backgroundColor: token('card'), ...option,
    ...(names.length ? { legend, grid: { ...option.grid, bottom: option.grid.bottom + room } } : {}) };
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
    textStyle: { fontFamily: fonts(), color: token('muted') },
    tooltip: tooltip(),
  };
}

function tooltip(more = {}) {
  return {
    renderMode: 'richText',
    confine: true,
    backgroundColor: token('card'),
    borderColor: token('strong-line'),
    textStyle: { color: token('text'), fontSize: 12, fontFamily: fonts() },
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
