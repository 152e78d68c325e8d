// Slices: a metric of every finished trial over each parameter. What is not selected stays, faintly.

const SLICES_SHOWN = 9;
const MOST_DOTS = 2000;
const sliceView = { metric: '' };

/** Return the columns of numbers that finished trials have: {name, values}, the objective first. */
function numberColumns() {
  const objective = data.objective && data.objective.label !== data.objective.metric ? [{ name: data.objective.label, values: data.objective.values }] : [];
  return [...objective, ...data.metrics].filter(({ values }) => values.some((value, trial) => isFinite_(value) && isFinished(trial)));
}

function showSlices() {
  const columns = numberColumns();
  const params = data.params.filter(({ values }) => values.length > 1);
  if (count < 2 || !columns.length || !params.length) return;
  sliceView.metric = columns[0].name;
  const weight = weights();
  params.sort((a, b) => (weight.get(a.name) ?? 1e9) - (weight.get(b.name) ?? 1e9));
  const values = () => columns.find(({ name }) => name === sliceView.metric).values;
  const plots = params.slice(0, 60).map((param) => chart(`slice: a metric of each trial by ${param.name}`, 190, () => sliceOption(param, values())));
  const redraw = () => { for (const plot of plots) if (plot.instance) plot.refresh(); };
  const panels = plots.map((plot, place) => el('div', { class: 'panel' }, el('h3', {}, params[place].name), whenSeen(plot)));
  const grid = el('div', { class: 'grid' });
  fill('slices', 'Slices', 'each dot is a finished trial; those that are not selected are faint', el('div', { class: 'tools' }, select('metric', columns.map(({ name }) => [name, name]), sliceView.metric, (name) => { sliceView.metric = name; redraw(); })), grid,
    params.length > plots.length ? el('p', { class: 'empty' }, `${plural(params.length - plots.length, 'more parameter')} not drawn`) : null);
  grid.append(...folded(panels, SLICES_SHOWN, 'parameter'));
  selection.listeners.push(redraw);
}

/** Return the axis of a parameter: its few values at equal distances, or a scale. */
function paramScale(param) {
  const few = !param.numeric || param.values.length <= FEW;
  const numbers = param.values.map(({ number }) => number);
  const label = (value) => (Number.isInteger(value) ? clip(param.values[value]?.text ?? '', 12) : '');
  const line = { onZero: false, lineStyle: { color: token('strong-line') } };
  const every = Math.ceil(param.values.length / FEW);
  if (few) {
    return { at: (trial) => (param.codes[trial] < 0 ? null : param.codes[trial] + jitter(trial) * 0.18),
      axis: axis({ type: 'value', axisLine: line, min: -0.5, max: param.values.length - 0.5, splitLine: { show: false },
        axisLabel: { customValues: param.values.map((_, code) => code).filter((code) => code % every === 0), formatter: label, hideOverlap: true } }) };
  }
  return { at: (trial) => numbers[param.codes[trial]] ?? null, axis: numberAxis(numbers, { axisLine: line, splitLine: { show: false } }) };
}

/** Return an axis for numbers: logarithmic only where they ask for it. */
function numberAxis(numbers, more = {}) {
  return axis({ type: wantsLog(numbers) ? 'log' : 'value', scale: true, ...more, axisLabel: { formatter: measure, hideOverlap: true, ...more.axisLabel } });
}

function sliceOption(param, values) {
  const scale = paramScale(param);
  const all = [...Array(count).keys()].filter((trial) => isFinished(trial) && isFinite_(values[trial]) && scale.at(trial) !== null);
  const every = Math.ceil(all.length / MOST_DOTS);
  const dots = all.filter((_, place) => place % every === 0).map((trial) => ({ value: [scale.at(trial), values[trial]], trial }));
  const yAxis = numberAxis(all.map((trial) => values[trial]), { splitNumber: 3, axisLine: { show: false } });
  return {
    grid: { left: 58, right: 10, top: 12, bottom: 26 },
    xAxis: scale.axis, yAxis,
    series: dotSeries(dots, ({ data: dot }) => `${trialName(dot.trial)}\n${param.name}=${paramText(param, dot.trial)}\n${measure(values[dot.trial])}`),
  };
}

/** Return the series of dots of trials: those that are not selected lie below, faintly. */
function dotSeries(dots, formatter) {
  const many = dots.length > 400;
  const look = (color, chosen) => ({ type: 'scatter', data: dots.filter((dot) => (isSelected(dot.trial)) === chosen), symbolSize: many ? 3.5 : 6, itemStyle: { color }, z: chosen ? 3 : 2, tooltip: { formatter } });
  return [look(fade(token('faint'), 0.25), false), look(fade(colour(0), many ? 0.35 : 0.6), true)];
}
