// The page as a whole: theme, filter, navigation, and the order in which its parts come up.

// SECTIONS, which page.py writes before this: id, title in the navigation, function that shows it.

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  const button = byId('theme');
  button.textContent = name === 'dark' ? '☀' : '☾';
  button.title = `switch to ${name === 'dark' ? 'light' : 'dark'}`;
}

function startTheme() {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  setTheme(dark.matches ? 'dark' : 'light');
  const change = (name) => { setTheme(name); repaint(); };
  dark.addEventListener('change', () => change(dark.matches ? 'dark' : 'light'));
  byId('theme').addEventListener('click', () => change(theme() === 'dark' ? 'light' : 'dark'));
  let before = 'light';
  window.addEventListener('beforeprint', () => { before = theme(); change('light'); for (const self of [...charts]) self.refresh(); });
  window.addEventListener('afterprint', () => change(before));
}

/** Draw again what has colours of its own. */
function repaint() {
  byId('top').querySelector('.progress')?.replaceWith(stateBar());
  for (const ramp_ of document.querySelectorAll('.ramp')) ramp_.replaceWith(rampLegend(ramp_.dataset));
  redrawCharts();
}

function setFilter(text) {
  const input = byId('filter');
  input.value = text;
  applyFilter();
}

/** Select what the filter lets through; one that cannot be read selects nothing, and says why below it. */
function applyFilter() {
  const input = byId('filter');
  const problem = byId('filter-problem');
  problem.textContent = '';
  try {
    selection.terms = parseFilter(input.value);
  } catch (error) {
    selection.terms = [() => false];
    problem.textContent = `${error.message}. Nothing is selected.`;
  }
  problem.hidden = !problem.textContent;
  input.classList.toggle('wrong', !problem.hidden);
  input.setAttribute('aria-invalid', String(!problem.hidden));
  // The address holds the filter, so that a view can be shared.
  history.replaceState(null, '', input.value ? `#?${new URLSearchParams({ filter: input.value })}` : location.hash.startsWith('#?') ? '#' : location.hash);
  selectionChanged();
}

function clearSelection() {
  byId('filter').value = '';
  selection.terms = [];
  selection.clearBrushes?.();
  applyFilter();
}

function startFilter() {
  let typing = 0;
  byId('filter').addEventListener('input', () => { clearTimeout(typing); typing = setTimeout(applyFilter, count > 2000 ? 250 : 80); });
  byId('search').addEventListener('submit', (event) => { event.preventDefault(); applyFilter(); });
  byId('clear').addEventListener('click', clearSelection);
  document.addEventListener('keydown', (event) => {
    const typing_ = ['INPUT', 'SELECT', 'TEXTAREA'].includes(document.activeElement?.tagName);
    if (event.key === '/' && !typing_) { event.preventDefault(); byId('filter').focus(); }
    if (event.key === 'Escape' && document.activeElement === byId('filter')) clearSelection();
  });
  selection.listeners.unshift(() => {
    const pill = byId('selection');
    pill.textContent = selectsAll() ? '' : `${selection.size.toLocaleString('en')} of ${count.toLocaleString('en')}`;
    pill.classList.toggle('active', !selectsAll());
    byId('clear').hidden = selectsAll() && !byId('filter').value && !selection.brushes.size;
  });
}

function showNavigation() {
  const links = SECTIONS.filter(([id]) => !byId(id).hidden).map(([id, text]) => [id, el('a', { href: `#${id}` }, text)]);
  byId('nav').replaceChildren(...links.map(([, link]) => link));
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((item) => item.isIntersecting)) {
      for (const [id, link] of links) if (id === entry.target.id) link.setAttribute('aria-current', 'true'); else link.removeAttribute('aria-current');
    }
  }, { rootMargin: '-30% 0px -60% 0px' });
  for (const id of ['top', ...links.map(([name]) => name)]) watcher.observe(byId(id));
}

function showProvenance() {
  const pairs = [['made by', `HyperHerd ${data.made_by.version}, Python ${data.made_by.python}, on ${date(data.made)}`], ['command', data.made_by.command], ['ranking', data.ranking],
    ...data.sweeps.slice(0, 20).map((sweep) => ['sweep', [sweep.name, sweep.dir, sweep.problem].filter(Boolean).join(' · ')]),
    ...data.notes.map((note) => ['left out', note])].filter(([, text]) => text);
  const kinds = data.provenance.kinds;
  const keys = [...new Set(kinds.flatMap((kind) => Object.keys(kind)))];
  const told = keys.map((key) => {
    const values = [...new Set(kinds.map((kind) => own(kind, key)).filter(Boolean))];
    return [key, values.slice(0, 8).join(', ') + (values.length > 8 ? `, and ${values.length - 8} more` : '')];
  });
  fill('provenance', 'About this report', 'its origin, and the machines of its trials',
    el('dl', {}, [...pairs, ...told].flatMap(([key, text]) => [el('dt', {}, key), el('dd', {}, text)])));
}

async function start() {
  startTheme();
  await loadData();
  startFilter();
  for (const show of [showSummary, ...SECTIONS.map(([, , function_]) => function_)]) show();
  // A trial can be opened once the table has followed.
  selection.listeners.push(() => { const after = selection.after; selection.after = null; after?.(); });
  showNavigation();
  const shared = location.hash.startsWith('#?') ? new URLSearchParams(location.hash.slice(2)).get('filter') : '';
  if (shared) setFilter(shared);
  document.documentElement.dataset.ready = 'yes';
}

start().catch((error) => {
  const broken = byId('broken');
  broken.hidden = false;
  broken.textContent = `This report cannot be displayed: ${error.message}`;
  console.error(error);
});
