// Which parameters matter: what hyperherd/results/statistics/importance/significance.py has, where the rules are explained.

const FOR_LINES = 0.9;
const LEAST_FREEDOM = 3;
const LEFT_BY_CURVES = 8;
const FEWEST_FOR_CURVES = 20;
const TOO_MUCH = 0.8;
const MOST_COLUMNS = 300;
const MOST_INTERACTIONS = 200;

const columnsOf = (terms, ...parts) => terms.reduce((sum, term) => sum + parts.reduce((part, name) => part + term[name].length, 0), 0);

/** Return {verdicts, joint, ranks, together} of terms from the values of trials and the configuration of each. */
function* verdictsOf(values, terms, configurations) {
  const ranks = farOut(values, !fitTogether(values.length, terms));
  const unit = unitLength(ranks ? normalScores(values) : values);
  if (!unit) return { verdicts: terms.map((term) => ({ term, p: null, share: null, unique: null, chance: null, telling: false })), joint: [], ranks: false };
  const tests = new Tests(unit, terms, noiseOf(unit, configurations));
  const verdicts = yield* tests.verdicts();
  yield;
  return { verdicts, joint: tests.joint(verdicts.filter(isNamed)), ranks };
}

const isNamed = ({ p }) => p !== null && p <= LEVEL;

/** Return whether there are enough trials for a model of all terms: as many are left as it has columns. */
function fitTogether(number, terms) {
  const columns = columnsOf(terms, 'columns');
  return number - 1 - columns >= Math.max(columns, LEAST_FREEDOM);
}

/** Return whether some values lie so far out that sums of squares are about these alone. */
function farOut(values, doubtful) {
  return values.length > 4 && kurtosis(values) > 3 + (doubtful ? 0 : Math.min(1.1, 8 / Math.sqrt(values.length)));
}

function unitLength(values) {
  return values.every((value) => value === values[0]) ? null : orthonormal([values])[0] ?? null;
}

function noiseOf(values, configurations) {
  const groups = groupBy(values, configurations);
  return { squares: sumOf(groups.map(squaresWithin)), freedom: values.length - groups.length };
}

/** Return the values of each group; `of` has the number of the group of each value. */
function groupBy(values, of) {
  const groups = new Map();
  values.forEach((value, place) => {
    if (!groups.has(of[place])) groups.set(of[place], []);
    groups.get(of[place]).push(value);
  });
  return [...groups.values()];
}

/** The tests of the terms on one set of values. */
class Tests {
  constructor(values, terms, noise) {
    Object.assign(this, { values, noise, terms, products: new Products(values), named: [], curved: [] });
    this.together = fitTogether(values.length, terms);
    this.curves = columnsOf(terms, 'columns', 'curve') <= MOST_COLUMNS && (this.together || values.length >= FEWEST_FOR_CURVES);
  }

  /** Return the verdicts in the order of the terms, those that cannot be told apart as one. */
  * verdicts() {
    if (this.together) this.terms = untangled(this.model(), this.terms);
    yield;
    const ps = yield* this.holm(this.terms.filter(({ columns }) => columns.length));
    const model = this.model();
    yield;
    const shares = this.shareModel() ?? model;
    return this.terms.map((term) => this.verdict(term, ps.get(term) ?? null, model, shares));
  }

  model() {
    return new Model(this.products, this.terms, this.together ? this.terms : this.named, this.curved, this.curves);
  }

  * holm(terms) {
    const left = [...terms];
    const found = new Map();
    let floor = 0;
    let model = this.model();
    while (left.length) {
      yield;
      const ps = new Map(left.map((term) => [term, this.p(model, term)]));
      const first = left.reduce((one, other) => (ps.get(other) < ps.get(one) ? other : one));
      const adjusted = (term) => Math.max(floor, Math.min(1, ps.get(term) * left.length));
      if (adjusted(first) > LEVEL) {
        for (const term of left) found.set(term, adjusted(term));
        return found;
      }
      floor = adjusted(first);
      found.set(first, floor);
      left.splice(left.indexOf(first), 1);
      this.named.push(first);
      const bent = this.isBent(model, first);
      if (bent) this.curved.push(first);
      if (bent || !this.together) model = this.model();
    }
    return found;
  }

  /** Return whether a curve belongs into the model of the others. */
  isBent(model, term) {
    const [line, curve] = [model.of(term), model.of(term, this.curves)];
    return pOf({ ...curve, squares: curve.squares - line.squares, freedom: curve.freedom - line.freedom }, this.noise) <= LEVEL;
  }

