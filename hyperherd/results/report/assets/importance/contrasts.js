// Two values of a parameter over trials that differ in nothing else: what hyperherd/results/statistics/importance/
// contrasts.py has, where the rules are explained.

const MOST_VALUES = 50;
const ROUNDING = 1e-12;

/** Return the parts of trials, {of, size}, of which two are in one if they are in one before and have one code. */
function refine(parts, codes) {
  if (parts.size === codes.length) return parts; // each is alone
  const [levels, known_] = [dense(codes), new Map()];
  const of = parts.of.map((part, place) => {
    const key = part * (codes.length + 1) + levels[place];
    if (!known_.has(key)) known_.set(key, known_.size);
    return known_.get(key);
  });
  return { of, size: known_.size };
}

/** Return codes as small numbers in the order in which they come. */
function dense(codes) {
  const known_ = new Map();
  return codes.map((code) => {
    if (!known_.has(code)) known_.set(code, known_.size);
    return known_.get(code);
  });
}

const onePart = (number) => ({ of: new Int32Array(number), size: Math.min(1, number) });

/** Return the parts of the trials that agree in all columns. */
const partsBy = (columns, number) => columns.reduce(refine, onePart(number));

/** Return for each column the parts of the trials that agree in all others. */
function withoutEach(columns, number) {
  const before = [onePart(number)];
  for (const column of columns) before.push(refine(before.at(-1), column));
  const found = [];
  let after = onePart(number);
  for (let place = columns.length - 1; place >= 0; place -= 1) {
    found[place] = refine(before[place], after.of);
    after = refine(after, columns[place]);
  }
  return found;
}

/** Return {over, found} of a column: what pairs are of, and one -> other -> the difference between two levels. */
function differencesOf(values, codes, without, withoutSeeds) {
  if (countCodes(codes).size > MOST_VALUES) return { over: 'trials', found: new Map() };
  const found = differencesIn(values, codes, without);
  if (found.size || !withoutSeeds) return { over: 'trials', found };
  const between = differencesIn(values, codes, withoutSeeds);
  return { over: between.size ? 'configurations' : 'trials', found: between };
}

function differencesIn(values, codes, parts) {
  if (parts.size === values.length) return new Map();
  const blocks = new Map(); // part -> level -> values
  values.forEach((value, place) => {
    if (codes[place] < 0) return;
    if (!blocks.has(parts.of[place])) blocks.set(parts.of[place], new Map());
    const block = blocks.get(parts.of[place]);
    if (!block.has(codes[place])) block.set(codes[place], []);
    block.get(codes[place]).push(value);
  });
  const having = new Map(); // one -> other -> blocks
  for (const block of blocks.values()) {
    const levels = [...block.keys()].sort((a, b) => a - b);
    levels.forEach((one, place) => { for (const other of levels.slice(place + 1)) pairCell(having, one, other).push(block); });
  }
  const found = new Map();
  const put = (one, other, item) => { if (!found.has(one)) found.set(one, new Map()); found.get(one).set(other, item); };
  for (const [one, row] of having) {
    for (const [other, shared] of row) {
      const item = difference(one, other, shared);
      put(one, other, item);
      put(other, one, { ...item, gains: item.gains.map((gain) => -gain) });
    }
  }
  return found;
}

function pairCell(table, one, other) {
  if (!table.has(one)) table.set(one, new Map());
  if (!table.get(one).has(other)) table.get(one).set(other, []);
  return table.get(one).get(other);
}

function difference(one, other, blocks) {
  const gains = blocks.map((block) => average(block.get(one)) - average(block.get(other)));
  const cells = blocks.flatMap((block) => [block.get(one), block.get(other)]);
  if (cells.every((cell) => cell.length > 1)) { // several seeds each, none of them shared: Welch
    const parts = cells.map((cell) => [squaresWithin(cell) / (cell.length - 1) / cell.length, cell.length - 1]);
    const whole = sumOf(parts.map(([part]) => part));
    if (whole) {
      const freedom = whole ** 2 / sumOf(parts.map(([part, number]) => part ** 2 / number));
      return { gains, variance: whole / blocks.length ** 2, freedom: Math.max(1, Math.floor(freedom)), paired: false };
    }
  }
  const number = gains.length;
  return { gains, variance: number > 1 ? squaresWithin(gains) / (number - 1) / number : null, freedom: number - 1, paired: true };
}

/** Return the best level of a parameter against each other one, the nearest first. */
function contrastsOf(levels, found, better, looked) {
  const rivals = new Map(levels.map((level) => [level, [...(found.get(level)?.values() ?? [])].map(({ gains }) => -better * average(gains))]));
  const losses = (level) => rivals.get(level).reduce((sum, behind) => sum + Number(behind > 0) - Number(behind < 0), 0);
  const keys = new Map(levels.filter((level) => rivals.get(level).length).map((level) => [level, [losses(level), average(rivals.get(level))]]));
  const order = [...keys.keys()].sort((a, b) => keys.get(a)[0] - keys.get(b)[0] || keys.get(a)[1] - keys.get(b)[1]);
  const [first, ...others] = order;
  const shown = others.filter((other) => found.get(first).has(other)).map((other) => contrast(first, other, found.get(first).get(other), better, looked));
  return shown.sort((a, b) => better * (a.mean - b.mean));
}

function contrast(value, against, { gains, variance, freedom, paired }, better, looked) {
  const mean = average(gains);
  const half = halfWidth(gains, mean, variance === null ? null : Math.sqrt(variance), freedom, looked);
  const [low, high] = half === null ? [null, null] : [mean - half, mean + half];
  const wins = gains.filter((gain) => better * gain > 0).length;
  const ties = gains.filter((gain) => gain === 0).length;
  return { value, against, pairs: gains.length, wins, ties, mean, low, high, paired, sure: low !== null && (low > 0 || high < 0) };
}

/** Return half the width of the interval; null if it cannot be told. */
function halfWidth(gains, mean, sem, freedom, looked) {
  if (sem === null) return null;
  const level = LEVEL / Math.max(1, looked);
  if (sem <= ROUNDING * Math.abs(mean) || !sem) return 2 ** (1 - gains.length) <= level ? 0 : null;
  return sem * tBound(freedom, 1 - level);
}
