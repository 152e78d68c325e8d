// What was set for each of some trials: as results/trials/settings.py, beyond_params.py and seed_names.py have it, of
// what report/comparable.py and configs.py say of all trials. A setting is the place of its column.

const [PLAIN_VALUE, REFERENCE] = [0, 1]; // as configs.py

/** Return {table(trials), seeds} of chosen trials: the settings of some of them, and those settings that are seeds. */
function settingsAmong(chosen) {
  const all = data.comparable;
  const sweeps = new Set(chosen.map((trial) => data.trials.sweep[trial]));
  const several = sweeps.size > 1;
  const swept = new Map([...sweeps].map((sweep) => [sweep, new Set()]));
  const params = new Set(); // in the order in which the command line has the trials
  for (const trial of inLoadedOrder(chosen)) {
    for (const column of all.orders[all.own[trial]]) {
      params.add(column);
      swept.get(data.trials.sweep[trial]).add(column);
    }
  }
  const beyond = beyondParams(chosen, params, several || chosen.some((trial) => all.alone.includes(trial)));
  const known_ = { all, params, swept, own: all.orders.map((order) => new Set(order)), names: new Set([...params, ...beyond.choices, ...beyond.keys]) };
  const first = scriptsDiffer(chosen) ? [all.columns.length] : [];
  const rest = all.orders.map((order) => [...(several ? params : order), ...beyond.choices, ...beyond.keys]);
  const orderOf = (trial) => [...first, ...(all.fixed[trial] ?? []).map(([column]) => column), ...rest[all.own[trial]]];
  return { table: (trials) => settingsTable(trials, orderOf, known_), seeds: seedColumns(sweeps, [...params, ...beyond.keys]) };
}

/** Return column -> the code of each trial, in the order in which the trials have them; without what none has. */
function settingsTable(trials, orderOf, known_) {
  const columns = new Set();
  const seen = new Set(); // trials with these parameters have nothing more
  for (const trial of trials) {
    const kind = known_.all.own[trial];
    if (seen.has(kind)) continue;
    const order = orderOf(trial);
    for (const column of order) if (!columns.has(column) && codeAmong(known_, column, trial) >= 0) columns.add(column);
    if (!(trial in known_.all.fixed) && order.every((column) => columns.has(column))) seen.add(kind);
  }
  return new Map([...columns].map((column) => [column, Int32Array.from(trials, (trial) => codeAmong(known_, column, trial))]));
}

function inLoadedOrder(chosen) {
  const among = new Set(chosen);
  return data.comparable.loaded.filter((trial) => among.has(trial));
}

/** Return a column by its place; the last one is that of scripts. */
function columnAt(place) {
  const column = data.comparable.columns[place] ?? data.comparable.script;
  return column.param === undefined ? column : { ...data.params[column.param], seed: column.seed };
}

const nameAt = (place) => columnAt(place).name;

/** Return the code of what a trial has for a setting; -1 for nothing. */
function codeAmong({ all, params, swept, own: ownOf, names }, column, trial) {
  if (column === all.columns.length) return all.script.codes[trial];
  const codes = all.columns[column].codes ?? data.params[all.columns[column].param].codes;
  const isOwn = ownOf[all.own[trial]].has(column);
  const dropped = !isOwn && params.has(column) && swept.get(data.trials.sweep[trial]).has(column); // by a condition
  const found = names.has(column) && !dropped ? codes[trial] : -1;
  return found < 0 ? (all.fixed[trial] ?? []).find(([other]) => other === column)?.[1] ?? -1 : found;
}

function scriptsDiffer(chosen) {
  const { script } = data.comparable;
  return Boolean(script) && new Set(chosen.map((trial) => script.codes[trial]).filter((code) => code >= 0)).size > 1;
}

/** Return the columns that are seeds: what the sweeps say, else those with the name of one. */
function seedColumns(sweeps, columns) {
  const { seed_keys: keys, constant } = data.comparable;
  const told = new Set([...sweeps].map((sweep) => keys[sweep]).filter(Boolean));
  const said = columns.filter((column) => told.has(nameAt(column)));
  const known_ = said.length || constant.some((name) => told.has(name));
  return new Set(known_ ? said : columns.filter((column) => columnAt(column).seed));
}

/** Return the config groups and the keys of the config that tell chosen trials apart beside their parameters. */
function beyondParams(chosen, params, several) {
  const all = data.comparable.configs;
  if (!all) return { choices: [], keys: [] };
  const places = [...new Set(chosen.map((trial) => all.of[trial]))].filter((place) => place >= 0 && (several || all.configs[place].kept));
  const configs = places.map((place) => all.configs[place]);
  return { choices: differentChoices(configs, all.choices, params), keys: differentKeys(configs, all.keys, params) };
}

function differentChoices(configs, columns, params) {
  const places = columns.map((_, place) => place);
  const searched = places.filter((place) => params.has(columns[place]));
  const differ = (place, some) => new Set(some.map(({ choices }) => choices[place])).size > 1;
  const parts = (key) => groupBy(configs, configs.map(key));
  // What is chosen of a group may follow from what is chosen of others, within a sweep that varies it.
  const follows = (place) => parts(({ choices }) => searched.map((other) => choices[other]).join()).every((some) => !differ(place, some))
    && parts(({ sweep }) => sweep).some((some) => differ(place, some));
  return places.filter((place) => !params.has(columns[place]) && differ(place, configs) && !follows(place)).map((place) => columns[place]);
}

function differentKeys(configs, columns, params) {
  const names = new Set([...params].map(nameAt).concat(data.comparable.constant));
  const isParam = (name) => name.split('.').some((_, place, parts) => names.has(parts.slice(0, place + 1).join('.')));
  const found = new Map(); // place -> whether it is a setting of its own
  for (const group of groupBy(configs, configs.map((config) => config.group))) {
    const members = groupBy(group, group.map((config) => config.hash)).map(([first]) => first);
    columns.forEach((column, place) => {
      const values = members.map((config) => config.values[place]);
      if (found.has(place) || isParam(nameAt(column)) || new Set(values.map(([code]) => code)).size < 2) return;
      if (values.some(([, kind]) => kind === REFERENCE)) found.set(place, false);
      else if (values.every(([, kind]) => kind === PLAIN_VALUE)) found.set(place, true);
    });
  }
  return [...found].filter(([, plain]) => plain).map(([place]) => columns[place]);
}