  p(model, term) {
    const line = model.of(term);
    let p = pOf(line, this.noise);
    if (term.curve.length && this.curves) {
      const curve = model.of(term, true);
      if (curve.left >= LEFT_BY_CURVES && curve.freedom > line.freedom) p = Math.min(p / FOR_LINES, pOf(curve, this.noise) / (1 - FOR_LINES));
    }
    return Math.min(1, Math.max(p, this.least(term, line.rest)));
  }

  /** Return the p that no data can go below: one trial against all others is any of them by chance. */
  least(term, rest) {
    const number = this.values.length;
    const least = term.lone ? 1 / number : 0;
    if (!(rest < 1e-12)) return least;
    const alike = sumOf([...countValues(this.values).values()].map((ties) => logGamma(ties + 1)));
    return Math.max(least, 2 * Math.exp(alike - logGamma(number + 1)));
  }

  /** Return the model for shares with all curves, where there are enough trials for them. */
  shareModel() {
    const columns = columnsOf(this.terms, 'columns', 'curve');
    return this.curves && this.values.length - 1 - columns >= columns ? new Model(this.products, this.terms, this.terms, this.terms) : null;
  }

  verdict(term, p, model, shares) {
    const unknown = { term, p, share: null, unique: null, chance: null, telling: false };
    if (p === null) return unknown;
    const own_ = shares.of(term);
    if (own_.left <= 0 || !own_.freedom) return unknown;
    const chance = own_.freedom * own_.rest / own_.left;
    const line = model.of(term);
    const level = LEVEL * (term.curve.length && this.curves ? FOR_LINES : 1) / this.terms.filter(({ columns }) => columns.length).length;
    const freedom = line.left > 0 ? errorOf(this.noise, line.rest, line.left)[1] : 0;
    const telling_ = freedom > 0 && tellingShare(level, Math.max(1, line.freedom), freedom) <= TOO_MUCH;
    const unique = Math.min(1, own_.squares);
    return { term, p, share: Math.max(0, unique - chance), unique, chance, telling: telling_ };
  }

  /** Return the pairs with a named one in which the effect of one depends on the other. */
  joint(named) {
    if (!this.together || !named.length) return [];
    const sure = new Set(named.map(({ term }) => term));
    const pairs = [];
    this.terms.filter(({ columns }) => columns.length).forEach((one, place, all) => {
      for (const other of all.slice(place + 1)) if (sure.has(one) || sure.has(other)) pairs.push([one, other]);
    });
    if (pairs.length > MOST_INTERACTIONS) return [];
    const products = pairs.map(([one, other]) => productOf(one, other));
    if (columnsOf(products, 'columns') > MOST_COLUMNS) return [];
    const model = new Model(this.products, [...this.terms, ...products], this.terms, this.curved, false);
    const tested = [];
    products.forEach((product, place) => {
      const found = model.of(product);
      if (found.left < LEAST_FREEDOM || !found.freedom || !(found.rest > 1e-12)) return;
      const share = Math.max(0, found.squares - found.freedom * found.rest / found.left);
      tested.push({ p: pOf(found, this.noise), share, names: pairs[place].map(({ names }) => names) });
    });
    return holding(tested.sort((a, b) => a.p - b.p));
  }
}

function holding(tested) {
  const adjusted = tested.map((one, place) => ({ ...one, p: one.p * (tested.length - place) }));
  const end = adjusted.findIndex(({ p }) => p > LEVEL);
  return end < 0 ? adjusted : adjusted.slice(0, end);
}

function productOf(one, other) {
  const columns = one.columns.flatMap((x) => other.columns.map((y) => x.map((value, place) => value * y[place])));
  return { names: [...one.names, ...other.names], columns: orthonormal(columns), curve: [], applies: [], lone: false };
}

/** Return `terms` with those that cannot be told apart as one. */
function untangled(model, terms) {
  let groups = terms.map((term) => new Set([term]));
  for (const alike of model.entangled()) {
    const touched = groups.filter((group) => [...alike].some((term) => group.has(term)));
    groups = [...groups.filter((group) => !touched.includes(group)), new Set(touched.flatMap((group) => [...group]))];
  }
  const inOrder = (group) => [...group].sort((a, b) => terms.indexOf(a) - terms.indexOf(b));
  const found = groups.map(inOrder).sort(([a], [b]) => terms.indexOf(a) - terms.indexOf(b));
  return found.map((group) => (group.length === 1 ? group[0] : together(group)));
}
