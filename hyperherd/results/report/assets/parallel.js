// Parallel coordinates: one axis per parameter and metric, one line per trial, the best in the strongest colour.
//
// Every axis is drawn from 0 to 1 and labelled by us: few values stand at equal distances, many on a linear or
// logarithmic scale, and what has no final value has a place of its own below. A brush is a range of that scale.

const MOST_LINES = 2000;
const BEST_LINES = 300;
const FEW = 12;
const LEAST_WIDTH = 92; // of an axis and what is written beside it
const NOTHING = -0.09;
let axisNames = [];
const brushRanges = new Map(); // key of an axis -> the ranges brushed on it

function showParallel() {
  const all = allAxes();
  if (count < 2 || all.length < 2) return;
  axisNames = firstAxes(all);
  const plot = chart('Parallel coordinates of parameters and metrics; the filter at the top selects by keyboard', 400,
    () => { plot.plot.style.setProperty('min-width', `${axisNames.length * LEAST_WIDTH}px`); return parallelOption(all); }, { ready: (instance) => listenToBrushes(instance, all) });
  const box = el('div', { class: 'tools' }, axisChoice(all, plot), el('span', { class: 'spacer' }), rampLegend({ more: 'failed or stalled' }));
  const few = count > MOST_LINES ? `; at most ${MOST_LINES.toLocaleString('en')} of the selected trials are drawn, including the best` : '';
  plot.after = () => restoreBrushes(plot, all);
  fill('parallel', 'Parallel coordinates',
    `drag along an axis to select trials for all views below; click the axis to clear the selection${few}`, box, el('div', { class: 'scroll' }, plot.node));
  plot.refresh();
  selection.listeners.push(() => { if (brushFrom !== 'parallel' || count > MOST_LINES) redrawLines(plot, all); brushFrom = null; });
  selection.clearBrushes = () => {
    selection.brushes.clear();
    brushRanges.clear();
    plot.refresh();
  };
}

function allAxes() {
  const params = data.params.map((param) => paramAxis(param));
  const metrics = data.metrics.filter((metric) => metric.values.some((value, trial) => isFinite_(value) && isFinished(trial))).map((metric) => metricAxis(metric.name, metric.values));
  if (data.objective && data.objective.label !== data.objective.metric) metrics.push(metricAxis(data.objective.label, data.objective.values));
  const objective = metrics.findIndex((item) => item.name === data.objective?.label);
  if (objective >= 0) metrics.push(...metrics.splice(objective, 1)); // The objective is the last axis.
  return [...params, ...metrics];
}

function firstAxes(all) {
  const params = leading(all.filter((item) => item.param).map((item) => item.name), 7).map((name) => `param ${name}`);
  const metrics = all.filter((item) => !item.param).slice(-3).map((item) => item.key);
  return all.map((item) => item.key).filter((key) => params.includes(key) || metrics.includes(key));
}

function paramAxis(param) {
  const texts = param.values.map((value) => value.text);
  const about = { key: `param ${param.name}`, name: param.name, param };
  if (texts.length <= FEW || !param.numeric) {
    const steps = Math.max(1, texts.length - 1);
    const every = Math.ceil(texts.length / FEW);
    const ticks = texts.map((text, place) => [texts.length === 1 ? 0.5 : place / steps, text]).filter((_, place) => place % every === 0);
    const width = Math.min(0.035, 0.25 / steps);
    return { ...about, ticks, at: (trial) => {
      const code = param.codes[trial];
      return code < 0 ? NOTHING : (texts.length === 1 ? 0.5 : code / steps) + jitter(trial) * width;
    } };
  }
  const numbers = param.values.map((value) => value.number);
  return { ...about, ...scaled(numbers, (trial) => paramOf(param, trial)?.number) };
}

function metricAxis(name, values) {
  return { key: `metric ${name}`, name, param: null, ...scaled(values.filter((value, trial) => isFinite_(value) && isFinished(trial)), (trial) => (isFinished(trial) ? values[trial] : null)) };
}

