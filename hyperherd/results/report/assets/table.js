// All trials: a page of rows at a time, sorted by any column, each to be opened.

const PAGE = 50;
const FIRST_PARAMS = 10;
const FIRST_METRICS = 6;
const tableView = { sort: 'rank', down: false, page: 0, open: new Set(), order: [], hidden: new Set() };

function tableColumns() {
  const { trials } = data;
  return [
    { key: 'rank', head: isGuessed() ? 'rank (guessed)' : 'rank', right: true, value: (trial) => trial, text: rankText, exact: (trial) => String(tableView.ranks[trial] || '') },
    { key: 'trial', head: 'trial', value: (trial) => (isNaN(trials.label[trial]) ? trials.label[trial] : Number(trials.label[trial])), cell: trialCell },
    ...(data.sweeps.length > 1 ? [{ key: 'sweep', head: 'sweep', value: (trial) => data.sweeps[trials.sweep[trial]].name }] : []),
    { key: 'state', head: 'state', value: (trial) => trials.state[trial], cell: (trial) => stateLabel(trials.state[trial]) },
    ...data.params.map((param) => ({ key: `param ${param.name}`, head: param.name, mono: true, right: param.numeric, number: param.numeric,
      value: (trial) => (param.numeric ? paramOf(param, trial)?.number : param.codes[trial] >= 0 ? param.codes[trial] : null), text: (trial) => paramText(param, trial),
      exact: (trial) => paramOf(param, trial)?.exact ?? '' })),
    ...metricColumns(),
    { key: 'step', head: 'step', right: true, value: (trial) => trials.step[trial], text: stepText },
    { key: 'time', head: 'time', right: true, value: (trial) => trials.seconds[trial], text: (trial) => duration(trials.seconds[trial]) },
  ].map((column) => ({ text: (trial) => String(column.value(trial) ?? '–'), exact: (trial) => String(column.value(trial) ?? ''), ...column }));
}

function metricColumns() {
  const column = (name, values) => ({ key: `metric ${name}`, head: name, right: true, mono: true, number: true, value: (trial) => values[trial] ?? null,
    text: (trial) => measure(values[trial]) });
  const aggregated = data.objective && data.objective.label !== data.objective.metric ? [column(data.objective.label, data.objective.values)] : [];
  return [...aggregated, ...data.metrics.map(({ name, values }) => column(name, values))];
}

const rankText = (trial) => String(tableView.ranks[trial] || '–');

function stepText(trial) {
  const { step, max_step: most } = data.trials;
  if (step[trial] === null) return '–';
  return most[trial] !== null && !isFinished(trial) ? `${step[trial]}/${most[trial]}` : String(step[trial]);
}

function trialCell(trial) {
  const { label } = data.trials;
  return el('button', { type: 'button', class: 'link', aria: { expanded: String(tableView.open.has(trial)), label: `details of ${trialName(trial)}` },
    on: { click: () => toggleTrial(trial) } }, label[trial]);
}

function showTable() {
  const body = el('div');
  tableView.columns = tableColumns();
  tableView.hidden = firstHidden(tableView.columns);
  const tools = el('div', { class: 'tools' }, el('span', { id: 'trials-told' }), columnChoice(), el('span', { class: 'spacer' }),
    el('button', { type: 'button', class: 'quiet', on: { click: () => download('trials.csv', 'text/csv', toCsv()) } }, 'download CSV'),
    el('button', { type: 'button', class: 'quiet', on: { click: () => download('trials.json', 'application/json', toJson()) } }, 'download JSON'));
  fill('trials', 'All trials', 'click a trial’s number for its details, a heading to sort', tools, body);
  tableView.body = body;
  const draw = () => { tableView.page = 0; tableView.ranks = ranksOfTrials(); sortTrials(); drawTable(); };
  selection.listeners.push(draw);
  draw();
}

