// The statistics of a selection: what hyperherd/results/statistics has in spread.py, pooling.py and distributions.py,
// where the formulas are explained. A test holds the two to the same numbers.

const LEVEL = 0.05;
const OF_CHOICE = 0.1;
const POINTS = Array.from({ length: 92 }, (_, step) => -9 + 0.3 * step);
const OUTLYING = 9;
const FEWEST_TO_CAP = 4;
const FAR = 10;
const MOST_FREEDOM = 200;

/** Return the sum of numbers, rounded once, as Python's `fsum` (Shewchuk 1997). */
function sumOf(values) {
  const parts = []; // do not overlap, the smallest first
  let used = 0;
  for (let value of values) {
    const before = used;
    used = 0;
    for (let place = 0; place < before; place += 1) {
      const part = parts[place];
      const high = value + part;
      const low = Math.abs(value) < Math.abs(part) ? value - (high - part) : part - (high - value);
      if (low) parts[used++] = low;
      value = high;
    }
    parts[used++] = value;
  }
  parts.length = used;
  let sum = parts.pop() ?? 0;
  let low = 0;
  while (parts.length && !low) {
    const [high, part] = [sum, parts.pop()];
    sum = high + part;
    low = part - (sum - high);
  }
  // Half way between two numbers, what is left below decides.
  const twice = 2 * low;
  return parts.length && (low < 0) === (parts.at(-1) < 0) && sum + twice - sum === twice ? sum + twice : sum;
}

const meanOf = (values) => (values.every((value) => value === values[0]) ? values[0] ?? null : sumOf(values) / values.length);
const squaresOf = (values, mean) => sumOf(values.map((value) => (value - mean) ** 2));

function median(values) {
  const ordered = values.toSorted((a, b) => a - b);
  const half = Math.floor(ordered.length / 2);
  return ordered.length % 2 ? ordered[half] : (ordered[half - 1] + ordered[half]) / 2;
}

/** Return {n, mean, std, sem, ci} of finite values; null for what is not known of so few. */
function spreadOf(values) {
  const [n, mean] = [values.length, values.length ? meanOf(values) : null];
  if (n < 2) return { n, mean, std: null, sem: null, ci: null };
  const std = Math.sqrt(squaresOf(values, mean) / (n - 1));
  const sem = std / Math.sqrt(n);
  return { n, mean, std, sem, ci: sem * tBound(n - 1) };
}

// Distributions --------------------------------------------------------------------------------------------------------

const LANCZOS = [0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7];

/** Return the logarithm of the gamma function of a positive number (Lanczos, g = 7). */
function logGamma(value) {
  if (value < 0.5) return Math.log(Math.PI / Math.sin(Math.PI * value)) - logGamma(1 - value);
  const x = value - 1;
  const series = LANCZOS.slice(1).reduce((sum, part, place) => sum + part / (x + place + 1), LANCZOS[0]);
  const t = x + 7.5;
  return 0.5 * Math.log(2 * Math.PI) + (x + 0.5) * Math.log(t) - t + Math.log(series);
}

/** Return the regularized incomplete beta function, by its continued fraction. */
function betaMass(x, a, b) {
  if (!(x > 0 && x < 1)) return x >= 1 ? 1 : 0;
  if (x > (a + 1) / (a + b + 2)) return 1 - betaMass(1 - x, b, a);
  const nonzero = (value) => (Math.abs(value) > 1e-300 ? value : 1e-300);
  const front = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  let [c, d] = [1, 1 / nonzero(1 - (a + b) * x / (a + 1))];
  let product = d;
  for (let m = 1; m < 500; m += 1) {
    const even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    for (const term of [even, odd]) {
      d = 1 / nonzero(1 + term * d);
      c = nonzero(1 + term / c);
      product *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-14) break;
  }
  return Math.min(1, Math.exp(front) * product / a);
}

const knownBounds = new Map();

