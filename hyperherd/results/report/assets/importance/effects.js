// What matters among some trials: what hyperherd/results/statistics/importance/effects.py computes, where the rules are
// explained, as report/findings.py tells it. A test holds the two to the same numbers and words.

const MOST_STEPS = 20;
const IN_RANGES = 5;
const MOST_CONTRASTS = 12;

/** Return what `data.effects` holds, of chosen trials in the order of the report, in steps between which a page can live. */
function* effectsInSteps(chosen) {
  const settings_ = settingsAmong(chosen);
  const ranked = chosen.filter(isRanked);
  const { places, values, unit, codesOf } = pointsAmong(ranked, settings_);
  const columns = [...codesOf.keys()].filter((column) => countValues(codesOf.get(column)).size > 1);
  const isSeed = (column) => settings_.seeds.has(column);
  const [shown, repeats] = [columns.filter((column) => !isSeed(column)), columns.filter(isSeed)];
  const configurations = partsBy(shown.map((column) => codesOf.get(column)), places.length).of;
  const judged = places.length ? yield* verdictsOf(values, yield* termsOf(shown, codesOf), configurations) : { verdicts: [], joint: [], ranks: false };
  const better = data.objective.direction === 'maximize' ? 1 : -1;
  const survivors = survivorsAmong(chosen, settings_, new Set(ranked));
  const parameters = yield* comparedEffects(judged, values, codesOf, [shown, repeats], better, unit);
  return {
    trials: places.length,
    left_out: chosen.length - places.length,
    noise: seedNoise(values, configurations, unit),
    parameters,
    fixed: fixedAmong(codesOf, columns),
    ranks: judged.ranks,
    joint: judged.joint.map((item) => ({ ...item, names: item.names.map((some) => some.map(nameAt).join('+')) })),
    survivors: survivors.splits.map((split) => ({ ...split, parameter: nameAt(split.column), value: columnAt(split.column).values[split.code].typed })),
    looked: survivors.looked,
  };
}

// Trials ---------------------------------------------------------------------------------------------------------------

/** Return the trials that are compared, of several with the same settings the one that ended last, with what they are. */
function pointsAmong(ranked, settings_) {
  const ended = codedReader(data.lookups.facts, 'ended');
  const when = (place) => ended(ranked[place])?.value ?? 0;
  const table = settings_.table(ranked);
  const newest = new Map();
  partsBy([...table.values()], ranked.length).of.forEach((part, place) => {
    if (!newest.has(part) || when(place) > when(newest.get(part))) newest.set(part, place);
  });
  const places = [...newest.values()];
  const found = places.map((place) => data.objective.values[ranked[place]]);
  const unit = powerOfTwo(found.reduce((most, value) => Math.max(most, Math.abs(value)), 0));
  const codesOf = new Map([...table].map(([column, codes]) => [column, places.map((place) => codes[place])]));
  return { places, unit, values: Float64Array.from(found, (value) => value / unit), codesOf };
}

/** Return the power of two such that a number is between it and twice it. */
function powerOfTwo(value) {
  let unit = value ? 2 ** Math.max(-1074, Math.floor(Math.log2(value))) : 0.5;
  while (unit > value && value) unit /= 2;
  while (2 * unit <= value) unit *= 2;
  return unit;
}

/** Return what all points have in common, name -> typed value. */
function fixedAmong(codesOf, varying) {
  const same = [...codesOf].filter(([column, codes]) => codes.length && !varying.includes(column));
  return new Map(same.map(([column, [code]]) => [nameAt(column), columnAt(column).values[code].typed]));
}

const knownNumbers = new WeakMap();

/** Return the values of the codes of a column. */
function numbersOf(column) {
  const { values } = columnAt(column);
  if (!knownNumbers.has(values)) knownNumbers.set(values, values.map(({ typed }) => typedValue(typed)));
  return knownNumbers.get(values);
}

// Parameters -----------------------------------------------------------------------------------------------------------

/** Return the parameters as terms of a model, those that always change together as one. */
function* termsOf(columns, codesOf) {
  const found = new Map();
  for (const column of columns) {
    const codes = codesOf.get(column);
    const term = termOf(column, codes, numbersOf(column));
    const alike = 2 * countCodes(codes).size <= codes.length ? `of ${dense(codes).join(' ')}` : directionOf(term);
    const twin = found.get(alike);
    found.set(alike, twin ? { ...twin, names: [...twin.names, column] } : term);
    yield;
  }
  return [...found.values()];
}

/** Return what two numbers share of which one is a line over the other; what has no line is like nothing else. */
function directionOf({ names, columns: [line] }) {
  if (!line) return `alone ${names[0]}`;
  const sign = Math.sign(line.find((value) => Math.abs(value) > 1e-6));
  return `line ${Array.from(line, (value) => Math.round(value * sign * 1e6)).join(' ')}`;
}

