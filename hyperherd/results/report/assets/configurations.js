// Configurations: seeds folded into mean ± std, with the 95 % interval and every seed drawn beside the numbers.

const CONFIGURATION_ROW = 32;
const INTERVAL_AXIS = 24;
const PARAMS_SHOWN = 8;
const CONFIGURATIONS_SHOWN = 20;
let configurationsShown = CONFIGURATIONS_SHOWN;
let intervalPlot = null;

function showConfigurations() {
  if (!data.configurations?.length || !data.objective || !hasSeeds()) return;
  const body = el('div');
  fill('configurations', 'Configurations',
    `${data.objective.label}${isGuessed() ? ' (a guessed objective)' : ''}: mean ± std over finished seeds; line: 95 % confidence interval (t); dots: single seeds`, body);
  const draw = () => drawConfigurations(body);
  selection.listeners.push(draw);
  draw();
}

function drawConfigurations(body) {
  // With a brush the room stays, so that the chart below does not move under it.
  body.style.setProperty('min-height', selectsAll() || !selection.brushes.size ? '' : `${body.offsetHeight}px`);
  const found = rankedConfigurations();
  const rows = found.rows.slice(0, configurationsShown);
  if (!rows.length) {
    body.replaceChildren(el('p', { class: 'empty' }, 'No configuration has a selected trial.'));
    return;
  }
  intervalPlot?.dispose();
  intervalPlot = chart('Mean and 95 % confidence interval of each configuration', rows.length * CONFIGURATION_ROW + INTERVAL_AXIS, () => intervals(rows), { bare: true });
  const told = selectsAll() ? null : el('p', { class: 'muted' }, `of the ${plural(selection.size, 'selected trial')}: ranks, means and intervals are of these alone`);
  body.replaceChildren(told ?? '', el('div', { class: 'scroll' }, configurationTable(rows, found.pooled)),
    el('div', { class: 'foot' }, saveButtons(intervalPlot), moreConfigurations(found.rows.length, body) ?? ''));
  intervalPlot.refresh();
}

function configurationTable(rows, pooled) {
  const names = leading([...new Set(data.configurations.flatMap((item) => Object.keys(item.params)))], PARAMS_SHOWN);
  const heads = ['', ...names, 'seeds', ...(pooled ? ['ranked by'] : []), 'mean', '± std', '95 % interval'];
  const columns = {
    ...Object.fromEntries(names.map((name) => [name, aligned(rows.map((row) => settingText(row, name)))])),
    score: aligned(rows.map(({ score }) => measure(score))), mean: aligned(rows.map(({ mean }) => measure(mean))), std: aligned(rows.map(({ std }) => error_(std))),
  };
  const cell = (name, place, more = '') => el('td', { class: `right mono ${more}` }, columns[name][place]);
  return el('table', { class: 'fixed' },
    el('thead', {}, el('tr', {}, heads.map((head, place) =>
      el('th', { scope: 'col', class: place === 0 || place > names.length + 1 && place < heads.length - 1 ? 'right' : '' }, head)))),
    el('tbody', {}, rows.map((row, place) => el('tr', { class: row.rank === 1 ? 'best' : row.rank ? '' : 'dim' },
      el('td', { class: 'right' }, row.rank ?? '–'),
      names.map((name) => el('td', { class: 'mono', title: own(row.params, name) ?? '' }, columns[name][place])),
      el('td', { class: row.n < row.planned || row.flag ? 'flag num' : 'num', title: row.flag ?? '' }, `${row.n}/${row.planned}`),
      pooled ? cell('score', place) : null, cell('mean', place), cell('std', place, 'muted'),
      place === 0 ? el('td', { class: 'plotted', rowSpan: rows.length + 1 }, intervalPlot.node) : null)),
    el('tr', { class: 'axis-row' }, el('td', { colSpan: heads.length - 1 }, leftOut(names)))));
}

/** Return how many parameters have no column. */
function leftOut(names) {
  const total = new Set(data.configurations.flatMap((item) => Object.keys(item.params))).size;
  return total > names.length ? `${plural(total - names.length, 'more parameter')} not shown` : '';
}

