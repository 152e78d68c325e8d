// The filter: what the command line takes, with words that are looked for beside it. The rules are those of
// hyperherd/results/trials/filters.py and fields.py; a test holds the two to the same answer.

const TERM = /^([^=<>!~]+?)\s*(!=|>=|<=|==|=|>|<|!~|~)\s*(.*)$/s;
const FORM = 'expected NAME=VALUE[,VALUE], NAME~REGEX, or != > >= < <= between the two, without blanks';
const STATES = ['waiting', 'submitted', 'requeued', 'running', 'completed', 'failed', 'pruned', 'paused', 'cancelled', 'stalled', 'lost', 'missing', 'unreadable', 'unknown'];
const AS_TEXT = ['sweep', 'name', 'key', 'dir', 'host', 'job_id'];
const FIRST_FACTS = ['sweep', 'number', 'trial', 'state', 'step', 'time', 'dir'];
const ORDERS = { '>': (a, b) => a > b, '>=': (a, b) => a >= b, '<': (a, b) => a < b, '<=': (a, b) => a <= b };
const AGGREGATES = ['last', 'max', 'min', 'mean:K', 'median:K', '@STEP'];
const ELSEWHERE = 'this report does not hold that; herd-results takes it';

/** Return a test of a trial for each term; throws an Error that says which one cannot be read. */
function parseFilter(text) {
  return splitWords(text).map(parseTerm);
}

