// What matters among the selected trials: the share of variance of each parameter, its test, and its values compared
// over matched pairs. Of all trials this came with the data; of a selection it is computed anew, by the same rules.

const PANELS_SHOWN = 9;
const SOON = 150; // milliseconds without a change of the selection before it is computed
const AT_ONCE = 20; // milliseconds of computing before the page may do something else

function showEffects() {
  if (!data.effects?.parameters.length) return;
  drawEffects(data.effects);
  let waiting = 0;
  selection.listeners.push(() => {
    clearTimeout(waiting);
    if (selectsAll()) drawEffects(data.effects);
    else {
      byId('effects').setAttribute('aria-busy', 'true');
      waiting = setTimeout(() => goOn(effectsInSteps(selectedTrials())), SOON);
    }
  });
  const goOn = (steps) => {
    const end = performance.now() + AT_ONCE;
    let step;
    do step = steps.next(); while (!step.done && performance.now() < end);
    if (step.done) drawEffects(step.value); else waiting = setTimeout(() => goOn(steps));
  };
}

function drawEffects(found) {
  const grid = el('div', { class: 'grid' });
  const noise = found.noise ? ` Seed noise: ± ${error_(found.noise.std)}${found.noise.share === null ? '' : `, ${percent(found.noise.share)} of the variance`}.` : '';
  fill('effects', 'Effects',
    `share of the variance of ${found.ranks ? 'the ranks of ' : ''}${data.objective.label} that a parameter explains beyond the others, without chance; tests and intervals hold for all together at 95 %; pairs are trials that differ only in this parameter.${noise}`,
    el('p', { class: 'told', role: 'status' }, scopeText(found)), ...[...found.joint.map(jointText), ...found.survivors.map((split) => survivorText(split, found.looked))].map((note) => el('p', { class: 'told' }, note)), grid);
  grid.append(...folded(found.parameters.map(effectPanel), PANELS_SHOWN, 'parameter'));
  byId('effects').setAttribute('aria-busy', 'false');
}

/** Return of which trials this is, and what cannot be said of them. */
function scopeText(found) {
  const of = `${plural(found.trials, 'finished trial')} with a value`;
  const left = found.left_out ? `, ${found.left_out.toLocaleString('en')} left out` : '';
  if (selectsAll()) return `Of ${of}${left}.`;
  const told = [`Of the ${plural(selection.size, 'selected trial')}: ${of}${left}.`];
  if (!found.trials) told.push('There is nothing to compare.');
  else if (!found.parameters.length) told.push('No parameter varies among them, so there is nothing to compare.');
  const fixed = data.effects.parameters.filter(({ name }) => found.trials && !found.parameters.some((item) => item.name === name))
    .map(({ name }) => [name, valueText(name, found.fixed.get(name) ?? null)]);
  if (fixed.length) told.push(`The same in all of them, so nothing can be said of it: ${inWords(fixed.slice(0, SETTINGS_SHOWN))}${fixed.length > SETTINGS_SHOWN ? ` and ${fixed.length - SETTINGS_SHOWN} more` : ''}.`);
  return told.join(' ');
}

/** Return a typed value of a setting for people. */
function valueText(name, typed) {
  if (typed === null) return '(not set)';
  const values = [...data.params, ...data.comparable.columns].find((column) => column.name === name && column.values)?.values;
  return values?.find((value) => value.typed === typed)?.text ?? exactOf(typed);
}

function jointText({ names, share, p }) {
  return `${names.join(' × ')}: the effect of one depends on the value of the other (${share.toFixed(3)} of the variance, ${pText(p)})`;
}

function survivorText(split, looked) {
  const which = `${split.parameter}${split.relation}${valueText(split.parameter, split.value)}`;
  return `left out more often: ${which}: ${split.failed} of ${split.of} have no value, else ${split.others_failed} of ${split.others} `
    + `(${pText(split.p)} for all ${plural(looked, 'split')}); the effects are those of the trials that have one`;
}

const percent = (share) => (share === null ? '–' : share < 0.001 ? '< 0.1 %' : `${(100 * share).toFixed(share < 0.1 || share >= 0.99 && share < 1 ? 1 : 0)} %`);

function effectPanel(item) {
  const { value, upto, mean, trials } = item.best;
  const best = valueText(item.name, value) + (upto === null ? '' : ` to ${valueText(item.name, upto)}`);
  return el('div', { class: 'panel' },
    el('h3', {}, item.name, el('span', { class: item.matters ? 'up' : 'muted', style: { 'font-weight': '400' } }, `  ${item.verdict}`)),
    el('div', { class: 'share' },
      el('span', { class: 'track', aria: { hidden: 'true' } }, el('i', { style: { width: `${100 * Math.min(1, item.share ?? 0)}%` } })),
      el('span', { class: 'num' }, percent(item.share))),
    el('ul', {},
      el('li', { class: 'muted' }, `best mean: ${measure(mean)} at ${best} (${plural(trials, 'trial')})`),
      item.contrasts.slice(0, 4).map((contrast) => contrastLine(contrast, item)),
      item.contrasts.length + item.more > 4 ? el('li', { class: 'muted' }, `and ${plural(item.contrasts.length + item.more - 4, 'more comparison')}`) : null,
      item.contrasts.length ? null : el('li', { class: 'muted' }, 'no two trials differ only in this parameter')));
}

const signed = (value) => `${value > 0 ? '+' : ''}${measure(value)}`;

function contrastLine(item, { name, over }) {
  const bounds = item.low === null ? '  too few pairs to tell' : ` [${signed(item.low)}, ${signed(item.high)}]${item.sure ? '' : ', cannot be told apart'}`;
  const of = `${over === 'configurations' ? ' pairs of configurations' : ''}${item.paired ? '' : ' with seeds of their own'}${item.ties ? ` (${item.ties} equal)` : ''}`;
  return el('li', {}, el('span', { class: 'mono' }, `${valueText(name, item.value)} vs ${valueText(name, item.against)}  `),
    el('span', { class: `num ${item.sure ? 'up' : ''}` }, `${signed(item.mean)}${bounds}`),
    el('span', { class: 'muted' }, `  ahead in ${item.wins}/${item.pairs}${of}`));
}