/** Return the value of a parameter in a configuration, as the table of trials has it. */
function settingText(row, name) {
  const param = data.params.find((item) => item.name === name);
  return own(row.params, name) === undefined ? '·' : param ? paramText(param, row.trials[0]) : row.params[name];
}

function moreConfigurations(total, body) {
  if (total <= CONFIGURATIONS_SHOWN) return null;
  const next = configurationsShown >= total ? CONFIGURATIONS_SHOWN : Math.min(total, configurationsShown * 5, 200);
  const text = next < configurationsShown || next === configurationsShown ? 'show fewer' : `show ${next}`;
  return el('div', { class: 'pager' }, `${Math.min(configurationsShown, total)} of ${total} configurations`,
    el('button', { type: 'button', class: 'quiet', on: { click: () => {
      configurationsShown = text === 'show fewer' ? CONFIGURATIONS_SHOWN : next;
      drawConfigurations(body);
    } } }, text));
}

/** Return the range that all of `rows` are drawn in: their seeds, and intervals unless those would dwarf the seeds. */
function intervalRange(rows) {
  const ends = (values) => values.filter(isFinite_).reduce(([a, b], value) => [Math.min(a, value), Math.max(b, value)], [Infinity, -Infinity]);
  const seeds = ends(rows.flatMap((item) => item.values));
  if (seeds[0] > seeds[1]) return [0, 1];
  const all = ends(rows.flatMap((item) => [...item.values, item.low, item.high]));
  const width = seeds[1] - seeds[0];
  const [low, high] = width && all[1] - all[0] > 3 * width ? [seeds[0] - width / 2, seeds[1] + width / 2] : all;
  const margin = (high - low || Math.abs(high) || 1) * 0.05;
  return [low - margin, high + margin];
}

function intervals(rows) {
  const [min, max] = intervalRange(rows);
  const line = rows.map((item, place) => [item.low ?? item.mean, item.high ?? item.mean, item.mean, place - 0.08])
    .filter((item) => isFinite_(item[2]));
  const dots = rows.flatMap((item, place) => item.values.filter(isFinite_).map((value) => [value, place + 0.24]));
  return {
    grid: { left: 14, right: 14, top: 0, bottom: INTERVAL_AXIS },
    xAxis: { type: 'value', min, max, show: true, axisLine: { show: false }, axisTick: { show: false },
      axisLabel: { margin: 6, fontSize: 10.5, color: token('muted'), formatter: measure, showMinLabel: false, showMaxLabel: false, hideOverlap: true },
      splitNumber: 4, splitLine: { showMinLine: false, showMaxLine: false, lineStyle: { color: token('line') } } },
    yAxis: { type: 'value', min: -0.5, max: rows.length - 0.5, inverse: true, show: false },
    series: [
      { type: 'custom', data: line, renderItem: whisker, clip: true, z: 3, tooltip: { formatter: ({ value }) =>
        `${measure(value[2])}   95 %: ${measure(value[0])} to ${measure(value[1])}` } },
      { type: 'scatter', data: dots, symbolSize: 4.5, itemStyle: { color: fade(colour(0), 0.45) }, silent: true },
    ],
  };
}

function whisker(parameters, api) {
  const [from, y] = api.coord([api.value(0), api.value(3)]);
  const [to] = api.coord([api.value(1), api.value(3)]);
  const [middle] = api.coord([api.value(2), api.value(3)]);
  const stroke = colour(0);
  const cap = (x) => ({ type: 'line', shape: { x1: x, y1: y - 4, x2: x, y2: y + 4 }, style: { stroke, lineWidth: 1.5 } });
  return { type: 'group', children: [
    { type: 'line', shape: { x1: from, y1: y, x2: to, y2: y }, style: { stroke, lineWidth: 2 } },
    ...(to - from > 2 ? [cap(from), cap(to)] : []),
    { type: 'circle', shape: { cx: middle, cy: y, r: 4.5 }, style: { fill: stroke, stroke: token('card'), lineWidth: 1.5 } },
  ] };
}
