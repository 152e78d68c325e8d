// How the sweep came to its best: every ranked trial when it ended, and the best so far.

const historyView = { x: 'time' };

function showHistory() {
  if (!data.objective?.ranked || count < 2) return;
  const plot = chart('best value so far', 300, historyOption);
  const timed = data.trials.seconds.some(isFinite_) && data.trials.started.some(isFinite_);
  if (!timed) historyView.x = 'trials';
  const tools = select('over', [...(timed ? [['time', 'time']] : []), ['trials', 'trials in the order of their ends']], historyView.x, (value) => { historyView.x = value; plot.refresh(); });
  fill('history', 'Best so far', `${data.objective.label} of each selected finished trial, and the best until then`, el('div', { class: 'tools' }, tools), whenSeen(plot));
  selection.listeners.push(() => { if (plot.instance) plot.refresh(); });
}

/** Return the ranked trials that are selected, in the order of their ends: {trial, end, value, best}. */
function historyPoints() {
  const { started, seconds } = data.trials;
  const sign = data.objective.direction === 'minimize' ? -1 : 1;
  const ended = (trial) => (isFinite_(started[trial]) && isFinite_(seconds[trial]) ? started[trial] + seconds[trial] : null);
  const points = [...Array(data.objective.ranked).keys()].filter(isSelected)
    .map((trial) => ({ trial, end: ended(trial), value: data.objective.values[trial] })).filter(({ end }) => end !== null || historyView.x === 'trials');
  points.sort((a, b) => (a.end ?? Infinity) - (b.end ?? Infinity) || Number(data.trials.label[a.trial]) - Number(data.trials.label[b.trial]));
  let best_ = null;
  for (const point of points) {
    if (best_ === null || sign * (point.value - best_) > 0) best_ = point.value;
    point.best = best_;
  }
  return points;
}

function historyOption() {
  const points = historyPoints();
  const time = historyView.x === 'time';
  const x = (point, place) => (time ? point.end * 1000 : place + 1);
  const every = Math.ceil(points.length / MOST_DOTS);
  const dots = points.map((point, place) => ({ value: [x(point, place), point.value], trial: point.trial })).filter((_, place) => place % every === 0);
  const steps = points.map((point, place) => [x(point, place), point.best]).filter(([, value], place, all) => !place || place === all.length - 1 || value !== all[place - 1][1]);
  const line = { onZero: false, lineStyle: { color: token('strong-line') } };
  return {
    grid: { left: 70, right: 24, top: 14, bottom: time ? 30 : 46 },
    xAxis: axis({ type: time ? 'time' : 'value', axisLine: line, splitLine: { show: false }, ...(time ? {} : { name: 'trials', nameLocation: 'middle', nameGap: 28, min: 1, max: 'dataMax', minInterval: 1 }), axisLabel: { hideOverlap: true } }),
    yAxis: numberAxis(points.map(({ value }) => value), { axisLine: { show: false } }),
    series: [...dotSeries(dots, ({ data: dot }) => `${trialName(dot.trial)}\n${clip(inWords(trialSettings(dot.trial)), 80)}\n${data.objective.label} = ${measure(dot.value[1])}`),
      { type: 'line', data: steps, step: 'end', showSymbol: false, silent: true, lineStyle: { color: colour(1), width: 2 }, tooltip: { show: false }, z: 4 }],
  };
}