/** Return the t for which Student's distribution has `coverage` of its mass between -t and t. */
function tBound(freedom, coverage = 1 - LEVEL) {
  const key = `${freedom} ${coverage}`;
  if (!knownBounds.has(key)) {
    let [low, high] = [0, Math.PI / 2]; // of the angle whose tangent is t / sqrt(freedom), which has an end
    const tail = (t) => betaMass(freedom / (freedom + t * t), freedom / 2, 0.5);
    for (let turn = 0; turn < 60; turn += 1) {
      const middle = (low + high) / 2;
      if (tail(Math.sqrt(freedom) * Math.tan(middle)) > 1 - coverage) low = middle; else high = middle;
    }
    knownBounds.set(key, Math.sqrt(freedom) * Math.tan((low + high) / 2));
  }
  return knownBounds.get(key);
}

/** Return the probability that an F of these degrees of freedom is greater than `ratio`. */
function fTail(ratio, between, within_) {
  if (ratio <= 0) return 1;
  return ratio === Infinity ? 0 : betaMass(within_ / (within_ + between * ratio), within_ / 2, between / 2);
}

/** Return the part of what others leave unexplained that has to be explained to be significant at `level`. */
function tellingShare(level, between, within_) {
  let [low, high] = [0, 1];
  for (let turn = 0; turn < 50; turn += 1) {
    const middle = (low + high) / 2;
    if (betaMass(middle, within_ / 2, between / 2) < level) low = middle; else high = middle;
  }
  return 1 - low;
}

const logChoose = (n, k) => logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);

/** Return the p of Fisher's exact test: of all that is at most as likely, or one-sided of at least as many failures. */
function fisher(failed, having, allFailed, everyone, oneSided) {
  const [least, most] = [Math.max(0, having + allFailed - everyone), Math.min(having, allFailed)];
  const logs = [];
  for (let k = least; k <= most; k += 1) logs.push(logChoose(having, k) + logChoose(everyone - having, allFailed - k));
  const whole = logChoose(everyone, allFailed);
  const limit = logs[failed - least] + 1e-7;
  const counted = logs.filter((log, place) => (oneSided ? place >= failed - least : log <= limit));
  return Math.min(1, sumOf(counted.map((log) => Math.exp(log - whole))));
}