/** Return the effects, those that matter first, of these and of the others the greatest share first. */
function* comparedEffects(judged, values, codesOf, [shown, repeats], better, unit) {
  const parts = (columns) => {
    const found = withoutEach(columns.map((column) => codesOf.get(column)), values.length);
    return new Map(columns.map((column, place) => [column, found[place]]));
  };
  const [without, withoutSeeds] = [parts([...shown, ...repeats]), repeats.length ? parts(shown) : new Map()];
  const named = judged.verdicts.flatMap((verdict) => verdict.term.names.map((column) => ({ column, verdict })));
  for (const item of named) {
    item.pairs = differencesOf(values, codesOf.get(item.column), without.get(item.column), withoutSeeds.get(item.column));
    yield;
  }
  const looked = named.reduce((sum, { pairs }) => sum + [...pairs.found.values()].reduce((part, row) => part + row.size, 0), 0) / 2;
  const rank = ({ verdict }) => (verdict.share === null ? 1 : -Math.round(verdict.share * 1e9) / 1e9);
  named.sort((a, b) => Number(isNamed(b.verdict)) - Number(isNamed(a.verdict)) || rank(a) - rank(b));
  return named.map((item) => effectOf(item, values, codesOf.get(item.column), better, looked, unit));
}

function effectOf({ column, verdict, pairs }, values, codes, better, looked, unit) {
  const { name, values: written } = columnAt(column);
  const typed = (code) => written[code].typed;
  const found = contrastsOf([...countCodes(codes).keys()], pairs.found, better, looked);
  const twins = verdict.term.names.filter((other) => other !== column).map(nameAt);
  const matters = isNamed(verdict);
  const scaled_ = (value) => (value === null ? null : value * unit);
  return {
    name, matters, over: pairs.over, p: verdict.p, unique: verdict.unique, chance: verdict.chance,
    verdict: effectVerdict(verdict, twins, values.length),
    share: matters || verdict.telling ? verdict.share : null,
    best: bestLevel(column, values, codes, better, unit),
    contrasts: found.slice(0, MOST_CONTRASTS).map((item) => ({ ...item, value: typed(item.value), against: typed(item.against),
      mean: item.mean * unit, low: scaled_(item.low), high: scaled_(item.high) })),
    more: Math.max(0, found.length - MOST_CONTRASTS),
  };
}

/** Return the value, or the range of values, with the best mean. */
function bestLevel(column, values, codes, better, unit) {
  const [numbers, written] = [numbersOf(column), columnAt(column).values];
  const groups = new Map();
  rangesOf(codes, numbers).forEach((level, place) => {
    if (!groups.has(level)) groups.set(level, []);
    groups.get(level).push(place);
  });
  const found = [...groups].map(([level, members]) => ({ level, members, mean: average(members.map((place) => values[place])) }));
  const { level, members, mean } = found.reduce((one, other) => (-better * other.mean < -better * one.mean ? other : one));
  const having = [...new Set(members.map((place) => codes[place]))].sort((a, b) => numbers[a] - numbers[b]);
  const [first, last] = level === -1 ? [] : [having[0], having.at(-1)].map((code) => written[code].typed);
  return { value: first ?? null, upto: having.length > 1 ? last : null, mean: mean * unit, trials: members.length };
}

/** Return the level of each trial: its code, or a range of many numbers with about as many trials in each. */
function rangesOf(codes, numbers) {
  const levels = [...countCodes(codes).keys()];
  const many = levels.length > Math.min(MOST_STEPS, Math.floor(codes.length / 2));
  if (!many || levels.length <= IN_RANGES || !areNumbers(levels, numbers)) return codes;
  const having = codes.filter((code) => code >= 0).sort((a, b) => numbers[a] - numbers[b]);
  const place = new Map();
  having.forEach((code, index) => { if (!place.has(code)) place.set(code, Math.floor(index * IN_RANGES / having.length)); });
  return codes.map((code) => (code < 0 ? -1 : place.get(code)));
}

function seedNoise(values, configurations, unit) {
  const groups = groupBy(values, configurations);
  const freedom = values.length - groups.length;
  if (!freedom) return null;
  const [inside, total] = [sumOf(groups.map(squaresWithin)), squaresWithin(values)];
  return { std: Math.sqrt(inside / freedom) * unit, share: total ? inside / total : null };
}

// Survivors and verdicts -----------------------------------------------------------------------------------------------

const isEnded = (trial) => (isFinished(trial) || isProblem(trial)) && !data.comparable.blameless.includes(trial) && !data.comparable.unread.includes(trial);

/** Return where trials that came to an end of their own have no value more often. */
function survivorsAmong(chosen, settings_, ranked) {
  const trials = inLoadedOrder(chosen).filter(isEnded);
  const table = settings_.table(trials);
  const columns = [...table.keys()].filter((column) => !settings_.seeds.has(column));
  const configurations = partsBy(columns.map((column) => table.get(column)), trials.length).of;
  return ratesOf({ failed: trials.map((trial) => !ranked.has(trial)), configurations, table }, columns);
}

/** Return what can be said of a parameter from this many trials, as pages/effects.py. */
function effectVerdict({ p, telling: enough }, twins, trials) {
  const others = twins.join(' or ');
  if (p !== null && p <= LEVEL) return twins.length ? `it or ${others} matters, ${pText(p)}` : `matters, ${pText(p)}`;
  if (p === null || !enough) return `too few trials to tell (${trials})`;
  return `not shown to matter, ${pText(p)}${twins.length ? ` (confounded with ${others})` : ''}`;
}

const pText = (p) => (p === null ? 'p unknown' : p < 0.001 ? 'p < 0.001' : `p = ${evenly(p, p < 0.1 ? 3 : 2)}`);

/** Return a number with so many digits; half way it becomes even, as in Python: 0.625 is 0.62. */
function evenly(value, digits) {
  const isHalf = value * 2 ** (digits + 1) % 2 === 1;
  const below = Math.floor(value * 10 ** digits);
  return (isHalf ? (below + below % 2) / 10 ** digits : value).toFixed(digits);
}
