// Timeline: when each trial ran, packed into as few rows as there were trials at once.

const MOST_LANES = 60;

function showTimeline() {
  const known = [...Array(count).keys()].filter((trial) => isFinite_(data.trials.started[trial]) && isFinite_(data.trials.seconds[trial]));
  if (!known.length) return;
  const { lanes, of } = packed(known);
  const plot = chart('When each trial ran', 70 + Math.min(lanes, MOST_LANES) * (lanes > 20 ? 9 : 20), () => timelineOption(known, of, lanes));
  fill('timeline', 'Timeline', `start and end of each trial; one row per trial running at once${lanes > MOST_LANES ? ` (${lanes})` : ''}`,
    data.objective?.ranked ? el('div', { class: 'tools' }, el('span', { class: 'spacer' }), rampLegend(), 'other colours: the state') : null, whenSeen(plot));
  selection.listeners.push(() => { if (plot.instance) plot.refresh(); });
}

/** Return the row of each trial: the first one that is free when it starts. */
function packed(known) {
  const free = [];
  const of = new Map();
  for (const trial of [...known].sort((a, b) => data.trials.started[a] - data.trials.started[b])) {
    let lane = free.findIndex((end) => end <= data.trials.started[trial]);
    if (lane < 0) lane = free.length;
    free[lane] = data.trials.started[trial] + data.trials.seconds[trial];
    of.set(trial, lane);
  }
  return { lanes: free.length, of };
}

function timelineOption(known, of, lanes) {
  const items = known.map((trial) => [data.trials.started[trial] * 1000, (data.trials.started[trial] + data.trials.seconds[trial]) * 1000, of.get(trial), trial]);
  return {
    grid: { left: 14, right: 20, top: 6, bottom: 34 },
    tooltip: tooltip({ trigger: 'item', formatter: ({ value }) => timelineTooltip(value[3]) }),
    xAxis: axis({ type: 'time', axisLine: { onZero: false, lineStyle: { color: token('strong-line') } }, axisLabel: { hideOverlap: true }, splitLine: { show: true } }),
    yAxis: { type: 'value', min: -0.5, max: lanes - 0.5, inverse: true, show: false },
    series: [{ type: 'custom', data: items, encode: { x: [0, 1], y: 2 }, renderItem: timelineBar, clip: true, progressive: 1000 }],
  };
}

function timelineBar(parameters, api) {
  const trial = api.value(3);
  const [from, y] = api.coord([api.value(0), api.value(2)]);
  const [to] = api.coord([api.value(1), api.value(2)]);
  const height = Math.max(2, api.size([0, 1])[1] * 0.72);
  const state = data.trials.state[trial];
  const fill_ = isRanked(trial) ? ramp(1 - trial / Math.max(1, data.objective.ranked - 1)) : stateColour(state);
  return { type: 'rect', shape: { x: from, y: y - height / 2, width: Math.max(1.5, to - from - 0.5), height, r: Math.min(3, height / 3) },
    style: { fill: fill_, opacity: isSelected(trial) ? 1 : 0.12 } };
}

function timelineTooltip(trial) {
  const { state, started, seconds } = data.trials;
  const value = data.objective ? `\n${data.objective.label} = ${measure(data.objective.values[trial])}` : '';
  return `${trialName(trial)}  ${state[trial]}\n${clip(inWords(trialSettings(trial)), 80)}\n${date(started[trial])}, ${duration(seconds[trial])}${value}`;
}