/** Return the words of a line as a shell has them: quotes keep blanks and are taken away. */
function splitWords(text) {
  const words = [];
  let [word, quote] = [null, ''];
  for (const letter of text) {
    if (quote ? letter === quote : letter === '"' || letter === "'") {
      quote = quote ? '' : letter;
      word ??= '';
    } else if (!quote && /\s/.test(letter)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + letter;
  }
  if (quote) throw new Error(`the quote ${quote} is not closed`);
  return word === null ? words : [...words, word];
}

function parseTerm(term) {
  const parts = TERM.exec(term.trim());
  if (!parts && /[=<>!~]/.test(term)) throw new Error(`'${term}' is not a filter; ${FORM}`);
  if (!parts) return wordTest(term.toLowerCase());
  const [, name, sign, wanted] = parts;
  if (name === 'tag' && isTag()) return tagTest(term, sign, wanted);
  const read = findField(name);
  const test = valueTest(term, sign, wanted, read.fact);
  // A trial that does not have what is asked about never matches, whatever the operator.
  return (trial) => {
    const found = read(trial);
    return found !== null && test(found.value, found.text);
  };
}

function valueTest(term, sign, wanted, fact) {
  if (sign.endsWith('~')) {
    const pattern = readPattern(term, wanted);
    return (_, text) => pattern.test(text) === (sign === '~');
  }
  const values = AS_TEXT.includes(fact) ? wanted.split(',') : readValues(wanted);
  const order = own(ORDERS, sign);
  if (order) {
    if (values.length !== 1 || !isNumber(values[0])) throw new Error(`'${term}': ${sign} compares numbers, and '${wanted}' is not a number`);
    return (value) => isNumber(value) && order(value, values[0]);
  }
  const wrong = fact === 'state' ? values.find((value) => !STATES.includes(value)) : undefined;
  if (wrong !== undefined) throw new Error(`'${wrong}' is not a state; available: ${STATES.join(', ')}`);
  return (value) => values.some((item) => equalValues(value, item)) === (sign !== '!=');
}

function readPattern(term, wanted) {
  const inline = /^\(\?([ims]+)\)/.exec(wanted);
  try {
    return new RegExp(wanted.slice(inline?.[0].length ?? 0).replaceAll('(?P<', '(?<'), inline?.[1] ?? '');
  } catch {
    throw new Error(`'${term}': '${wanted}' is not a regular expression`);
  }
}

/** Return whether two values are the same: true is not 1, and numbers that differ by rounding are one. */
function equalValues(left, right) {
  if (isNumber(left) && isNumber(right)) {
    if (Number.isNaN(left) || Number.isNaN(right)) return Number.isNaN(left) && Number.isNaN(right);
    if (left === right || !Number.isFinite(left - right)) return left === right;
    return Math.abs(left - right) <= 1e-9 * Math.max(Math.abs(left), Math.abs(right));
  }
  if (Array.isArray(left) && Array.isArray(right)) return left.length === right.length && left.every((item, place) => equalValues(item, right[place]));
  return left === right;
}

// Values as they are typed ---------------------------------------------------------------------------------------------

const INTEGER = /^[+-]?(?:0|[1-9]\d*)$/;
const DECIMAL = /^[+-]?(?:(?:0|[1-9]\d*)\.\d*|\.\d+|(?:0|[1-9]\d*)(?=[eE]))(?:[eE][+-]?\d+)?$/;
const SPECIAL = new Map([['inf', Infinity], ['+inf', Infinity], ['-inf', -Infinity], ['nan', NaN], ['+nan', NaN], ['-nan', NaN]]);
const WORDS = new Map([['null', null], ['true', true], ['false', false]]);

/** Return the typed values of `0.001,0.01`, `[1,2]`, `'a,b'` or `range(1,4)`. */
function readValues(text) {
  const range = /^range\(\s*(-?\d+)\s*(?:,\s*(-?\d+)\s*)?(?:,\s*(-?\d+)\s*)?\)$/.exec(text.trim());
  if (range) return rangeOf(range.slice(1).filter((part) => part !== undefined).map(Number));
  const choice = /^choice\((.*)\)$/s.exec(text.trim());
  return splitParts(choice ? choice[1] : text).map(readValue);
}

function rangeOf(ends) {
  const [from, to] = ends.length > 1 ? ends : [0, ends[0]];
  const step = ends[2] ?? 1;
  const length = Math.ceil((to - from) / step);
  if (!(length >= 1 && length <= 100_000)) throw new Error('this range has no values, or too many');
  return Array.from({ length }, (_, place) => from + place * step);
}

/** Return the parts of a text between the commas that are neither in quotes nor in brackets. */
function splitParts(text) {
  const parts = [''];
  let [depth, quote] = [0, ''];
  for (const letter of text) {
    if (quote) quote = letter === quote ? '' : quote;
    else if (letter === '"' || letter === "'") quote = letter;
    else depth += '[{('.includes(letter) ? 1 : ']})'.includes(letter) ? -1 : 0;
    if (letter === ',' && !depth && !quote) parts.push('');
    else parts[parts.length - 1] += letter;
  }
  if (depth || quote) throw new Error(`'${text}' is not a valid value: a quote or a bracket is not closed`);
  return parts;
}

function readValue(written) {
  const text = written.trim();
  const low = text.toLowerCase();
  if (INTEGER.test(text) || DECIMAL.test(text)) return Number(text);
  if (SPECIAL.has(low)) return SPECIAL.get(low);
  if (WORDS.has(low)) return WORDS.get(low);
  if (text.length > 1 && `'"`.includes(text[0]) && text.at(-1) === text[0]) return text.slice(1, -1);
  if (text.startsWith('[') && text.endsWith(']')) return text.slice(1, -1).trim() ? splitParts(text.slice(1, -1)).map(readValue) : [];
  if (/[(){}[\]'"]/.test(text)) throw new Error(`'${text}' cannot be read here; herd-results takes it if Hydra does`);
  return text;
}

/** Return a value of the data: a letter for its type, then its exact text. */
function typedValue(text) {
  const [kind, rest] = [text[0], text.slice(1)];
  if (kind === 's') return rest;
  if (kind === 'n') return SPECIAL.has(rest) ? SPECIAL.get(rest) : Number(rest);
  return JSON.parse(rest);
}

const exactOf = (typed) => (typed === 's' ? "''" : typed.slice(1));

/** Return a value's exact text, as Python writes it. */
function exactText(value) {
  if (typeof value === 'string') return value || "''";
  if (isNumber(value)) return pythonNumber(value);
  return JSON.stringify(value);
}

/** Return the shortest text of a float as Python has it: 1e-05, 1e+16, nan. */
function pythonNumber(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  return String(value);
}

// Names ----------------------------------------------------------------------------------------------------------------

/** Return what reads the value under a name from a trial: null where it has none. */
function findField(name) {
  const found = (FIRST_FACTS.includes(name) && factReader(name)) || paramOrMetric(name) || explicit(name) || atBestReader(name)
    || factReader(name) || codedReader(data.lookups.config, name) || codedReader(data.lookups.provenance, name);
  if (found) return found;
  const keys = Object.keys(data.lookups.config ?? {});
  if (keys.some((key) => key.startsWith(`${name}.`))) throw new Error(`'${name}' is a group of settings; a filter takes one of them: ${keys.find((key) => key.startsWith(`${name}.`))}`);
  if (!data.lookups.config) throw new Error(`no parameter or metric is called '${name}'; of many trials this report does not hold the configs, herd-results reads them`);
  throw new Error(`no trial has a parameter, metric or config value '${name}'`);
}

function paramOrMetric(name) {
  const param = paramReader(name);
  if (param && data.metrics.some((metric) => metric.name === name)) throw new Error(`'${name}' is both a parameter and a metric; use param.${name} or metric.${name}`);
  return param ?? metricReader(name);
}

function explicit(text) {
  const [, kind, name] = /^(param|metric|config)\.(.*)$/s.exec(text) ?? [];
  if (kind === 'param') return paramReader(name);
  if (kind === 'metric') return metricReader(name);
  return kind ? codedReader(data.lookups.config, name) : null;
}

function paramReader(name) {
  const param = data.params.find((item) => item.name === name);
  if (!param) return codedReader(data.lookups.constants, name);
  const values = param.values.map((value) => typedOf(value.typed));
  return (trial) => values[param.codes[trial]] ?? null;
}

/** Return a value and its exact text, which patterns are looked for in; null where there is none. */
const known = (value) => (value === null || value === undefined ? null : { value, text: exactText(value) });
const typedOf = (typed) => ({ value: typedValue(typed), text: exactOf(typed) });

function metricReader(name) {
  if (name === data.objective?.label) return (trial) => known(data.objective.values[trial]);
  const metric = data.metrics.find((item) => item.name === name);
  if (metric) return (trial) => known(metric.values[trial]);
  const phased = own(data.lookups.phased, name);
  if (phased) return (trial) => known(phased.value[trial]);
  const metrics = [...data.metrics.map((item) => item.name), ...Object.keys(data.lookups.phased)]
    .filter((item) => name.startsWith(`${item}:`)).sort((a, b) => b.length - a.length);
  return metrics.length ? aggregateReader(metrics[0], name.slice(metrics[0].length + 1)) : null;
}

function aggregateReader(metric, aggregate) {
  const asked = `${metric}:${aggregate}`;
  if (['last', 'max', 'min'].includes(aggregate)) {
    const columns = own(data.lookups.aggregates, metric) ?? own(data.lookups.phased, metric);
    if (!columns) throw new Error(`'${asked}': ${ELSEWHERE}`);
    return (trial) => known(columns[aggregate][trial]);
  }
  const [, kind, number] = /^(mean|median)(?::([1-9]\d*))?$/.exec(aggregate) ?? /^(@)(-?\d+)$/.exec(aggregate) ?? [];
  if (!kind) throw new Error(`'${aggregate}' is neither an aggregate nor a phase of this report; use ${metric}:${[...phasesOf(metric), ...AGGREGATES].join('|')}`);
  const curves = own(data.curves, metric);
  if (!curves || own(data.thinned, metric)?.length) throw new Error(`'${asked}': the report holds too few points of the curves for this; herd-results reads all`);
  return (trial) => (curves[trial] ? known(ofCurve(curves[trial], kind, number)) : null);
}

const phasesOf = (metric) => Object.keys(data.lookups.phased).filter((name) => name.startsWith(`${metric}:`)).map((name) => name.slice(metric.length + 1));

function ofCurve([steps, values], kind, number) {
  if (kind === '@') return values[steps.indexOf(Number(number))] ?? null;
  const chosen = (number ? values.slice(-Number(number)) : values).map((value) => value ?? NaN);
  if (!chosen.length) return null;
  if (kind === 'mean') return sumOf(chosen) / chosen.length;
  return chosen.some(Number.isNaN) ? NaN : median(chosen);
}

function atBestReader(name) {
  for (let place = name.indexOf('@'); place > 0; place = name.indexOf('@', place + 1)) {
    const metric = name.slice(0, place);
    if (data.metrics.some((item) => item.name === metric)) {
      const values = name.slice(place + 1) === data.objective?.label ? own(data.lookups.at_best, metric) : null;
      if (/^\d+$/.test(name.slice(place + 1))) return aggregateReader(metric, name.slice(place));
      if (!values) throw new Error(`'${name}': ${ELSEWHERE}`);
      return (trial) => known(values[trial]);
    }
  }
  return null;
}

const COLUMN_OF = { state: 'state', step: 'step', time: 'seconds', seconds: 'seconds', dir: 'dir', started: 'started', attempt: 'attempt', max_step: 'max_step' };

function factReader(name) {
  const column = own(COLUMN_OF, name);
  const read = column ? (trial) => known(data.trials[column][trial]) : codedReader(data.lookups.facts, name);
  return read && Object.assign(read, { fact: name });
}

function codedReader(columns, name) {
  const column = own(columns, name);
  if (!column) return null;
  if (!column.values) throw new Error(`'${name}': its values are too long for the report; herd-results reads them`);
  const values = column.values.map(typedOf);
  return (trial) => values[column.codes ? column.codes[trial] : 0] ?? null;
}

function isTag() {
  return !data.params.some((param) => param.name === 'tag') && !data.metrics.some((metric) => metric.name === 'tag');
}

function tagTest(term, sign, wanted) {
  if (own(ORDERS, sign)) throw new Error(`'${term}': ${sign} compares numbers, and a tag is a text`);
  const tags = (trial) => data.lookups.tags?.[trial] ?? [];
  if (sign.endsWith('~')) {
    const pattern = readPattern(term, wanted);
    return (trial) => tags(trial).some((tag) => pattern.test(tag)) === (sign === '~');
  }
  const asked = wanted.split(',').map((item) => item.trim().replace(/^['"]+|['"]+$/g, ''));
  return (trial) => tags(trial).some((tag) => asked.includes(tag)) === (sign !== '!=');
}

function wordTest(word) {
  return (trial) => [data.trials.label[trial], data.trials.state[trial], data.trials.reason[trial],
    ...trialSettings(trial).map(([name, text]) => `${name}=${text}`)].some((text) => text.toLowerCase().includes(word));
}
