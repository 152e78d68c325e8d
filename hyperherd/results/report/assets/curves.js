// Curves of the selected trials: the mean over seeds with a band, or every trial on its own.

const curveView = { metric: '', by: 'configuration', band: 'std', x: 'step', smooth: 0, log: false, most: 8, hidden: new Set() };
const OVERS = { step: [0, 'steps'], time: [2, 'time'], epoch: [3, 'epochs'] }; // place in a curve, text
const CROSS = 'path://M-4,-4L4,4M4,-4L-4,4';
const STAR = 'path://M0,-10L2.9,-3.1L10,-3.1L4.3,1.4L6.5,9L0,4.6L-6.5,9L-4.3,1.4L-10,-3.1L-2.9,-3.1Z';
const FINEST = 200;

function showCurves() {
  const names = Object.keys(data.curves);
  if (!names.length) return;
  curveView.metric = names.includes(data.objective?.metric) ? data.objective.metric : names[0];
  if (!data.configurations?.length) curveView.by = 'trial';
  const legend = el('div', { class: 'legend' });
  let groups = [];
  const plot = chart('Curves of the metric; the legend below lists the lines', 380, () => {
    drawLegend(legend, groups, plot);
    return curveOption(groups);
  }, { legend: () => groups.map(({ name }) => name).filter((name) => !curveView.hidden.has(name)) });
  const draw = () => {
    groups = curveGroups();
    plot.refresh();
  };
  const told = el('p', { class: 'muted', id: 'curves-told' });
  const redraw = () => { draw(); told.textContent = curvesTold(groups); };
  fill('curves', 'Curves', null, curveTools(names, redraw), plot.node, legend);
  byId('curves').querySelector('.head').append(told);
  selection.listeners.push(redraw);
  redraw();
}

function curvesTold(groups) {
  const more = groups.total - groups.length;
  const line = curveView.by === 'trial' ? 'each line is a trial' : 'each line is the mean of its trials so far';
  return more > 0 ? `${line}; the best ${groups.length} of ${groups.total} are drawn` : line;
}

function curveTools(names, draw) {
  const set = (key) => (value) => { curveView[key] = value; curveView.hidden.clear(); draw(); };
  const by = [...(data.configurations?.length ? [['configuration', 'configuration']] : []), ['trial', 'trial'], ...data.params.map((param) => [`param ${param.name}`, param.name])];
  const smooth = el('input', { type: 'range', min: 0, max: 0.98, step: 0.02, value: 0, aria: { label: 'smoothing' },
    on: { input: () => { curveView.smooth = Number(smooth.value); draw(); } } });
  const overs = Object.entries(OVERS).filter(([, [place]]) => Object.values(data.curves).some((curves) => curves.some((curve) => curve?.[place])));
  return el('div', { class: 'tools' },
    select('metric', names.map((name) => [name, name]), curveView.metric, set('metric')),
    select('one line per', by, curveView.by, set('by')),
    select('band', [['std', '± std'], ['sem', '± sem'], ['ci', '95 % interval'], ['range', 'min to max'], ['none', 'none']], 'std', set('band')),
    overs.length > 1 ? select('over', overs.map(([name, [, text]]) => [name, text]), 'step', set('x')) : null,
    select('lines', [['8', '8'], ['16', '16'], ['40', '40'], ['200', '200']], '8', (value) => set('most')(Number(value))),
    el('label', {}, 'smooth', smooth),
    checkbox('logarithmic', false, set('log')));
}

/** Return the lines to draw, best end first: {name, trials, xs, mean, low, high, died}; `total` counts those left out. */
function curveGroups() {
  const curves = data.curves[curveView.metric];
  const members = new Map();
  // Of several trials with one seed only the newest counts in a mean.
  const twice = new Set(curveView.by === 'trial' ? [] : rankedConfigurations().rows.flatMap((item) => item.twice));
  for (let trial = 0; trial < count; trial += 1) {
    if (!curves[trial]?.[OVERS[curveView.x][0]] || !isSelected(trial) || twice.has(trial)) continue;
    const name = groupName(trial);
    if (!members.has(name)) members.set(name, []);
    members.get(name).push(trial);
  }
  // Configurations are in the order of their rank; of other groups the first, best trial tells which are best.
  const rank = new Map(curveView.by === 'configuration' ? rankedConfigurations().rows.map((row, place) => [configurationName(row.trials[0]), place]) : []);
  const chosen = [...members].sort(([a], [b]) => (rank.get(a) ?? 0) - (rank.get(b) ?? 0)).slice(0, curveView.most);
  const groups = chosen.map(([name, trials]) => curveGroup(name, trials, curves));
  groups.total = members.size;
  return groups;
}

function groupName(trial) {
  if (curveView.by === 'trial') return `${trialName(trial)}  ${inWords(trialSettings(trial))}`;
  if (curveView.by === 'configuration') return configurationName(trial);
  const param = data.params.find((item) => `param ${item.name}` === curveView.by);
  return `${param.name}=${paramText(param, trial)}`;
}

