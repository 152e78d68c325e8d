// The head of the page: what was swept, where it stands, what is best and how to have it again.

function showSummary() {
  byId('brand').textContent = data.title;
  const environment = data.provenance.kinds[0] ?? {};
  const scripts = [...new Set(data.sweeps.map((sweep) => sweep.script).filter(Boolean))].join(', ');
  const told = [scripts, environment.commit ? `commit ${environment.commit.slice(0, 10)}` : '', `report of ${date(data.made)}`];
  const cards = el('div', { class: 'cards' });
  byId('top').replaceChildren(
    el('div', { class: 'title' }, el('h1', {}, data.title), el('p', { class: 'muted' }, told.filter(Boolean).join(' · '))),
    stateBar(),
    stateChips(),
    ...guess(),
    cards,
    ...sameInAll(),
  );
  const draw = () => cards.replaceChildren(...[best(), effort()].filter(Boolean));
  selection.listeners.push(draw);
  draw();
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

const hasSeeds = () => (data.configurations ?? []).some((item) => item.planned > 1);
const amongSelected = () => (selectsAll() ? '' : ` of the ${plural(selection.size, 'selected trial')}`);

/** Return the card of the one best, with the command that runs it again. */
function best() {
  const found = rankedConfigurations();
  const row = found.ranked ? found.rows[0] : null;
  const trial = bestTrial();
  if (!row) {
    return card('best', el('div', { class: 'big' }, '–'), el('p', { class: 'muted' }, data.objective?.ranked ? 'no selected trial has a value to be ranked by' : data.ranking));
  }
  const { label, direction } = data.objective;
  const better = `${direction === 'maximize' ? 'higher' : 'lower'} is better`;
  const told = hasSeeds() ? [
    el('div', { class: 'what' }, `best configuration${amongSelected()}: mean ${label} of ${plural(row.n, 'seed')}, ${better}`),
    el('div', { class: 'big' }, measure(row.mean), row.std === null ? null : el('small', {}, ` ± ${error_(row.std)}`)),
    settings(byWeight(Object.entries(row.params))),
  ] : [
    el('div', { class: 'what' }, `best trial${amongSelected()}: ${label}, ${better}`),
    el('div', { class: 'big' }, measure(data.objective.values[trial]), el('small', {}, `  ${trialName(trial)}`)),
    settings(byWeight(trialSettings(trial))),
  ];
  const sure = [found.text, found.interval ? `95 % interval: ${found.interval}` : ''].filter(Boolean).map((text) => el('p', { class: 'muted' }, text));
  const box = el('div', { class: 'card wide best-card' }, el('div', {}, ...told, ...sure), reproduce(trial));
  return box;
}

/** Return the trial of the best configuration that has the best value; trials come in the order of their rank. */
function bestTrial() {
  const found = rankedConfigurations();
  const { trials, twice } = found.ranked ? found.rows[0] : { trials: [], twice: [] };
  return trials.filter((trial) => isRanked(trial) && !twice.includes(trial)).reduce((low, trial) => Math.min(low, trial), Infinity);
}

function reproduce(trial) {
  if (!data.trials.command[trial]) return null;
  const value = hasSeeds() ? ` (${trialName(trial)}, ${measure(data.objective.values[trial])})` : '';
  return el('div', {}, el('div', { class: 'what' }, hasSeeds() ? `run the best trial of this configuration again${value}` : 'run it again'), commandBox(data.trials.command[trial]));
}

function effort() {
  const chosen = [...Array(count).keys()].filter(isSelected);
  const times = chosen.map((trial) => data.trials.seconds[trial]).filter(isFinite_);
  if (!times.length) return null;
  const total = times.reduce((sum, value) => sum + value, 0);
  const starts = chosen.map((trial) => data.trials.started[trial]).filter(isFinite_);
  const told = starts.length ? `first started ${date(starts.reduce((low, value) => Math.min(low, value)))}` : '';
  return card(selectsAll() ? 'total time of all trials' : `total time${amongSelected()}`, el('div', { class: 'big' }, duration(total)),
    el('p', { class: 'muted' }, `${duration(total / times.length)} per trial`), el('p', { class: 'muted' }, told),
    data.gpu_hours && selectsAll() ? el('p', { class: 'muted' }, data.gpu_hours) : null);
}

function sameInAll() {
  const pairs = Object.entries(data.constant);
  return pairs.length ? [el('div', { class: 'settings' }, el('span', { class: 'muted' }, 'same in all'), settings(pairs))] : [];
}
