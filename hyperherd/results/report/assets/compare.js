// Two trials side by side: what was set, where they ran, what came out.

const ROWS_SHOWN = 20;
const compared = { a: 0, b: 1, all: false };

function showCompare() {
  if (count < 2) return;
  compared.b = data.objective?.ranked > 1 ? 1 : count - 1;
  const tools = el('div', { class: 'tools' });
  const body = el('div', { class: 'scroll' });
  fill('compare', 'Compare two trials', 'parameters, environment and results; differences are marked', tools, body);
  tools.append(...trialPickers(), el('button', { type: 'button', class: 'quiet', on: { click: () => compare(compared.b, compared.a) } }, 'swap'),
    checkbox('show equal rows', compared.all, (on) => { compared.all = on; drawCompare(); }));
  drawCompare();
}

/** Show two trials beside one another; `null` keeps the one that is there. */
function compare(a, b) {
  compared.a = a ?? compared.a;
  compared.b = b ?? compared.b;
  drawCompare();
}

function trialPickers() {
  const names = el('datalist', { id: 'trial-names' });
  for (let trial = 0; trial < Math.min(count, 2000); trial += 1) names.append(el('option', { value: pickerText(trial) }));
  return [names, ...['a', 'b'].map((side) => {
    const input = el('input', { type: 'search', id: `compare-${side}`, autocomplete: 'off', on: { change: () => {
      const found = findTrial(input.value);
      input.classList.toggle('wrong', found < 0);
      if (found >= 0) compare(side === 'a' ? found : null, side === 'b' ? found : null);
    } } });
    input.setAttribute('list', 'trial-names');
    return el('label', {}, side === 'a' ? 'first' : 'second', input);
  })];
}

const pickerText = (trial) => `${data.sweeps.length > 1 ? `${data.sweeps[data.trials.sweep[trial]].name} ` : ''}${data.trials.label[trial]}  ${inWords(trialSettings(trial))}`;

function findTrial(text) {
  const wanted = text.trim();
  const number = data.trials.label.findIndex((label) => label === wanted);
  if (number >= 0) return number;
  for (let trial = 0; trial < count; trial += 1) if (pickerText(trial) === text) return trial;
  return -1;
}

function drawCompare() {
  const { a, b } = compared;
  for (const side of ['a', 'b']) byId(`compare-${side}`).value = pickerText(compared[side]);
  const environment = (trial) => data.provenance.kinds[data.provenance.of[trial]] ?? {};
  const keys = [...new Set([...Object.keys(environment(a)), ...Object.keys(environment(b))])];
  const groups = [
    ['parameters', data.params.map((param) => [param.name, paramText(param, a), paramText(param, b), null])],
    ['environment', keys.map((key) => [key, own(environment(a), key) ?? '–', own(environment(b), key) ?? '–', null])],
    ['results', [
      ['state', data.trials.state[a], data.trials.state[b], null],
      ...data.metrics.map(({ name, values }) => [name, measure(values[a]), measure(values[b]),
        isFinite_(values[a]) && isFinite_(values[b]) ? values[b] - values[a] : null]),
      ['time', duration(data.trials.seconds[a]), duration(data.trials.seconds[b]), null],
    ]],
  ];
  const rows = groups.flatMap(([title, lines_]) => {
    const shown = lines_.filter(([, left, right]) => compared.all || title === 'results' || left !== right);
    return shown.length ? [el('tr', { class: 'group' }, el('td', { colSpan: 4 }, title)), ...folded(shown.map(compareRow), ROWS_SHOWN, 'row')] : [];
  });
  byId('compare').querySelector('.scroll').replaceChildren(el('table', {},
    el('thead', {}, el('tr', {}, ['', trialName(a), trialName(b), 'difference'].map((head) => el('th', { scope: 'col' }, head)))),
    el('tbody', {}, rows)));
}

function compareRow([name, left, right, difference]) {
  const cells = [el('td', { title: name }, name), el('td', { class: 'mono', title: left }, left), el('td', { class: 'mono', title: right }, right)];
  return el('tr', { class: left === right ? '' : 'differs' }, cells,
    el('td', { class: 'mono' }, difference === null || difference === 0 ? '' : `${difference > 0 ? '+' : ''}${measure(difference)}`));
}