/** Return ticks and places on a linear scale, or on a logarithmic one where the numbers ask for it. */
function scaled(numbers, value) {
  const [low, high] = numbers.reduce(([a, b], item) => [Math.min(a, item), Math.max(b, item)], [Infinity, -Infinity]);
  const log = wantsLog(numbers);
  const turn = log ? Math.log10 : (item) => item;
  const back = log ? (item) => 10 ** item : (item) => item;
  const [from, width] = [turn(low), turn(high) - turn(low) || 1];
  const place = (item) => (high === low ? 0.5 : (turn(item) - from) / width);
  const ticks = high === low ? [[0.5, measure(low)]] : [0, 0.25, 0.5, 0.75, 1].map((share) => [share, measure(rounded(back(from + share * width)))]);
  return { ticks, at: (trial) => (isFinite_(value(trial)) ? place(value(trial)) : NOTHING) };
}

const rounded = (value) => Number(value.toPrecision(3));

/** Return a number from -1 to 1 that is the same for a trial whenever it is asked for. */
function jitter(trial) {
  const mixed = Math.sin((trial + 1) * 12.9898) * 43758.5453;
  return (mixed - Math.floor(mixed)) * 2 - 1;
}

function parallelOption(all) {
  const shown = all.filter((item) => axisNames.includes(item.key));
  const missing = shown.map((item) => someMissing(item));
  return {
    parallel: { left: 70, right: 64, top: 44, bottom: 16, parallelAxisDefault: { type: 'value' } },
    parallelAxis: shown.map((item, dim) => ({ id: String(all.indexOf(item)), ...parallelAxis(item, dim, missing[dim]) })),
    series: [lines(shown)],
    tooltip: tooltip({ trigger: 'item', formatter: ({ data: line }) =>
      [trialName(line.trial), data.trials.state[line.trial], ...shown.map((axis_) => `${axis_.name} = ${axisText(axis_, line.trial)}`)].join('\n') }),
  };
}

const someMissing = (item) => { for (let trial = 0; trial < count; trial += 1) if (item.at(trial) === NOTHING) return true; return false; };
const axisText = (item, trial) => item.param ? paramText(item.param, trial)
  : measure(item.name === data.objective?.label ? data.objective.values[trial] : data.metrics.find((metric) => metric.name === item.name).values[trial]);

function parallelAxis(item, dim, missing) {
  const ticks = missing ? [[NOTHING, item.param ? '·' : '✗'], ...item.ticks] : item.ticks;
  const label = (value) => ticks.find(([place]) => Math.abs(place - value) < 1e-6)?.[1] ?? '';
  const strong = item.name === data.objective?.label && !item.param;
  return {
    dim, name: clip(item.name, namesFit()), nameLocation: 'end', nameGap: 16, min: missing ? -0.12 : -0.04, max: 1.04, axisExpandable: false,
    nameTextStyle: { color: token(strong ? 'text' : 'muted'), fontSize: 12.5, fontWeight: strong ? 700 : 500 },
    axisLine: { lineStyle: { color: token('strong-line'), width: 1.2 } },
    axisTick: { show: true, length: 4, customValues: ticks.map(([place]) => place), lineStyle: { color: token('strong-line') } },
    minorTick: { show: false },
    axisLabel: { customValues: ticks.map(([place]) => place), formatter: (value) => clip(label(value), 16), color: token('text'),
      fontSize: 11.5, backgroundColor: fade(token('card'), 0.86), padding: [1, 3], borderRadius: 3, showMinLabel: true, showMaxLabel: true },
    areaSelectStyle: { width: 22, borderWidth: 1, borderColor: token('accent'), color: token('accent'), opacity: 0.22 },
    realtime: count <= 500,
  };
}

/** Return how many letters of a name fit between two axes. */
const namesFit = () => Math.max(10, Math.floor(byId('parallel').clientWidth / axisNames.length / 8.4));

const clip = (text, most) => (text.length > most ? `${text.slice(0, Math.ceil(most / 2))}…${text.slice(1 - Math.floor(most / 2))}` : text);

