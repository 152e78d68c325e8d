// Least squares over terms: what hyperherd/results/statistics/importance/variance.py has, where the rules are explained.

const DEPENDENT = 0.01;
const ROUNDED = 1e-20;
const LACK_OF_FIT = [[8, 0.25], [4, 0.05], [1, 0.01]];

/** Return the sum of squared deviations from the mean; nothing of equal ones, however their mean is rounded. */
function squaresWithin(values) {
  return values.every((value) => value === values[0]) ? 0 : squaresOf(values, average(values));
}

/** Return the variance that is chance, and its degrees of freedom: `noise` is {squares, freedom} within configurations. */
function errorOf(noise, rest, freedom) {
  const [between, lack] = [freedom - noise.freedom, Math.max(0, rest - noise.squares)];
  if (between > 0 && noise.freedom > 0) {
    const inside = noise.squares / noise.freedom;
    const ratio = lack ? lack / between / inside : 0;
    const [, limit] = LACK_OF_FIT.find(([least]) => between >= least);
    if (fTail(ratio, between, noise.freedom) < limit) return [lack / between, between];
  }
  return [rest / freedom, freedom];
}

/** Return the p of the F test of what a term explains, {squares, freedom, rest, left}; 1 if nothing is explained or left to compare with. */
function pOf(explained, noise) {
  if (explained.left <= 0 || !explained.freedom || explained.squares < ROUNDED) return 1;
  const [variance, freedom] = errorOf(noise, explained.rest, explained.left);
  return fTail(variance > 0 ? explained.squares / explained.freedom / variance : Infinity, explained.freedom, freedom);
}

/** The values that models fit, with the products of columns that models have in common. */
class Products {
  constructor(values) {
    this.values = values;
    this.known = new Map();
  }

  matrix(columns) {
    const every = [...columns, this.values];
    const matrix = every.map(() => new Float64Array(every.length));
    every.forEach((one, row) => {
      for (let column = row; column < every.length; column += 1) matrix[row][column] = matrix[column][row] = this.product(one, every[column]);
    });
    return matrix;
  }

  product(one, other) {
    if (!this.known.has(one)) this.known.set(one, new Map());
    const row = this.known.get(one);
    if (!row.has(other)) row.set(other, dot(one, other));
    return row.get(other);
  }
}

/** A linear model of values of which the total sum of squares is 1. */
class Model {
  constructor(products, terms, base, curved, curves = true) {
    this.count = products.values.length;
    this.places = new Map();
    const [columns, swept, applies] = [[], [], []];
    const add = (some) => some.map((column) => columns.push(column) - 1);
    for (const term of terms) {
      const isCurved = curved.includes(term);
      const own_ = add(term.columns);
      const bends = curves || isCurved ? add(term.curve) : [];
      this.places.set(term, { own: own_, bends });
      if (base.includes(term)) {
        swept.push(...own_, ...(isCurved ? bends : []));
        applies.push(...term.applies);
      }
    }
    swept.push(...add(applies)); // last: where they follow from a parameter, the effect is that parameter's
    this.matrix = products.matrix(columns);
    this.swept = new Set();
    this.dependent = [];
    for (const place of swept) {
      if (this.matrix[place][place] > DEPENDENT) {
        sweepMatrix(this.matrix, place);
        this.swept.add(place);
      } else this.dependent.push(place);
    }
  }

  get rest() { return Math.max(0, this.matrix.at(-1).at(-1)); }

  get left() { return this.count - 1 - this.swept.size; }

  /** Return what a term explains beyond the others of the model, with its curve or without what it does not have. */
  of(term, curve = false) {
    const { own: own_, bends } = this.places.get(term);
    const inside = [...own_, ...bends].filter((place) => this.swept.has(place));
    const asked = inside.length ? (curve ? bends : []) : curve ? [...own_, ...bends] : own_;
    const outside = asked.filter((place) => !this.swept.has(place) && this.matrix[place][place] > DEPENDENT);
    const [squares] = this.block(inside);
    const [beyond, added] = this.block(outside);
    return { squares: squares + beyond, freedom: inside.length + added, rest: Math.max(0, this.rest - beyond), left: this.left - added };
  }

  /** Return the sum of squares of some columns, all swept or none, and how many of them are new. */
  block(places) {
    const last = this.matrix.length - 1;
    const small = places.map((row) => Float64Array.from([...places, last], (column) => this.matrix[row][column]));
    small.push(Float64Array.from([...small.map((row) => row.at(-1)), 0]));
    let number = 0;
    for (let place = 0; place < places.length; place += 1) {
      if (small[place][place] > 1e-9) {
        sweepMatrix(small, place);
        number += 1;
      }
    }
    return [Math.max(0, -small.at(-1).at(-1)), number];
  }

  /** Return the terms of which one follows from the others, a set for each column that does. */
  entangled() {
    const owner = new Map();
    for (const [term, { own: own_ }] of this.places) for (const place of own_) owner.set(place, term);
    return this.dependent.filter((place) => owner.has(place)).map((place) => {
      const others = [...this.swept].filter((other) => owner.has(other) && Math.abs(this.matrix[other][place]) > 0.05);
      return new Set([owner.get(place), ...others.map((other) => owner.get(other))]);
    });
  }
}

function sweepMatrix(matrix, pivot) {
  const head = matrix[pivot][pivot];
  const line = matrix[pivot].map((value) => value / head);
  matrix.forEach((row, place) => {
    const factor = row[pivot];
    if (place === pivot || !factor) return;
    for (let column = 0; column < row.length; column += 1) row[column] -= factor * line[column];
    row[pivot] = -factor / head;
  });
  line[pivot] = 1 / head;
  matrix[pivot] = line;
}