/** Return the columns that a wide table begins without: parameters that explain least, metrics of least interest. */
function firstHidden(columns) {
  const shown = new Set(leading(data.params.map(({ name }) => name), FIRST_PARAMS));
  const metrics = columns.filter(({ key }) => key.startsWith('metric ')).slice(FIRST_METRICS);
  return new Set([...data.params.filter(({ name }) => !shown.has(name)).map(({ name }) => `param ${name}`), ...metrics.map(({ key }) => key)]);
}

function columnChoice() {
  const choice = el('summary', {}, '');
  const name = () => { choice.textContent = tableView.hidden.size ? `columns (${tableView.hidden.size} not shown)` : 'columns'; };
  const set = (key) => (on) => { if (on) tableView.hidden.delete(key); else tableView.hidden.add(key); name(); drawTable(); };
  name();
  return el('details', { class: 'choice' }, choice, el('div', { class: 'tools boxes' },
    tableView.columns.filter(({ key }) => key !== 'trial').map(({ key, head }) => checkbox(head, !tableView.hidden.has(key), set(key)))));
}

const shownColumns = () => tableView.columns.filter(({ key }) => !tableView.hidden.has(key));

function sortTrials() {
  const column = tableView.columns.find((item) => item.key === tableView.sort);
  const chosen = [...Array(count).keys()].filter(isSelected);
  const keys = chosen.map((trial) => column.value(trial));
  const sign = tableView.down ? -1 : 1;
  const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);
  const places = chosen.map((_, place) => place).sort((a, b) => {
    const [left, right] = [keys[a], keys[b]];
    if (!known(left) || !known(right)) return known(right) - known(left) || a - b; // What is missing comes last.
    if (typeof left === typeof right) return left < right ? -sign : left > right ? sign : a - b;
    return typeof left === 'number' ? -1 : 1;
  });
  tableView.order = places.map((place) => chosen[place]);
}

function drawTable() {
  const { order, body } = tableView;
  const columns = shownColumns();
  const pages = Math.max(1, Math.ceil(order.length / PAGE));
  tableView.page = Math.min(Math.max(0, tableView.page), pages - 1);
  const rows = order.slice(tableView.page * PAGE, (tableView.page + 1) * PAGE);
  byId('trials-told').textContent = selectsAll() ? plural(count, 'trial') : `${order.length.toLocaleString('en')} of ${plural(count, 'trial')}`;
  for (const column of columns) column.cells = column.number ? aligned(rows.map(column.text)) : rows.map(column.text);
  const table = el('table', {}, el('thead', {}, el('tr', {}, columns.map(tableHead))),
    el('tbody', {}, rows.flatMap((trial, place) => (tableView.open.has(trial) ? [tableRow(trial, place), detailRow(trial)] : [tableRow(trial, place)]))));
  const turn = (by, text) => el('button', { type: 'button', class: 'quiet', disabled: tableView.page + by < 0 || tableView.page + by >= pages,
    on: { click: () => { tableView.page += by; drawTable(); } } }, text);
  const pager = pages > 1 ? el('div', { class: 'pager' }, turn(-1, 'previous'), `page ${tableView.page + 1} of ${pages}`, turn(1, 'next')) : '';
  body.replaceChildren(order.length ? el('div', { class: 'scroll' }, table) : el('p', { class: 'empty' }, 'No trial is selected.'), pager);
}

function tableHead(column) {
  const sorted = tableView.sort === column.key;
  const head = el('th', { scope: 'col', class: column.right ? 'right' : '' }, el('button', { type: 'button', on: { click: () => sortBy(column.key) } }, column.head));
  if (sorted) head.setAttribute('aria-sort', tableView.down ? 'descending' : 'ascending');
  return head;
}

function sortBy(key) {
  tableView.down = tableView.sort === key ? !tableView.down : false;
  tableView.sort = key;
  tableView.page = 0;
  sortTrials();
  drawTable();
  tableView.body.querySelectorAll('th button')[shownColumns().findIndex((column) => column.key === key)].focus();
}

