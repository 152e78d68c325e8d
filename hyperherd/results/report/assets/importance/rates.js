// Where trials have no value more often: what hyperherd/results/statistics/failure_rates.py has, where the rules are
// explained. Trials are {failed, configurations, table}: what is known of each, in parallel.

const MOST_CUTS = 30;
const MOST_CUT_LEVELS = 50;
const MOST_TESTED = 3;
const FEWEST_CONFIGURATIONS = 10;

/** Return {splits, looked} of some columns of the trials' table. */
function ratesOf(trials, columns) {
  const [failed, of] = [trials.failed.filter(Boolean).length, trials.failed.length];
  if (!failed || failed === of) return { splits: [], looked: 0 };
  let looked = 0;
  const best_ = [];
  for (const column of columns) {
    const cuts = cutsOf(trials.table.get(column), trials.failed, numbersOf(column));
    looked += cuts.length;
    for (const cut of cuts) cut.excess = excessOf(cut, failed, of);
    const tested = cuts.sort((a, b) => b.excess - a.excess).slice(0, MOST_TESTED).map((cut) => testedCut(trials, column, cut, failed));
    best_.push(...tested.sort((a, b) => a.p - b.p).slice(0, 1));
  }
  const whole = best_.map((split) => ({ ...split, p: Math.min(1, split.p * looked) }));
  return { splits: whole.filter(({ p }) => p <= LEVEL).sort((a, b) => a.p - b.p), looked };
}

/** Return by how many standard deviations more trials of a cut failed than by chance. */
function excessOf(cut, failed, of) {
  const spread = cut.count * (of - cut.count) * failed * (of - failed);
  return spread ? (cut.failed * of - cut.count * failed) / Math.sqrt(spread) : 0;
}

const worseOf = (cuts) => cuts.reduce((one, other) => (other.failed / other.count > one.failed / one.count ? other : one));

function cutsOf(codes, failed, values) {
  const levels = new Map();
  let having = 0;
  codes.forEach((code, place) => {
    if (code < 0) return;
    if (!levels.has(code)) levels.set(code, { code, count: 0, failed: 0 });
    levels.get(code).count += 1;
    levels.get(code).failed += Number(failed[place]);
    having += 1;
  });
  const found = [...levels.values()];
  if (found.length > 2 && areNumbers([...levels.keys()], values)) return thresholds(found.sort((a, b) => values[a.code] - values[b.code]), values);
  if (found.length > MOST_CUT_LEVELS || found.length === having) return []; // a value of its own for each trial
  const cuts = found.map((level) => ({ ...level, relation: '=', has: (code) => code === level.code }));
  const shown = cuts.length === 2 && having === codes.length ? [worseOf(cuts)] : cuts;
  return shown.filter((cut) => cut.count < codes.length);
}

/** Return the cuts of a number, each as the side that fails more often. */
function thresholds(levels, values) {
  const along_ = (part) => { let sum = 0; return levels.map((level) => (sum += level[part])); };
  const [counts, failed] = [along_('count'), along_('failed')];
  const even = (x) => (x % 1 === 0.5 ? 2 * Math.round(x / 2) : Math.round(x));
  const places = new Set(Array.from({ length: MOST_CUTS }, (_, cut) => even((cut + 1) * (levels.length - 1) / MOST_CUTS)));
  places.delete(0);
  return [...places].sort((a, b) => a - b).map((place) => {
    const [last, first] = [levels[place - 1].code, levels[place].code];
    const below = { relation: '<=', code: last, count: counts[place - 1], failed: failed[place - 1], has: (code) => values[code] <= values[last] };
    const above = { relation: '>=', code: first, count: counts.at(-1) - below.count, failed: failed.at(-1) - below.failed, has: (code) => values[code] >= values[first] };
    return worseOf([below, above]);
  });
}

function testedCut(trials, column, cut, allFailed) {
  const [others, othersFailed] = [trials.failed.length - cut.count, allFailed - cut.failed];
  let p = 1;
  if (cut.failed * others > othersFailed * cut.count) {
    const fewer_ = dispersion(trials, Array.from(trials.table.get(column), (code) => code >= 0 && cut.has(code)));
    const cells = [cut.failed, cut.count - cut.failed, othersFailed, others - othersFailed].map((part) => Math.floor(part / fewer_));
    const all = cells.reduce((sum, cell) => sum + cell, 0);
    if (all) p = fisher(cells[0], cells[0] + cells[1], cells[0] + cells[2], all, false);
  }
  return { column, relation: cut.relation, code: cut.code, failed: cut.failed, of: cut.count, others, others_failed: othersFailed, p };
}

/** Return how many trials count as one piece of evidence: all seeds of one configuration, if they fail together. */
function dispersion({ failed: all, configurations }, having) {
  const cells = new Map();
  configurations.forEach((configuration, place) => {
    const key = 2 * configuration + Number(having[place]);
    if (!cells.has(key)) cells.set(key, { has: having[place], failed: 0, count: 0 });
    cells.get(key).count += 1;
    cells.get(key).failed += Number(all[place]);
  });
  const repeated = [...cells.values()].filter(({ count: number }) => number > 1);
  if (cells.size < FEWEST_CONFIGURATIONS || !repeated.length) return 1;
  const inside = repeated.reduce((sum, { failed, count: number }) => sum + failed * (number - failed) / (number - 1), 0);
  let alone_ = 0;
  for (const side of [true, false]) {
    const members = repeated.filter(({ has }) => has === side);
    const [number, failed] = ['count', 'failed'].map((part) => members.reduce((sum, cell) => sum + cell[part], 0));
    alone_ += number ? failed * (number - failed) / number : 0;
  }
  const alike = alone_ ? Math.max(0, 1 - inside / alone_) : 1;
  return 1 + (all.length / cells.size - 1) * alike;
}