function lines(shown) {
  const style = { width: count > 1000 ? 1 : count > 100 ? 1.3 : 1.8, opacity: count > 2000 ? 0.07 : count > 500 ? 0.14 : count > 100 ? 0.4 : 0.8 };
  const drawn = drawnTrials();
  return {
    type: 'parallel', smooth: 0, lineStyle: style, progressive: 0, inactiveOpacity: count > 500 ? 0.006 : 0.03, activeOpacity: Math.min(1, style.opacity * 2),
    emphasis: { lineStyle: { width: 3, opacity: 1 } },
    // The best is drawn last, over the others.
    data: drawn.reverse().map((trial) => ({ value: shown.map((item) => item.at(trial)), trial, lineStyle: lineLook(trial) })),
  };
}

/** Return the trials that get a line; few enough ones keep theirs, dimmed, while a brush leaves them out. */
function drawnTrials() {
  const keepsAll = count <= MOST_LINES && selection.brushes.size;
  const wanted = [...Array(count).keys()].filter((trial) => keepsAll || isSelected(trial));
  const every = Math.ceil((wanted.length - BEST_LINES) / (MOST_LINES - BEST_LINES));
  return wanted.length <= MOST_LINES ? wanted : wanted.filter((_, place) => place < BEST_LINES || place % every === 0);
}

function lineLook(trial) {
  if (isProblem(trial)) return { color: token('bad'), type: [5, 4] };
  if (!isRanked(trial)) return { color: token('faint'), type: [3, 3] };
  const color = ramp(1 - trial / Math.max(1, data.objective.ranked - 1));
  return trial < 10 && count > 100 ? { color, opacity: 0.95, width: 2 } : { color };
}

let brushFrom = null;

function listenToBrushes(instance, all) {
  instance.on('axisareaselected', ({ parallelAxisId, intervals }) => {
    const { key, at: place } = all[Number(parallelAxisId)];
    if (intervals.length) {
      selection.brushes.set(key, (trial) => intervals.some(([from, to]) => place(trial) >= from && place(trial) <= to));
      brushRanges.set(key, intervals);
    } else {
      selection.brushes.delete(key);
      brushRanges.delete(key);
    }
    brushFrom = 'parallel';
    selectionChanged();
  });
}

/** Brush again what was brushed, after the axes have been drawn anew. */
function restoreBrushes(plot, all) {
  if (!brushRanges.size) return;
  for (const [key, intervals] of [...brushRanges]) {
    plot.instance.dispatchAction({ type: 'axisAreaSelect', parallelAxisId: String(all.findIndex((item) => item.key === key)), intervals });
  }
  redrawLines(plot, all);
}

/** Draw the lines the selection lets through; axes and their brushes stay as they are. */
function redrawLines(plot, all) {
  plot.instance?.setOption({ series: [lines(all.filter((item) => axisNames.includes(item.key)))] });
  if (plot.instance && selection.brushes.size) lookOfBrushes(plot.instance);
}

/** Give brushes their look back: ECharts 6 draws them in its own opaque grey whenever the lines are set anew. */
function lookOfBrushes(instance) {
  for (const shape of instance.getZr().storage.getDisplayList()) {
    if (shape.name === 'main' && shape.type === 'rect') {
      shape.setStyle({ fill: token('accent'), stroke: token('accent'), lineWidth: 1, opacity: 0.22 });
    }
  }
}

function axisChoice(all, plot) {
  const boxes = all.map((item) => checkbox(item.name, axisNames.includes(item.key), (on) => {
    axisNames = on ? [...axisNames, item.key] : axisNames.filter((key) => key !== item.key);
    if (!on) {
      selection.brushes.delete(item.key);
      brushRanges.delete(item.key);
    }
    plot.refresh();
    selectionChanged();
  }));
  return el('details', { class: 'choice' }, el('summary', {}, 'axes'), el('div', { class: 'tools boxes' }, boxes));
}

/** Return what the colours from the lowest to the highest stand for. */
function rampLegend({ from = 'worst', to = 'best', more = '' } = {}) {
  const steps = [0, 0.25, 0.5, 0.75, 1].map((share) => el('i', { style: { background: ramp(share) } }));
  return el('span', { class: 'ramp', data: { from, to, more } }, from, steps, to, more ? el('i', { class: 'dash' }) : null, more);
}