function tableRow(trial, place) {
  const cells = shownColumns().map((column) => el('td', { class: `${column.right ? 'right ' : ''}${column.mono ? 'mono' : ''}`, title: column.cell ? '' : column.exact(trial) },
    column.cell ? column.cell(trial) : column.cells[place]));
  return el('tr', { class: isFinished(trial) ? (trial === bestTrial() ? 'best' : '') : 'dim', data: { trial: String(trial) } }, cells);
}

function detailRow(trial) {
  const { trials } = data;
  const pairs = [['reason', trials.reason[trial]], ['started', isFinite_(trials.started[trial]) ? date(trials.started[trial]) : ''],
    ['attempt', trials.attempt[trial] ? String(trials.attempt[trial]) : ''], ['directory', trials.dir[trial]]].filter(([, text]) => text);
  const set = (side) => () => { compare(side === 'a' ? trial : null, side === 'b' ? trial : null); location.hash = 'compare'; };
  return el('tr', { class: 'detail' }, el('td', { colSpan: shownColumns().length },
    el('div', { style: { display: 'grid', gap: '10px' } },
      el('dl', {}, pairs.flatMap(([key, text]) => [el('dt', {}, key), el('dd', {}, text)])),
      trials.command[trial] ? commandBox(trials.command[trial]) : null,
      el('div', { class: 'tools', style: { margin: '0' } },
        el('button', { type: 'button', class: 'quiet', on: { click: set('a') } }, 'compare as first'),
        el('button', { type: 'button', class: 'quiet', on: { click: set('b') } }, 'compare as second')))));
}

function toggleTrial(trial) {
  if (!tableView.open.delete(trial)) tableView.open.add(trial);
  drawTable();
  tableView.body.querySelector(`tr[data-trial="${trial}"] button`)?.focus();
}

/** Show the table where a trial is, opened. */
function openTrial(trial) {
  if (!isSelected(trial)) clearSelection();
  selection.after = () => {
    tableView.open.add(trial);
    tableView.page = Math.floor(tableView.order.indexOf(trial) / PAGE);
    drawTable();
  };
  selectionChanged();
}

const csvCell = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

function exportColumns() {
  const { trials } = data;
  return [['number', (trial) => trials.label[trial]], ...tableView.columns.filter((column) => !['trial', 'time'].includes(column.key))
    .map((column) => [column.head, column.exact]), ['seconds', (trial) => String(trials.seconds[trial] ?? '')], ['dir', (trial) => trials.dir[trial] ?? '']];
}

/** Return the selected trials as CSV, numbers exact; a text that a spreadsheet would run as a formula gets a quote. */
function toCsv() {
  const columns = exportColumns();
  const safe = (text) => csvCell(/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) && text !== '-inf' ? `'${text}` : text);
  return [columns.map(([head]) => safe(head)), ...tableView.order.map((trial) => columns.map(([, value]) => safe(value(trial))))]
    .map((row) => row.join(',')).join('\r\n');
}

function toJson() {
  const plain = (value) => (isNumber(value) && !Number.isFinite(value) ? { 'NaN': 'NaN', 'Infinity': 'Infinity' }[String(value)] ?? '-Infinity' : value ?? null);
  const rows = tableView.order.map((trial) => ({
    number: data.trials.label[trial], sweep: data.sweeps[data.trials.sweep[trial]].name, state: data.trials.state[trial], rank: tableView.ranks[trial] || null,
    params: Object.fromEntries(data.params.filter((param) => param.codes[trial] >= 0).map((param) => [param.name, paramOf(param, trial).number ?? paramOf(param, trial).exact])),
    metrics: Object.fromEntries(data.metrics.map(({ name, values }) => [name, plain(values[trial])])),
    seconds: data.trials.seconds[trial], dir: data.trials.dir[trial], command: data.trials.command[trial],
  }));
  return JSON.stringify({ schema: 1, constant: data.constant, trials: rows }, null, 1);
}
