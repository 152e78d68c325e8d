// Two parameters at once: the mean of a metric in each cell. A number with many values is cut into ranges.

const RANGES = 8;
const MOST_LEVELS = 24;
const surfaceView = { x: '', y: '', metric: '' };

function showSurface() {
  const columns = numberColumns();
  const weight = weights();
  const params = data.params.filter((param) => param.values.length > 1 && (param.numeric || param.values.length <= MOST_LEVELS))
    .sort((a, b) => (weight.get(a.name) ?? 1e9) - (weight.get(b.name) ?? 1e9));
  if (params.length < 2 || !columns.length || count < 4) return;
  [surfaceView.x, surfaceView.y, surfaceView.metric] = [params[0].name, params[1].name, columns[0].name];
  const told = el('p', { class: 'muted' });
  const plot = chart('mean of a metric over two parameters', 360, () => {
    const cells = surfaceCells(params, columns);
    told.textContent = surfaceTold(cells);
    return surfaceOption(cells);
  });
  const set = (key) => (value) => { surfaceView[key] = value; plot.refresh(); };
  const names = params.map(({ name }) => [name, name]);
  fill('surface', 'Two parameters', null, el('div', { class: 'tools' }, select('across', names, surfaceView.x, set('x')), select('up', names, surfaceView.y, set('y')),
    select('metric', columns.map(({ name }) => [name, name]), surfaceView.metric, set('metric')), el('span', { class: 'spacer' }), rampLegend({ from: 'lowest', to: 'highest' })), whenSeen(plot));
  byId('surface').querySelector('.head').append(told);
  selection.listeners.push(() => { if (plot.instance) plot.refresh(); });
}

function surfaceTold({ cells, name }) {
  const trials = cells.reduce((sum, cell) => sum + cell.values.length, 0);
  return `mean ${name} of ${plural(trials, selectsAll() ? 'finished trial' : 'selected finished trial')}; a cell without one is empty`;
}

/** Return the levels of a parameter: {texts, of(trial)}, ranges of equal width where a number has many values. */
function levelsOf(param) {
  if (!param.numeric || param.values.length <= FEW) return { texts: param.values.map(({ text }) => text), of: (trial) => param.codes[trial] };
  const numbers = param.values.map(({ number }) => number);
  const log = wantsLog(numbers);
  const [turn, back] = log ? [Math.log, Math.exp] : [Number, Number];
  const [low, high] = [turn(numbers[0]), turn(numbers.at(-1))];
  const ends = Array.from({ length: RANGES + 1 }, (_, place) => measure(rounded(back(low + (place / RANGES) * (high - low)))));
  const texts = ends.slice(1).map((end, place) => `${ends[place]} to ${end}`);
  const of = (trial) => (param.codes[trial] < 0 ? -1 : Math.min(RANGES - 1, Math.floor(((turn(numbers[param.codes[trial]]) - low) / (high - low)) * RANGES)));
  return { texts, of };
}

function surfaceCells(params, columns) {
  const [x, y] = ['x', 'y'].map((side) => levelsOf(params.find(({ name }) => name === surfaceView[side])));
  const { name, values } = columns.find((column) => column.name === surfaceView.metric);
  const cells = new Map();
  for (let trial = 0; trial < count; trial += 1) {
    const place = [x.of(trial), y.of(trial)];
    if (!isSelected(trial) || !isFinished(trial) || !isFinite_(values[trial]) || place.includes(-1)) continue;
    const key = place.join();
    if (!cells.has(key)) cells.set(key, { place, values: [] });
    cells.get(key).values.push(values[trial]);
  }
  return { x, y, name, cells: [...cells.values()].map((cell) => ({ ...cell, mean: meanOf(cell.values) })) };
}

function surfaceOption({ x, y, cells }) {
  const means_ = cells.map(({ mean }) => mean);
  const [low, high] = [means_.reduce((a, b) => Math.min(a, b), Infinity), means_.reduce((a, b) => Math.max(a, b), -Infinity)];
  const share = (mean) => (high > low ? (mean - low) / (high - low) : 0.5);
  const label = { show: cells.length <= 80, formatter: ({ data: cell }) => measure(cell.value[2]), fontSize: 11 };
  const narrow = byId('surface').clientWidth < 620;
  const side = (levels, name, more) => axis({ type: 'category', data: levels.texts, name, splitLine: { show: false }, ...more,
    axisLabel: { formatter: (text) => clip(text, narrow ? 9 : 16), hideOverlap: true } });
  const widest = y.texts.reduce((most, text) => Math.max(most, clip(text, narrow ? 9 : 16).length), 0);
  return {
    grid: { left: 24 + 7.2 * widest, right: 16, top: 34, bottom: 50 },
    xAxis: side(x, clip(surfaceView.x, 60), { nameLocation: 'middle', nameGap: 30 }),
    yAxis: side(y, clip(surfaceView.y, 60), { nameLocation: 'end', nameTextStyle: { align: 'left', color: token('muted'), fontSize: 12 } }),
    visualMap: { show: false, min: low, max: high, dimension: 2, inRange: { color: RAMPS[theme()] } },
    series: [{ type: 'heatmap', label, data: cells.map((cell) => ({ value: [...cell.place, cell.mean], number: cell.values.length,
      label: { color: share(cell.mean) > 0.45 ? token('on-accent') : token('text') } })),
    itemStyle: { borderColor: token('card'), borderWidth: 2, borderRadius: 3 }, emphasis: { disabled: true },
    tooltip: { formatter: ({ data: cell }) => `${surfaceView.x}=${x.texts[cell.value[0]]}\n${surfaceView.y}=${y.texts[cell.value[1]]}\nmean ${measure(cell.value[2])} of ${plural(cell.number, 'trial')}` } }],
  };
}
