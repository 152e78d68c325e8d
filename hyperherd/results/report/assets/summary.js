// The head of the page: what was swept, where it stands, what is best and how to have it again.

function showSummary() {
  byId('brand').textContent = data.title;
  const environment = data.provenance.kinds[0] ?? {};
  const scripts = [...new Set(data.sweeps.map((sweep) => sweep.script).filter(Boolean))].join(', ');
  const told = [scripts, environment.commit ? `commit ${environment.commit.slice(0, 10)}` : '', `report of ${date(data.made)}`];
  byId('top').replaceChildren(
    el('div', { class: 'title' }, el('h1', {}, data.title), el('p', { class: 'muted' }, told.filter(Boolean).join(' · '))),
    stateBar(),
    stateChips(),
    ...guess(),
    el('div', { class: 'cards' }, bestConfiguration(), bestTrial(), effort(), reproduce()),
    ...sameInAll(),
  );
}

/** Return a line above the cards where what is best rests on a guess. */
function guess() {
  return isGuessed() ? [el('p', { class: 'muted guess' }, data.ranking)] : [];
}

function stateBar() {
  const parts = Object.entries(data.counts).map(([state, number]) =>
    el('i', { style: { flex: String(number), background: stateColour(state) } }));
  return el('div', { class: 'progress', aria: { hidden: 'true' } }, parts);
}

function stateChips() {
  const chips = Object.entries(data.counts).map(([state, number]) => el('button', {
    type: 'button', class: `chip ${state}`, title: `show only ${state} trials`, on: { click: () => setFilter(`state=${state}`) },
  }, el('i'), `${number.toLocaleString('en')} ${state}`));
  return el('div', { class: 'states' }, el('strong', { class: 'num' }, plural(count, 'trial')), chips,
    isFinite_(data.left) ? el('span', { class: 'muted' }, `about ${duration(data.left)} left`) : null);
}

function card(what, ...children) {
  return el('div', { class: 'card' }, el('div', { class: 'what' }, what), ...children);
}

function bestConfiguration() {
  const best = data.configurations?.find((item) => item.rank === 1);
  if (!best || data.configurations.every((item) => item.planned < 2)) return null;
  const spread = best.std === null ? null : el('small', {}, ` ± ${error_(best.std)}`);
  return card(`best configuration, mean ${data.objective.label} of ${plural(best.n, 'seed')}`,
    el('div', { class: 'big' }, measure(best.mean), spread), settings(Object.entries(best.params)),
    el('p', { class: 'muted' }, data.sure.text),
    data.sure.interval ? el('p', { class: 'muted' }, `95 % interval: ${data.sure.interval}`) : null);
}

function bestTrial() {
  if (!data.objective?.ranked) {
    return card('best trial', el('div', { class: 'big' }, '–'), el('p', { class: 'muted' }, data.ranking));
  }
  const { label, direction } = data.objective;
  return card(`best trial, ${label} (${direction === 'maximize' ? 'higher' : 'lower'} is better)`,
    el('div', { class: 'big' }, measure(data.objective.values[0]), el('small', {}, `  ${trialName(0)}`)),
    settings(trialSettings(0)),
    data.configurations?.some((item) => item.planned > 1) ? null : el('p', { class: 'muted' }, data.sure.text));
}

function effort() {
  const times = data.trials.seconds.filter(isFinite_);
  if (!times.length) return null;
  const total = times.reduce((sum, value) => sum + value, 0);
  const starts = data.trials.started.filter(isFinite_);
  const told = starts.length ? `first started ${date(starts.reduce((low, value) => Math.min(low, value)))}` : '';
  return card('total time of all trials', el('div', { class: 'big' }, duration(total)),
    el('p', { class: 'muted' }, `${duration(total / times.length)} per trial`), el('p', { class: 'muted' }, told),
    data.gpu_hours ? el('p', { class: 'muted' }, data.gpu_hours) : null);
}

function reproduce() {
  if (!data.objective?.ranked || !data.trials.command[0]) return null;
  const box = card(`run the best trial again`, commandBox(data.trials.command[0]));
  box.classList.add('wide');
  return box;
}

function sameInAll() {
  const pairs = Object.entries(data.constant);
  return pairs.length ? [el('div', { class: 'settings' }, el('span', { class: 'muted' }, 'same in all'), settings(pairs))] : [];
}
