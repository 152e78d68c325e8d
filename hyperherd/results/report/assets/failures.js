// Failures, grouped by what happened and where, with what their trials share and how to run them again.

function showFailures() {
  const found = data.failures;
  if (!found) return;
  const body = el('div');
  fill('failures', 'Failures', `${plural(found.total, 'trial')} did not succeed`, body);
  const draw = () => body.replaceChildren(...(selectsAll() ? allFailures(found) : selectedFailures(found)));
  selection.listeners.push(draw);
  draw();
}

function allFailures(found) {
  const shared = Object.entries(found.shared);
  return [
    shared.length ? el('div', { class: 'tools' }, 'all of them have ', settings(shared)) : null,
    ...found.rates.map((rate) => el('div', { class: 'tools' }, rate)),
    ...found.groups.map((group, place) => failureGroup(group, place < 2)),
    found.more ? el('p', { class: 'empty' }, `and ${plural(found.more, 'more group')}`) : null,
    found.again.length ? el('div', { class: 'again' }, el('p', { class: 'muted' }, 'run them again (finished trials are kept)'), found.again.map(commandBox),
      found.more_again ? el('p', { class: 'muted' }, `and ${plural(found.more_again, 'more command')}: herd-results failures`) : null) : null,
  ].filter(Boolean);
}

/** Return the groups as far as they are selected. What trials share, and how often they fail, is known of all alone. */
function selectedFailures(found) {
  const groups = found.groups.map((group) => ({ ...group, trials: group.trials.filter(isSelected), shared: {} })).filter(({ trials }) => trials.length);
  if (!groups.length) return [el('p', { class: 'empty' }, 'No trial that did not succeed is selected.')];
  const told = `${plural(groups.reduce((sum, { trials }) => sum + trials.length, 0), 'selected trial')}${found.more ? ' in the groups shown' : ''}; what failures share is shown for all trials together`;
  return [el('p', { class: 'muted scope' }, told), ...groups.map((group, place) => failureGroup({ ...group, command: data.trials.command[group.trials[0]] }, place < 2))];
}

function failureGroup(group, open) {
  const shared = Object.entries(group.shared);
  const only = group.finished === 0 ? 'shared by all, and by no finished trial:' : `shared by all, and by ${plural(group.finished ?? 0, 'finished trial')}:`;
  return el('details', { open },
    el('summary', {}, el('b', {}, group.kind), ` × ${group.trials.length}`, group.where ? el('span', { class: 'mono' }, `  ${group.where}`) : null,
      group.message ? el('div', { class: 'muted' }, group.message) : null),
    el('div', { class: 'tools', style: { margin: '10px 0 0' } },
      el('span', {}, `${group.trials.length === 1 ? 'trial' : 'trials'} `, trialLinks(group.trials)),
      shared.length ? el('span', { class: 'settings' }, only, settings(shared)) : settings(group.trials.length === 1 ? trialSettings(group.trials[0]) : [])),
    group.traceback ? el('pre', { tabIndex: 0, aria: { label: 'traceback' } }, group.traceback) : null,
    group.command ? commandBox(group.command) : null);
}

function trialLinks(trials) {
  const links = trials.slice(0, 12).map((trial) => el('a', { href: '#trials', on: { click: () => openTrial(trial) } }, data.trials.label[trial]));
  return el('span', {}, links.flatMap((link, place) => (place ? [', ', link] : [link])), trials.length > 12 ? ` and ${trials.length - 12} more` : null);
}
