// Any metric against any other one, with the trials that no other trial beats in both (the Pareto front).

const tradeoffView = { x: '', y: '', better: {} };
const SECONDS = 'time in seconds';

function showTradeoffs() {
  const times = { name: SECONDS, values: data.trials.seconds };
  const columns = [...numberColumns(), ...(times.values.some(isFinite_) ? [times] : [])];
  if (columns.length < 2 || count < 2) return;
  tradeoffView.y = columns[0].name;
  for (const { name } of columns) tradeoffView.better[name] = name === SECONDS ? 'minimize' : own(data.directions, name) ?? '';
  const others = columns.slice(1).map(({ name }) => name);
  tradeoffView.x = others.find((name) => tradeoffView.better[name]) ?? others[0];
  const judges = (data.front?.objectives ?? []).map(({ label }) => label).filter((label) => columns.some(({ name }) => name === label));
  if (judges.length > 1) [tradeoffView.x, tradeoffView.y] = judges;
  const told = el('p', { class: 'muted' });
  const tools = el('div', { class: 'tools' });
  const plot = chart('one metric against another, with the Pareto front', 380, () => {
    const points = tradeoffPoints(columns);
    told.textContent = tradeoffTold(points);
    return tradeoffOption(points);
  });
  const draw = () => { tools.replaceChildren(...tradeoffTools(columns, draw)); plot.refresh(); };
  fill('tradeoffs', 'Trade-offs', null, tools, whenSeen(plot));
  byId('tradeoffs').querySelector('.head').append(told);
  tools.replaceChildren(...tradeoffTools(columns, draw));
  selection.listeners.push(() => { if (plot.instance) plot.refresh(); });
}

function tradeoffTools(columns, draw) {
  const names = columns.map(({ name }) => [name, name]);
  const better = [['', 'not known'], ['maximize', 'higher is better'], ['minimize', 'lower is better']];
  return ['x', 'y'].flatMap((side) => [
    select(side === 'x' ? 'across' : 'up', names, tradeoffView[side], (name) => { tradeoffView[side] = name; draw(); }),
    select(`which way is better, ${side === 'x' ? 'across' : 'up'}`, better, tradeoffView.better[tradeoffView[side]], (way) => { tradeoffView.better[tradeoffView[side]] = way; draw(); }, { quiet: true }),
  ]);
}

/** Return {dots, front, signs} of the finished trials that have both numbers. */
function tradeoffPoints(columns) {
  const [xs, ys] = ['x', 'y'].map((side) => columns.find(({ name }) => name === tradeoffView[side]).values);
  const dots = [...Array(count).keys()].filter((trial) => isFinished(trial) && isFinite_(xs[trial]) && isFinite_(ys[trial]))
    .map((trial) => ({ value: [xs[trial], ys[trial]], trial }));
  const signs = ['x', 'y'].map((side) => own({ maximize: 1, minimize: -1 }, tradeoffView.better[tradeoffView[side]]) ?? 0);
  return { dots, signs, front: signs.includes(0) ? [] : paretoFront(dots.filter(({ trial }) => isSelected(trial)), signs) };
}

/** Return the dots that no other one beats in one number without being worse in the other, along the first number. */
function paretoFront(dots, [signX, signY]) {
  const ordered = dots.toSorted((a, b) => signX * (b.value[0] - a.value[0]) || signY * (b.value[1] - a.value[1]));
  const front = [];
  let [best, at_] = [-Infinity, null];
  for (const dot of ordered) {
    const y = signY * dot.value[1];
    if (y > best || (y === best && dot.value[0] === at_)) {
      front.push(dot);
      [best, at_] = [y, dot.value[0]];
    }
  }
  return front.reverse();
}

function tradeoffTold({ dots, front, signs }) {
  const selected = dots.filter(({ trial }) => isSelected(trial)).length;
  const what = plural(selected, selectsAll() ? 'finished trial' : 'selected finished trial');
  return signs.includes(0) ? `${what}; choose which way each is better to see the Pareto front` : `${what}; ${front.length} on the Pareto front: no other one is better in one and not worse in the other`;
}

function tradeoffOption({ dots, front }) {
  const every = Math.ceil(dots.length / (2 * MOST_DOTS));
  const on = new Set(front);
  const formatter = ({ data: dot }) => `${trialName(dot.trial)}\n${clip(inWords(trialSettings(dot.trial)), 80)}\n${tradeoffView.x} = ${measure(dot.value[0])}\n${tradeoffView.y} = ${measure(dot.value[1])}`;
  const line = { onZero: false, lineStyle: { color: token('strong-line') } };
  const [xs, ys] = [0, 1].map((side) => dots.map(({ value }) => value[side]));
  return {
    grid: { left: 70, right: 24, top: 34, bottom: 48 },
    xAxis: numberAxis(xs, { name: clip(tradeoffView.x, 60), nameLocation: 'middle', nameGap: 28, axisLine: line, splitLine: { show: false } }),
    yAxis: numberAxis(ys, { name: clip(tradeoffView.y, 60), nameLocation: 'end', nameTextStyle: { align: 'left', color: token('muted'), fontSize: 12 }, axisLine: { show: false } }),
    series: [...dotSeries(dots.filter((dot, place) => place % every === 0 && !on.has(dot)), formatter),
      { type: 'line', data: front.map(({ value }) => value), step: 'start', showSymbol: false, silent: true, lineStyle: { color: colour(1), width: 1.6 }, tooltip: { show: false }, z: 4 },
      { type: 'scatter', data: front, symbolSize: 9, itemStyle: { color: colour(1), borderColor: token('card'), borderWidth: 1 }, z: 5, tooltip: { formatter } }],
  };
}