function countValues(values) {
  const counts = new Map();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Return the quantiles of the normal distribution at the ranks of `values`; ties share theirs. */
function normalScores(values) {
  const scores = new Map();
  let below = 0;
  for (const [value, ties] of [...countValues(values)].sort(([a], [b]) => a - b)) {
    scores.set(value, normalQuantile((below + (ties + 1) / 2) / (values.length + 1)));
    below += ties;
  }
  return Array.from(values, (value) => scores.get(value));
}

/** Return the fourth moment over the squared second one, 3 of a normal distribution; 0 if all values are equal. */
function kurtosis(values) {
  const mean = sumOf(values) / values.length;
  const second = squaresOf(values, mean) / values.length;
  return second ? sumOf(values.map((value) => ((value - mean) ** 2 / second) ** 2)) / values.length : 0;
}

const NEAR = [[2509.0809287301227, 33430.57558358813, 67265.7709270087, 45921.95393154987, 13731.69376550946, 1971.5909503065513, 133.14166789178438, 3.3871328727963665],
  [5226.495278852854, 28729.085735721943, 39307.89580009271, 21213.794301586597, 5394.196021424751, 687.1870074920579, 42.31333070160091, 1]];
const BETWEEN = [[0.0007745450142783414, 0.022723844989269184, 0.2417807251774506, 1.2704582524523684, 3.6478483247632045, 5.769497221460691, 4.630337846156546, 1.4234371107496835],
  [1.0507500716444169e-9, 0.0005475938084995345, 0.015198666563616457, 0.14810397642748008, 0.6897673349851, 1.6763848301838038, 2.053191626637759, 1]];
const TAIL = [[2.0103343992922881e-7, 2.7115555687434876e-5, 0.0012426609473880784, 0.026532189526576124, 0.29656057182850487, 1.7848265399172913, 5.463784911164114, 6.657904643501103],
  [2.0442631033899397e-15, 1.421511758316446e-7, 1.8463183175100548e-5, 0.0007868691311456133, 0.014875361290850615, 0.1369298809227358, 0.599832206555888, 1]];

/** Return the normal quantile of a probability (Wichura 1988, algorithm AS 241). */
function normalQuantile(p) {
  const ratio = ([above, below], x) => above.reduce((sum, part) => sum * x + part, 0) / below.reduce((sum, part) => sum * x + part, 0);
  const middle = p - 0.5;
  if (Math.abs(middle) <= 0.425) return middle * ratio(NEAR, 0.180625 - middle * middle);
  const root = Math.sqrt(-Math.log(middle <= 0 ? p : 1 - p));
  const x = root <= 5 ? ratio(BETWEEN, root - 1.6) : ratio(TAIL, root - 5);
  return middle < 0 ? -x : x;
}

// Partial pooling ------------------------------------------------------------------------------------------------------

/** Return how configurations compare: samples are {values, bad}, greater values better, each with a value at least. */
function poolOf(given) {
  const unit = unitOf(given.flatMap(({ values }) => values));
  const samples = given.map(({ values, bad }) => ({ n: values.length, bad, values: values.map((value) => value / unit) }));
  for (const sample of samples) sample.mean = meanOf(sample.values);
  for (const sample of samples) sample.squares = squaresOf(sample.values, sample.mean);
  const pool = { samples, unit, freedom: samples.reduce((sum, { n }) => sum + n - 1, 0) };
  pool.variance = commonVariance(pool);
  pool.means = means(pool);
  pool.plain = new Set(samples.map(({ n, bad }) => `${n} ${bad}`)).size < 2 || !pool.freedom;
  pool.scores = pooledScores(pool).map((score) => score * unit);
  pool.order = pooledOrder(pool);
  return pool;
}

/** Return the power of two that keeps the squares of values from running over or under: 1, but for extreme ones. */
function unitOf(values) {
  const most = values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  const exponent = most ? Math.floor(Math.log2(most)) : 0;
  return Math.abs(exponent) > 300 ? 2 ** exponent : 1;
}

function commonVariance({ samples, freedom }) {
  const several = samples.filter(({ n }) => n > 1);
  if (!several.length) return 0;
  const usual = median(several.map(({ squares, n }) => squares / (n - 1) / (1 - 2 / (9 * (n - 1))) ** 3));
  const most = usual && several.length >= FEWEST_TO_CAP ? OUTLYING * usual : Infinity;
  return sumOf(several.map(({ squares, n }) => Math.min(squares, most * (n - 1)))) / freedom;
}

/** Return the means with the seeds that ended badly: as one deviation below, or as the worst where they are too many. */
function means({ samples, variance }) {
  const total = samples.reduce((sum, { bad }) => sum + bad, 0);
  if (!total) return samples.map(({ mean }) => mean);
  const seeds = samples.reduce((sum, { n, bad }) => sum + n + bad, 0);
  const worst = samples.reduce((low, { values }) => Math.min(low, ...values), Infinity);
  return samples.map(({ n, bad, mean }) => {
    const prone = bad && fisher(bad, n + bad, total, seeds, true) < LEVEL;
    return mean + bad * ((prone ? worst : mean - Math.sqrt(variance)) - mean) / (n + bad);
  });
}

function pooledScores({ samples, means: found, variance, freedom }) {
  if (!variance || found.length < 2) return found;
  const middle = median(found);
  const usual = 1.4826 * median(found.map((mean) => Math.abs(mean - middle)));
  const far = FAR * Math.max(usual, Math.sqrt(variance));
  const pairs = samples.map(({ n }, place) => [n, Math.min(Math.max(found[place], middle - far), middle + far)]);
  const lines = shrinkage(pairs, variance, freedom);
  return samples.map(({ n }, place) => lines.get(n)[0] + lines.get(n)[1] * found[place]);
}

/** Return for each number of seeds the intercept and the slope of what is expected of a mean over as many. */
function shrinkage(pairs, variance, freedom) {
  const classes = classesOf(pairs);
  const usual = pairs.length / sumOf(pairs.map(([n]) => 1 / n));
  const rest = freedom + pairs.length - 1;
  const points = POINTS.map((point) => {
    const ratio = Math.exp(point) / usual;
    const over = (part) => sumOf(classes.map((one) => part(one) / (ratio + 1 / one.n)));
    const total = over(({ number }) => number);
    const centre = over(({ number, mean }) => number * mean) / total;
    const between = over(({ number, mean, squares }) => squares + number * (mean - centre) ** 2);
    const density = point - 2 * Math.log1p(Math.exp(point)) - sumOf(classes.map(({ n, number }) => number * Math.log(ratio + 1 / n))) / 2
      - Math.log(total) / 2 - Math.log(Math.max(variance * freedom + between, 1e-300)) * rest / 2;
    return { density, ratio, centre };
  });
  const top = Math.max(...points.map(({ density }) => density));
  for (const point of points) point.weight = Math.exp(point.density - top);
  const whole = sumOf(points.map(({ weight }) => weight));
  return new Map(classes.map(({ n }) => {
    const kept = points.map(({ weight, ratio }) => weight * ratio / (ratio + 1 / n) / whole);
    return [n, [sumOf(points.map(({ weight, centre }, place) => (weight / whole - kept[place]) * centre)), sumOf(kept)]];
  }));
}

function classesOf(pairs) {
  const byNumber = new Map();
  for (const [n, mean] of pairs) byNumber.set(n, [...(byNumber.get(n) ?? []), mean]);
  return [...byNumber].map(([n, found]) => {
    const mean = sumOf(found) / found.length;
    return { n, number: found.length, mean, squares: squaresOf(found, mean) };
  });
}

/** Return the places of the configurations, best first; of equal ones those first whose seeds ended better. */
function pooledOrder({ samples, means: found, scores, plain }) {
  const keys = samples.map(({ bad }, place) => (plain ? [-found[place], 0, bad] : [-scores[place], -found[place], bad]));
  const compare_ = (a, b) => keys[a][0] - keys[b][0] || keys[a][1] - keys[b][1] || keys[a][2] - keys[b][2] || a - b;
  return samples.map((_, place) => place).sort(compare_);
}

const standardError = (pool, place) => Math.sqrt(pool.variance / pool.samples[place].n);
const pooledT = (pool, tail) => tBound(Math.min(pool.freedom, MOST_FREEDOM), 1 - 2 * tail);

/** Return the places of those that cannot be distinguished from the first of the order (Gupta's subset selection). */
function closeToBest(pool) {
  const [best, ...others] = pool.order;
  if (!pool.freedom) return others;
  const most = pooledT(pool, LEVEL / Math.max(1, others.length));
  const gap = (place) => pool.samples[best].mean - pool.samples[place].mean;
  return others.filter((place) => gap(place) <= most * Math.hypot(standardError(pool, best), standardError(pool, place)));
}

/** Return where the true mean of the best one lies in 95 %, although it was chosen, from below with its bad seeds; null: unknown. */
function bestInterval(pool) {
  if (!pool.freedom || !pool.samples.length) return null;
  const [best] = pool.order;
  const { mean } = pool.samples[best];
  const safe = pooledT(pool, OF_CHOICE * LEVEL / pool.samples.length);
  const rivals = pool.samples.filter((sample, place) => mean - sample.mean <= 2 * safe * (standardError(pool, best) + standardError(pool, place))).length;
  const rest = (1 - OF_CHOICE) * LEVEL / 2;
  const reach = (tail) => pooledT(pool, tail) * standardError(pool, best);
  return [(Math.min(mean, pool.means[best]) - reach(rest / rivals)) * pool.unit, (mean + reach(rest)) * pool.unit];
}
