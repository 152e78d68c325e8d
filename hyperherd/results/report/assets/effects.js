// What matters: the share of variance of each parameter, its values compared over matched pairs, and all of its trials.

const PANELS_SHOWN = 9;
const MOST_DOTS = 2000;

function showEffects() {
  const found = data.effects;
  if (!found?.parameters.length) return;
  const grid = el('div', { class: 'grid' });
  const noise = found.noise ? ` Seed noise: ± ${error_(found.noise.std)}${found.noise.share === null ? '' : `, ${percent(found.noise.share)} of the variance`}.` : '';
  const draw = (most) => {
    grid.replaceChildren(...found.parameters.slice(0, most).map((item) => effectPanel(item)));
  };
  const rest = found.parameters.length - PANELS_SHOWN;
  const more = rest > 0 ? el('div', { class: 'pager' }, el('button', { type: 'button', class: 'quiet', on: { click: ({ target }) => {
    target.remove();
    draw(Infinity);
  } } }, `show ${plural(rest, 'more parameter')}`)) : null;
  fill('effects', 'Effects',
    `share of the variance of ${found.ranks ? 'the ranks of ' : ''}${data.objective.label} that a parameter explains beyond the others, without chance; tests and intervals hold for all together at 95 %; pairs are trials that differ only in this parameter.${noise}`,
    ...found.notes.map((note) => el('p', { class: 'muted' }, note)), grid, more);
  draw(PANELS_SHOWN);
}

const percent = (share) => (share === null ? '–' : share < 0.001 ? '< 0.1 %' : `${(100 * share).toFixed(share < 0.1 ? 1 : 0)} %`);

function effectPanel(item) {
  return el('div', { class: 'panel' },
    el('h3', {}, item.name, el('span', { class: item.matters ? 'up' : 'muted', style: { 'font-weight': '400' } }, `  ${item.verdict}`)),
    el('div', { class: 'share' },
      el('span', { class: 'track', aria: { hidden: 'true' } }, el('i', { style: { width: `${100 * Math.min(1, item.share ?? 0)}%` } })),
      el('span', { class: 'num' }, percent(item.share))),
    el('ul', {}, item.contrasts.slice(0, 4).map(contrastLine),
      item.contrasts.length + item.more > 4 ? el('li', { class: 'muted' }, `and ${plural(item.contrasts.length + item.more - 4, 'more comparison')}`) : null,
      item.contrasts.length ? null : el('li', { class: 'muted' }, 'no two trials differ only in this parameter')),
    stripPlot(item));
}

const signed = (value) => `${value > 0 ? '+' : ''}${measure(value)}`;

function contrastLine(contrast) {
  const bounds = contrast.low === null ? '  too few pairs to tell' : ` [${signed(contrast.low)}, ${signed(contrast.high)}]`;
  return el('li', {}, el('span', { class: 'mono' }, `${contrast.value} vs ${contrast.against}  `),
    el('span', { class: `num ${contrast.sure ? 'up' : ''}` }, `${signed(contrast.mean)}${bounds}`),
    el('span', { class: 'muted' }, `  ahead in ${contrast.wins}/${contrast.pairs}`));
}

function stripPlot(item) {
  const param = data.params.find((candidate) => candidate.name === item.name);
  if (!param || !data.objective.ranked) return null;
  return whenSeen(chart(`${data.objective.label} of each trial by ${item.name}`, 150, () => stripOption(param)));
}

function stripOption(param) {
  const few = !param.numeric || param.values.length <= FEW;
  const numbers = param.values.map((value) => value.number);
  const log = !few && numbers[0] > 0 && numbers.at(-1) / numbers[0] >= 100;
  const dots = [];
  const every = Math.ceil(data.objective.ranked / MOST_DOTS);
  for (let trial = 0; trial < data.objective.ranked; trial += every) {
    const code = param.codes[trial];
    if (code >= 0) dots.push({ value: [few ? code + jitter(trial) * 0.18 : numbers[code], data.objective.values[trial]], trial });
  }
  const label = (value) => (Number.isInteger(value) ? clip(param.values[value]?.text ?? '', 12) : '');
  const xAxis = few
    ? axis({ type: 'value', axisLine: { onZero: false, lineStyle: { color: token('strong-line') } }, min: -0.5, max: param.values.length - 0.5, splitLine: { show: false },
      axisLabel: { customValues: param.values.map((_, code) => code), formatter: label, hideOverlap: true } })
    : axis({ type: log ? 'log' : 'value', scale: true, axisLine: { onZero: false, lineStyle: { color: token('strong-line') } }, splitLine: { show: false }, axisLabel: { formatter: measure, hideOverlap: true } });
  return {
    grid: { left: 46, right: 8, top: 12, bottom: 24 },
    xAxis,
    yAxis: axis({ type: 'value', scale: true, splitNumber: 3, axisLine: { show: false }, axisLabel: { formatter: measure } }),
    series: [{ type: 'scatter', data: dots, symbolSize: dots.length > 400 ? 3 : 5.5, itemStyle: { color: fade(colour(0), dots.length > 400 ? 0.3 : 0.55) },
      tooltip: { formatter: ({ data: dot }) => `${trialName(dot.trial)}\n${param.name}=${paramText(param, dot.trial)}\n${measure(dot.value[1])}` } }],
  };
}
