// Parameters as columns of a linear model: what hyperherd/results/statistics/importance/design.py has, where the rules
// are explained. A term is {names, columns, curve, applies, lone}; a level of a trial is a code, -1 where it has none.

const FEW_LEVELS = 5;
const LOGARITHMIC = 4;
const HUGE = 1e300;
const NOTHING_NEW = 1e-6;

const average = (values) => sumOf(values) / values.length;

function dot(one, other) {
  let sum = 0;
  for (let place = 0; place < one.length; place += 1) sum += one[place] * other[place];
  return sum;
}

/** Return what each column adds to those before it and the constant, of length one; without what adds nothing. */
function orthonormal(columns) {
  const found = [];
  for (const column of columns) {
    const mean = average(column);
    const rest = Float64Array.from(column, (value) => value - mean);
    const before = Math.sqrt(dot(rest, rest));
    for (let turn = 0; turn < 2; turn += 1) {
      for (const known_ of found) {
        const part = dot(rest, known_);
        for (let place = 0; place < rest.length; place += 1) rest[place] -= part * known_[place];
      }
    }
    const length = Math.sqrt(dot(rest, rest));
    if (length > NOTHING_NEW * before) found.push(rest.map((value) => value / length));
  }
  return found;
}

/** Return the codes with how many trials have each, in the order in which they come. */
function countCodes(codes) {
  const counts = new Map();
  for (const code of codes) if (code >= 0) counts.set(code, (counts.get(code) ?? 0) + 1);
  return counts;
}

const areNumbers = (codes, values) => codes.every((code) => isNumber(values[code]));

/** Return the columns of one parameter: its name, the code of each trial, and the value of each code. */
function termOf(name, codes, values) {
  const counts = countCodes(codes);
  const levels = [...counts.keys()];
  const having = [...counts.values()].reduce((sum, number) => sum + number, 0);
  const absent = codes.length - having;
  const applies = absent ? orthonormal([Float64Array.from(codes, (code) => Number(code >= 0))]) : [];
  const least = Math.min(...counts.values());
  if (levels.length === 1) return { names: [name], columns: applies, curve: [], applies: [], lone: Math.min(absent, least) === 1 };
  if (levels.length > 2 && areNumbers(levels, values) && levels.every((code) => Math.abs(values[code]) < HUGE)) {
    const [line, ...curve] = numericColumns(codes, levels, values);
    return { names: [name], columns: line ? [line] : [], curve, applies, lone: false };
  }
  if (levels.length === having) return { names: [name], columns: [], curve: [], applies, lone: false };
  const columns = within(codes, levels.map((level) => Float64Array.from(codes, (code) => Number(code === level))));
  return { names: [name], columns, curve: [], applies, lone: levels.length === 2 && least === 1 };
}

/** Return parameters that cannot be told apart as one term. */
function together(terms) {
  const all = (part) => terms.flatMap((term) => term[part]);
  return { names: all('names'), columns: orthonormal(all('columns')), curve: [], applies: all('applies'), lone: terms.some(({ lone }) => lone) };
}

/** Return a line and what a curve adds to it, over the scale on which the values are spread more evenly. */
function numericColumns(codes, levels, values) {
  const largest = levels.reduce((most, code) => Math.max(most, Math.abs(values[code])), 0) || 1;
  const places = new Map(levels.map((code) => [code, values[code] / largest]));
  if (isLogarithmic([...places.values()])) for (const [code, place] of places) places.set(code, Math.log(place));
  const xs = Array.from(codes, (code) => places.get(code) ?? null);
  const steps = [...new Set(places.values())].sort((a, b) => a - b);
  const line = Float64Array.from(xs, (x) => x ?? 0);
  const bends = steps.length <= FEW_LEVELS
    ? steps.slice(1, -1).map((step) => Float64Array.from(xs, (x) => Number(x === step)))
    : spline(xs, xs.filter((x) => x !== null).sort((a, b) => a - b), steps);
  return within(codes, [line, ...bends]);
}

/** Return whether the logarithms of some numbers are spread more evenly than the numbers. */
function isLogarithmic(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  if (low <= 0 || high < LOGARITHMIC * low) return false;
  return Math.abs(skewness(values.map(Math.log))) < Math.abs(skewness(values));
}

function skewness(values) {
  const mean = average(values);
  const second = average(values.map((value) => (value - mean) ** 2));
  return second ? average(values.map((value) => (value - mean) ** 3)) / second ** 1.5 : 0;
}

/** Return the nonlinear part of a natural cubic spline with four knots. */
function spline(xs, ordered, steps) {
  const at_ = (values) => [0, 1, 2, 3].map((part) => values[Math.round((values.length - 1) * part / 3)]);
  let knots = [...new Set(at_(ordered))].sort((a, b) => a - b);
  if (knots.length < 4) knots = at_(steps);
  const end = knots.at(-1);
  const bend = (x, knot) => (Math.max(0, x - knot) ** 3 - Math.max(0, x - end) ** 3) / (end - knot);
  return knots.slice(0, 2).map((knot) => Float64Array.from(xs, (x) => (x === null ? 0 : bend(x, knot) - bend(x, knots.at(-2)))));
}

/** Return columns that differ only among the trials that have the parameter: centred there, nothing elsewhere. */
function within(codes, columns) {
  if (codes.every((code) => code >= 0)) return orthonormal(columns);
  return orthonormal(columns.map((column) => {
    const mean = average(column.filter((_, place) => codes[place] >= 0));
    return column.map((value, place) => (codes[place] >= 0 ? value - mean : 0));
  }));
}