let configurationOf = null;

function configurationName(trial) {
  if (!configurationOf) {
    configurationOf = new Map(data.configurations.flatMap((item) => item.trials.map((member) => [member, inWords(Object.entries(item.params))])));
  }
  return configurationOf.get(trial) || trialName(trial);
}

function curveGroup(name, trials, curves) {
  const own_ = trials.map((trial) => along(curves[trial]));
  const group = { name, trials, ...(own_.length === 1 ? alone(own_[0]) : averaged(own_)) };
  group.raw = group.mean;
  for (const part of ['mean', 'low', 'high']) group[part] = curveView.smooth ? ema(group[part], curveView.smooth, group.falls?.length) : group[part];
  group.died = trials.filter((trial) => isProblem(trial)).map((trial) => along(curves[trial]).xs.at(-1)).map((end) => [end, group.mean[at(group.xs, end)]]);
  return group;
}

/** Return a curve over what is chosen; points of which that is not known are left out. */
function along(curve) {
  const xs = curve[OVERS[curveView.x][0]];
  const kept = xs.includes(null) ? xs.flatMap((x, place) => (x === null ? [] : [place])) : null;
  return kept ? { xs: kept.map((place) => xs[place]), ys: kept.map((place) => curve[1][place]) } : { xs, ys: curve[1] };
}

const alone = ({ xs, ys }) => ({ xs, mean: ys, low: ys.map(() => null), high: ys.map(() => null) });

function at(xs, x) {
  const place = xs.findIndex((item) => item >= x);
  return place < 0 ? xs.length - 1 : place;
}

/** Return the mean of curves. Where some end before the others there is a gap, and those left begin at the same x. */
function averaged(own) {
  let xs = [...new Set(own.flatMap((curve) => curve.xs))].sort((a, b) => a - b);
  if (xs.length > FINEST) xs = Array.from({ length: FINEST }, (_, place) => xs[Math.round((place * (xs.length - 1)) / (FINEST - 1))]);
  const columns = own.map((curve) => onGrid(curve, xs));
  const ends = columns.map((column) => column.findLastIndex(isFinite_));
  const found = { xs: [], mean: [], low: [], high: [], falls: [] };
  const add = (x, values) => {
    const middle = values.length ? meanOf(values) : null;
    const [from, to] = band(values, middle);
    found.xs.push(x); found.mean.push(middle); found.low.push(from); found.high.push(to);
  };
  xs.forEach((x, place) => {
    add(x, columns.map((column) => column[place]).filter(isFinite_));
    const left = columns.filter((_, index) => ends[index] > place);
    if (left.length && ends.includes(place)) {
      found.falls.push([x, left.length]);
      add(x, []);
      add(x, left.map((column) => column[place]).filter(isFinite_));
    }
  });
  return found;
}

function band(values, middle) {
  if (values.length < 2 || curveView.band === 'none') return [null, null];
  if (curveView.band === 'range') return [Math.min(...values), Math.max(...values)];
  const half = spreadOf(values)[curveView.band];
  return [middle - half, middle + half];
}

/** Return a curve's values on a grid, interpolated between its points; null before its first and after its last. */
function onGrid(curve, grid) {
  const kept = curve.ys.flatMap((y, index) => (isFinite_(y) ? [index] : []));
  if (!kept.length) return grid.map(() => null);
  const [xs, ys] = [kept.map((index) => curve.xs[index]), kept.map((index) => curve.ys[index])];
  let place = 0;
  return grid.map((x) => {
    while (place < xs.length - 1 && xs[place + 1] <= x) place += 1;
    if (x < xs[0] || x > xs.at(-1)) return null;
    if (xs[place] === x || place === xs.length - 1) return ys[place];
    const share = (x - xs[place]) / (xs[place + 1] - xs[place]);
    return ys[place] + share * (ys[place + 1] - ys[place]);
  });
}

/** Return the exponential moving average, corrected for its start; gaps stay gaps, and `anew` it begins again after one. */
function ema(values, weight, anew) {
  let [total, share] = [0, 0];
  return values.map((value) => {
    if (!isFinite_(value)) {
      if (anew) [total, share] = [0, 0];
      return null;
    }
    total = weight * total + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return total / share;
  });
}

