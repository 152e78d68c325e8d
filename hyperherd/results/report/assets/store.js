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
  const numbers = new Map([['NaN', NaN], ['Infinity', Infinity], ['-Infinity', -Infinity]]);
  const number = (value) => (numbers.has(value) ? numbers.get(value) : value);
  data = JSON.parse(text);
  for (const metric of data.metrics) metric.values = metric.values.map(number);
  if (data.objective) data.objective.values = data.objective.values.map(number);
  count = data.trials.label.length;
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
const selectsAll = () => selection.size === count;

function select_() {
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

let telling = 0;

/** Work out the selection again and have every view follow, at most once a frame. */
function selectionChanged() {
  select_();
  cancelAnimationFrame(telling);
  telling = requestAnimationFrame(() => { for (const listener of selection.listeners) listener(); });
}

// Filter: the spelling of the command line. lr=0.001,0.01  model!=cnn  val/acc>0.9  state=failed  name~regex  a word

const TERM = /^([^=<>!~]+?)(!=|>=|<=|==|=|>|<|!~|~)(.*)$/s;
const OWN = { state: 'state', sweep: 'sweep', trial: 'label', number: 'label', dir: 'dir', reason: 'reason' };

/** Return a test for each term; throws an Error that says which one cannot be read. */
function parseFilter(text) {
  return (text.match(/(?:"[^"]*"|\S)+/g) ?? []).map((term) => parseTerm(term.replaceAll('"', '')));
}

function parseTerm(term) {
  const parts = TERM.exec(term);
  if (!parts) return wordTest(term.toLowerCase());
  const [, name, sign, wanted] = parts;
  const read = reader(name);
  if (!read) throw new Error(`no parameter, metric or column is called ${name}`);
  // As on the command line: a trial that does not have what is asked about never matches, whatever the operator.
  const has = (trial) => read(trial).some((value) => value !== null && value !== undefined);
  if (sign.endsWith('~')) {
    const pattern = new RegExp(wanted);
    const matches = (trial) => read(trial).some((value) => pattern.test(String(value)));
    return (trial) => has(trial) && matches(trial) === (sign === '~');
  }
  if (sign.endsWith('=') && !'<>'.includes(sign[0])) {
    const options = wanted.split(',');
    const equal = (trial) => read(trial).some((value) => options.some((option) => same(value, option)));
    return (trial) => has(trial) && equal(trial) === (sign !== '!=');
  }
  const bound = Number(wanted);
  if (wanted === '' || Number.isNaN(bound)) throw new Error(`${term}: ${wanted || 'an empty value'} is not a number`);
  const holds = { '>': (a) => a > bound, '<': (a) => a < bound, '>=': (a) => a >= bound, '<=': (a) => a <= bound }[sign];
  return (trial) => read(trial).some((value) => isNumber(value) && holds(value));
}

function same(value, option) {
  if (value === null || value === undefined) return false;
  if (isNumber(value)) return option.trim() !== '' && (value === Number(option) || (Number.isNaN(value) && option === 'nan'));
  return String(value) === option;
}

/** Return what gives the values under a name, in the spellings one may compare with; null if nothing has that name. */
function reader(asked) {
  const name = asked.replace(/^(param|metric)\./, '');
  const param = asked.startsWith('metric.') ? null : data.params.find((item) => item.name === name);
  if (param) {
    return (trial) => {
      const value = paramOf(param, trial);
      return value ? [value.number ?? value.exact, value.text] : [null];
    };
  }
  const metric = data.metrics.find((item) => item.name === name);
  if (metric) return (trial) => [metric.values[trial]];
  if (data.objective && name === data.objective.label) return (trial) => [data.objective.values[trial]];
  if (Object.hasOwn(data.constant, name)) return () => [data.constant[name]];
  if (name === 'sweep') return (trial) => [data.sweeps[data.trials.sweep[trial]].name];
  if (name === 'time' || name === 'seconds') return (trial) => [data.trials.seconds[trial]];
  if (name === 'step') return (trial) => [data.trials.step[trial]];
  return Object.hasOwn(OWN, name) ? (trial) => [data.trials[OWN[name]][trial]] : null;
}

function wordTest(word) {
  return (trial) => [data.trials.label[trial], data.trials.state[trial], data.trials.reason[trial],
    ...trialSettings(trial).map(([name, text]) => `${name}=${text}`)].some((text) => text.toLowerCase().includes(word));
}
