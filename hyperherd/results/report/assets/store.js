// The data, and which trials are selected. There is one selection for the whole page: what the brushes of the parallel
// coordinates and the filter both let through.

let data;
let count = 0;

async function loadData() {
  const block = byId('data');
  let text = block.textContent;
  if (block.type === 'application/gzip') {
    const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
    text = await new Response(stream).text();
  }
  block.remove();
  prepare(JSON.parse(text));
}

/** Take the data as they are in the page: JSON has no words for some numbers. */
function prepare(document_) {
  data = document_;
  const numbers = new Map([['NaN', NaN], ['Infinity', Infinity], ['-Infinity', -Infinity]]);
  const columns = [...data.metrics, ...(data.objective ? [data.objective] : [])];
  for (const column of columns) column.values = column.values.map((value) => (numbers.has(value) ? numbers.get(value) : value));
  for (const found of [...Object.values(data.lookups.aggregates), ...Object.values(data.lookups.phased), data.lookups.at_best]) {
    for (const name of Object.keys(found)) found[name] = found[name].map((value) => (numbers.has(value) ? numbers.get(value) : value));
  }
  data.ranks.bad = new Set(data.ranks.bad);
  count = data.trials.label.length;
  select_();
}

const trialName = (trial) => data.sweeps.length > 1
  ? `${data.sweeps[data.trials.sweep[trial]].name} ${data.trials.label[trial]}` : `trial ${data.trials.label[trial]}`;
const paramOf = (param, trial) => param.values[param.codes[trial]];
const paramText = (param, trial) => paramOf(param, trial)?.text ?? '·';
const isRanked = (trial) => Boolean(data.objective) && trial < data.objective.ranked;
const isGuessed = () => data.objective?.source === 'guessed';
const isFinished = (trial) => ['completed', 'unknown'].includes(data.trials.state[trial]);
const isProblem = (trial) => ['failed', 'stalled', 'lost', 'missing', 'unreadable'].includes(data.trials.state[trial]);
const trialSettings = (trial, params = data.params) => params
  .filter((param) => param.codes[trial] >= 0).map((param) => [param.name, paramText(param, trial)]);
/** Return the place of each parameter among those that explain most of the objective. */
function weights() {
  return new Map((data.effects?.parameters ?? []).map((item, place) => [item.name, place]));
}

/** Return name=text pairs, of many those first that explain most. */
function byWeight(pairs) {
  const weight = weights();
  return pairs.length > SETTINGS_SHOWN ? pairs.toSorted(([a], [b]) => (weight.get(a) ?? 1e9) - (weight.get(b) ?? 1e9)) : pairs;
}

/** Return the first of names, those that explain most of the objective, in the order that they came in. */
function leading(names, most) {
  if (names.length <= most) return names;
  const weight = weights();
  const chosen = names.toSorted((a, b) => (weight.get(a) ?? 1e9) - (weight.get(b) ?? 1e9)).slice(0, most);
  return names.filter((name) => chosen.includes(name));
}

const inWords = (pairs) => pairs.map(([name, text]) => `${name}=${text}`).join(' ');

// Selection -----------------------------------------------------------------------------------------------------------

const selection = {
  brushes: new Map(), // name of an axis -> test(trial)
  terms: [],
  chosen: null, // Uint8Array over the trials
  size: 0,
  listeners: [],
};

const isSelected = (trial) => selection.chosen[trial] === 1;
const selectedTrials = () => Array.from({ length: count }, (_, trial) => trial).filter(isSelected);
const selectsAll = () => selection.size === count;

function select_() {
  ranking = null;
  const tests = [...selection.brushes.values(), ...selection.terms];
  selection.chosen = new Uint8Array(count);
  selection.size = 0;
  for (let trial = 0; trial < count; trial += 1) {
    if (tests.every((test) => test(trial))) {
      selection.chosen[trial] = 1;
      selection.size += 1;
    }
  }
}

/** Return the rank of each trial among those that are selected; 0 without one. */
function ranksOfTrials() {
  let last = 0;
  return Int32Array.from({ length: count }, (_, trial) => (isRanked(trial) && isSelected(trial) ? (last += 1) : 0));
}

let telling = 0;

/** Work out the selection again and have every view follow, at most once a frame. */
function selectionChanged() {
  select_();
  cancelAnimationFrame(telling);
  telling = requestAnimationFrame(() => { for (const listener of selection.listeners) listener(); });
}