function curveOption(groups) {
  const shown = groups.map((group, place) => ({ ...group, place })).filter((group) => !curveView.hidden.has(group.name));
  const drawable = (value) => isFinite_(value) && (!curveView.log || value > 0);
  const time = curveView.x === 'time';
  const thick = shown.length > 40 ? 1 : 2;
  const series = shown.flatMap((group) => {
    const stroke = colour(group.place);
    const points = group.xs.map((x, place) => [x, drawable(group.mean[place]) ? group.mean[place] : null]);
    return [
      bandSeries(group, stroke, drawable),
      ghostSeries(group, stroke, drawable),
      { type: 'line', name: group.name, data: points, showSymbol: points.length < 2, symbolSize: 5, lineStyle: { width: thick, color: stroke }, itemStyle: { color: stroke },
        emphasis: { disabled: true }, z: 3 },
      { type: 'scatter', name: group.name, data: group.died.filter(([, y]) => drawable(y)), symbol: CROSS, symbolSize: 9, z: 4,
        itemStyle: { color: 'transparent', borderColor: token('bad'), borderWidth: 2 }, tooltip: { show: false }, silent: true },
      bestSeries(group, stroke, points),
    ];
  }).filter(Boolean);
  return {
    grid: { left: 62, right: 22, top: 14, bottom: 42 },
    tooltip: tooltip({ trigger: 'axis', axisPointer: { type: 'line', lineStyle: { color: token('strong-line') } }, formatter: curveTooltip }),
    xAxis: axis({ type: 'value', name: curveView.x, nameLocation: 'middle', nameGap: 26, min: 'dataMin', max: 'dataMax', splitLine: { show: false },
      axisLine: { onZero: false, lineStyle: { color: token('strong-line') } },
      axisLabel: { formatter: time ? duration : (value) => value.toLocaleString('en'), hideOverlap: true } }),
    yAxis: axis({ type: curveView.log ? 'log' : 'value', scale: true, axisLine: { show: false }, ...(curveView.log ? {} : { min: margin(-1), max: margin(1) }),
      splitLine: { showMinLine: false, showMaxLine: false }, axisLabel: { formatter: measure, showMinLabel: curveView.log, showMaxLabel: curveView.log } }),
    series,
  };
}

/** Return the end of an axis: a little beyond the data. */
const margin = (side) => ({ min, max }) => (side < 0 ? min : max) + side * 0.04 * (max - min || Math.abs(max) || 1);

/** Return the line as it was before smoothing, faintly. */
function ghostSeries(group, stroke, drawable) {
  if (!curveView.smooth) return null;
  return { type: 'line', name: '', data: group.xs.map((x, place) => [x, drawable(group.raw[place]) ? group.raw[place] : null]), showSymbol: false, silent: true,
    lineStyle: { width: 1, color: fade(stroke, 0.3) }, itemStyle: { color: stroke }, emphasis: { disabled: true }, tooltip: { show: false }, z: 2 };
}

function bandSeries(group, stroke, drawable) {
  const points = group.xs.map((x, place) => [x, group.low[place], group.high[place]]).filter(([, low, high]) => drawable(low) && drawable(high));
  if (points.length < 2) return null;
  return {
    type: 'custom', name: group.name, data: points, itemStyle: { color: stroke }, encode: { x: 0, y: [1, 2] }, clip: true, silent: true, tooltip: { show: false }, z: 2,
    renderItem: ({ dataIndex }, api) => (dataIndex ? null : {
      type: 'polygon', style: { fill: fade(stroke, 0.15) },
      shape: { points: [...points.map(([x, , high]) => api.coord([x, high])), ...points.map(([x, low]) => api.coord([x, low])).reverse()] },
    }),
  };
}

/** Return a star where the line is best; null if nothing tells whether more of the metric is better. */
function bestSeries(group, stroke, points) {
  const direction = own(data.directions, curveView.metric);
  const known = points.filter(([, y]) => isFinite_(y));
  if (!direction || !known.length) return null;
  const best = known.reduce((a, b) => ((direction === 'maximize' ? b[1] > a[1] : b[1] < a[1]) ? b : a));
  return { type: 'scatter', name: group.name, data: [best], symbol: STAR, symbolSize: 13, z: 5, silent: true, tooltip: { show: false },
    itemStyle: { color: stroke, borderColor: token('card'), borderWidth: 1.2 } };
}

function curveTooltip(items) {
  const lines_ = items.filter((item) => item.seriesType === 'line' && item.seriesName && isFinite_(item.value[1])).sort((a, b) => b.value[1] - a.value[1]);
  const x = items[0]?.value[0];
  const head = curveView.x === 'time' ? duration(x) : `${curveView.x} ${x?.toLocaleString('en')}`;
  return [head, ...lines_.slice(0, 12).map((item) => `${measure(item.value[1])}   ${clip(item.seriesName, 60)}`)].join('\n');
}

/** Return after which x a mean is over fewer trials. */
function fewer({ falls }) {
  const shown = (falls ?? []).slice(0, 3).map(([x, left]) => `, ${left} after ${curveView.x === 'time' ? duration(x) : x.toLocaleString('en')}`);
  return `${shown.join('')}${falls?.length > 3 ? ', …' : ''}`;
}

function drawLegend(legend, groups, plot) {
  legend.replaceChildren(...groups.map((group, place) => el('button', {
    type: 'button', aria: { pressed: String(!curveView.hidden.has(group.name)) },
    on: { click: () => {
      if (!curveView.hidden.delete(group.name)) curveView.hidden.add(group.name);
      plot.refresh();
      legend.children[place].focus(); // It has been made anew.
    } },
  }, el('i', { style: { background: colour(place) } }), group.name || 'all trials', group.trials.length > 1 ? el('span', { class: 'muted' }, `n=${group.trials.length}${fewer(group)}`) : null)));
}
