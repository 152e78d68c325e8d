// The Pareto front of several objectives, as it was found over the means of seeds: a scatter of two, and a table.

const FRONT_SHOWN = 20;

function showFront() {
  const front = data.front;
  if (!front) return;
  const head = `${front.size} of ${plural(front.points.length, 'configuration')} compared; of all trials, whatever is selected`;
  const plot = front.objectives.length === 2 && front.points.length > 1 ? whenSeen(chart('one objective against the other, with the Pareto front', 340, () => frontOption(front))) : null;
  const told = [front.apart, front.chance].filter(Boolean).map((text) => el('p', { class: 'muted' }, text));
  fill('front', 'Pareto front', head, plot, frontTable(front), ...told);
}

function frontTable({ objectives, points, size }) {
  const heads = ['trial', ...objectives.map(({ label, direction }) => `${label} (${direction === 'maximize' ? 'higher' : 'lower'} is better)`), 'settings', 'dominates'];
  const rows = points.slice(0, Math.min(size, FRONT_SHOWN)).map((point) => el('tr', {},
    el('td', {}, frontName(point)),
    point.means.map((mean, place) => el('td', { class: 'num' }, measure(mean), point.std[place] === null ? null : ` ± ${error_(point.std[place])}`)),
    el('td', {}, inWords(Object.entries(point.params))),
    el('td', { class: 'num' }, String(point.dominates))));
  return el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {}, heads.map((head) => el('th', {}, head)))), el('tbody', {}, rows)),
    size > FRONT_SHOWN ? el('p', { class: 'empty' }, `${size - FRONT_SHOWN} more`) : null);
}

function frontName({ trials, n }) {
  return n > 1 ? `${trialName(trials[0])} and ${plural(n - 1, 'more seed')}` : trialName(trials[0]);
}

/** Return a scatter of all that is compared, the front marked and joined by the steps of what it dominates. */
function frontOption({ objectives, points, size }) {
  const dot = (point) => ({ value: point.means, point });
  const [front, others] = [points.slice(0, size).map(dot), points.slice(size).map(dot)];
  const formatter = ({ data: { point } }) => [frontName(point), clip(inWords(Object.entries(point.params)), 80), ...objectives.map(({ label }, place) => `${label} = ${measure(point.means[place])}`)].join('\n');
  const line = { onZero: false, lineStyle: { color: token('strong-line') } };
  const [xs, ys] = [0, 1].map((side) => points.map(({ means }) => means[side]));
  const corner = frontSteps(front.map(({ value }) => value));
  return {
    grid: { left: 70, right: 24, top: 34, bottom: 48 },
    xAxis: numberAxis(xs, { name: clip(objectives[0].label, 60), nameLocation: 'middle', nameGap: 28, axisLine: line, splitLine: { show: false } }),
    yAxis: numberAxis(ys, { name: clip(objectives[1].label, 60), nameLocation: 'end', nameTextStyle: { align: 'left', color: token('muted'), fontSize: 12 }, axisLine: { show: false } }),
    series: [{ type: 'scatter', data: others, symbolSize: 6, itemStyle: { color: fade(colour(0), 0.5) }, z: 3, tooltip: { formatter } },
      { type: 'line', data: corner, showSymbol: false, silent: true, lineStyle: { color: colour(1), width: 1.6 }, tooltip: { show: false }, z: 4 },
      { type: 'scatter', data: front, symbolSize: 9, itemStyle: { color: colour(1), borderColor: token('card'), borderWidth: 1 }, z: 5, tooltip: { formatter } }],
  };
}

/** Return the edge of what the points dominate: they come along the first number from the best, so each next one is worse in it. */
function frontSteps(values) {
  return values.flatMap(([x, y], place) => (place ? [[x, values[place - 1][1]], [x, y]] : [[x, y]]));
}
