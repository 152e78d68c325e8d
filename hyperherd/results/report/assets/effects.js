// What matters: the share of variance of each parameter, and its values compared over matched pairs. The tests are
// those of Python, of all trials: of a selection nothing is claimed.

const PANELS_SHOWN = 9;

function showEffects() {
  const found = data.effects;
  if (!found?.parameters.length) return;
  const grid = el('div', { class: 'grid' });
  const noise = found.noise ? ` Seed noise: ± ${error_(found.noise.std)}${found.noise.share === null ? '' : `, ${percent(found.noise.share)} of the variance`}.` : '';
  const scope = el('p', { class: 'scope', role: 'note', hidden: true });
  fill('effects', 'Effects',
    `share of the variance of ${found.ranks ? 'the ranks of ' : ''}${data.objective.label} that a parameter explains beyond the others, without chance; tests and intervals hold for all together at 95 %; pairs are trials that differ only in this parameter.${noise}`,
    scope, ...found.notes.map((note) => el('p', { class: 'muted' }, note)), grid);
  grid.append(...folded(found.parameters.map(effectPanel), PANELS_SHOWN, 'parameter'));
  selection.listeners.push(() => {
    scope.hidden = selectsAll();
    byId('effects').classList.toggle('not-selected', !selectsAll());
    scope.textContent = `These tests are of ${found.trials} finished trials of all ${count.toLocaleString('en')}, not of the ${plural(selection.size, 'selected trial')}: herd-results effects PATH FILTER tests a selection.`;
  });
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
      item.contrasts.length ? null : el('li', { class: 'muted' }, 'no two trials differ only in this parameter')));
}

const signed = (value) => `${value > 0 ? '+' : ''}${measure(value)}`;

function contrastLine(contrast) {
  const bounds = contrast.low === null ? '  too few pairs to tell' : ` [${signed(contrast.low)}, ${signed(contrast.high)}]`;
  return el('li', {}, el('span', { class: 'mono' }, `${contrast.value} vs ${contrast.against}  `),
    el('span', { class: `num ${contrast.sure ? 'up' : ''}` }, `${signed(contrast.mean)}${bounds}`),
    el('span', { class: 'muted' }, `  ahead in ${contrast.wins}/${contrast.pairs}`));
}
