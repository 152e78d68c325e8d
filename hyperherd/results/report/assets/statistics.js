// The statistics of a selection: what hyperherd/results/statistics has in spread.py, pooling.py and distributions.py,
// where the formulas are explained. A test holds the two to the same numbers.

const LEVEL = 0.05;
const OF_CHOICE = 0.1;
const POINTS = Array.from({ length: 92 }, (_, step) => -9 + 0.3 * step);
const OUTLYING = 9;
const FEWEST_TO_CAP = 4;
const FAR = 10;
const MOST_FREEDOM = 200;

/** Return the sum of numbers, with what rounding takes away put back (Neumaier). */
function sumOf(values) {
  let [sum, lost] = [0, 0];
  for (const value of values) {
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  return Number.isFinite(lost) ? sum + lost : sum;
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

const logChoose = (n, k) => logGamma(n + 1) - logGamma(k + 1) - logGamma(n - k + 1);

/** Return the probability of at least as many failures by chance (Fisher's exact test, one-sided). */
function fisherTail(failed, having, allFailed, everyone) {
  const most = Math.min(having, allFailed);
  const whole = logChoose(everyone, allFailed);
  let sum = 0;
  for (let k = failed; k <= most; k += 1) sum += Math.exp(logChoose(having, k) + logChoose(everyone - having, allFailed - k) - whole);
  return Math.min(1, sum);
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
    const prone = bad && fisherTail(bad, n + bad, total, seeds) < LEVEL;
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
