// The configurations of the selection, ranked: as statistics/configurations.py ranks those of `herd-results PATH FILTER`.
// Of several finished trials with one seed the newest counts.

let ranking = null; // of the present selection

/** Return {rows, ranked, pooled, text, interval}: the configurations with a selected trial, best first, and what is sure. */
function rankedConfigurations() {
  ranking ??= selectsAll() ? rankingOfAll() : rankSelection();
  return ranking;
}

/** Return the ranking of all trials, which came with the data. */
function rankingOfAll() {
  const rows = data.configurations ?? [];
  return { rows, ranked: rows.filter(({ rank }) => rank).length, pooled: rows.some(({ score }) => isFinite_(score)), ...data.sure };
}

function rankSelection() {
  const rows = (data.configurations ?? []).map(selectedPart).filter(Boolean).sort((a, b) => a.trials[0] - b.trials[0]);
  const judged = rows.filter((row) => row.values.length);
  const sign = data.objective?.direction === 'minimize' ? -1 : 1;
  const pool = poolOf(judged.map(({ values, bad }) => ({ values: values.map((value) => sign * value), bad })));
  pool.order.forEach((place, rank) => Object.assign(judged[place], { rank: rank + 1, score: pool.plain ? null : sign * pool.scores[place] }));
  const best = pool.order.map((place) => judged[place]);
  return { rows: [...best, ...rows.filter((row) => !row.values.length)], ranked: best.length, pooled: !pool.plain,
    text: verdictText(pool), interval: intervalText(pool, sign) };
}

/** Return a configuration as far as it is selected; null if it is not. */
function selectedPart(item) {
  const members = item.trials.map((trial, place) => ({ trial, seed: item.seeds[place] })).filter(({ trial }) => isSelected(trial));
  if (!members.length) return null;
  const newest = new Map();
  for (const { trial, seed } of members) {
    if (isFinished(trial) && !(newest.has(seed) && whenOf(newest.get(seed)) > whenOf(trial))) newest.set(seed, trial);
  }
  const counted = [...newest.values()];
  const values = counted.map((trial) => data.objective.values[trial]).filter(isFinite_);
  const lost = new Set(members.filter(({ trial, seed }) => !newest.has(seed) && isBad(trial)).map(({ seed }) => seed));
  const spread = spreadOf(values);
  const others = members.filter(({ trial }) => !counted.includes(trial));
  const twice = others.filter(({ seed }) => newest.has(seed)).map(({ trial }) => trial);
  const missing = others.filter(({ seed }) => !newest.has(seed)).map(({ trial }) => trial);
  return { params: item.params, trials: members.map(({ trial }) => trial), ...spread, values, twice, flag: seedFlag(missing, twice),
    low: spread.ci === null ? null : spread.mean - spread.ci, high: spread.ci === null ? null : spread.mean + spread.ci,
    planned: new Set(members.map(({ seed }) => seed)).size, bad: data.ranks.seeded ? counted.filter(isBad).length + lost.size : 0, rank: null, score: null };
}

const whenOf = (trial) => data.ranks.when[trial];
const isBad = (trial) => data.ranks.bad.has(trial);

/** Return what is wrong with the seeds of a configuration. */
function seedFlag(missing, twice) {
  const lost = missing.map((trial) => `${data.trials.label[trial]} (${data.trials.state[trial]})`).join(', ');
  const again = twice.map((trial) => data.trials.label[trial]).join(', ');
  return [lost && `no value: ${lost}`, again && `duplicates: ${again}`].filter(Boolean).join('; ');
}

/** Return in a sentence how sure it is that the first is the best; empty for one. */
function verdictText(pool) {
  const others = pool.samples.length - 1;
  if (others < 1) return '';
  if (!pool.freedom) return 'one seed each: nothing is known of how far seeds alone lie apart';
  const alone = pool.samples[pool.order[0]].n === 1 ? ' (of one seed)' : '';
  const ranks = closeToBest(pool).map((place) => pool.order.indexOf(place) + 1).sort((a, b) => a - b);
  if (!ranks.length) return `distinguishable from all others at 95 %${alone}`;
  if (ranks.length === others && others > 1) return `not distinguishable from any of the other ${others} at 95 %${alone}`;
  return `not distinguishable from rank ${inRanges(ranks)} at 95 %${alone}`;
}

/** Return `2, 5-7`. */
function inRanges(ranks) {
  const ranges = [];
  for (const rank of ranks) {
    if (ranges.length && rank === ranges.at(-1).at(-1) + 1) ranges.at(-1).push(rank); else ranges.push([rank]);
  }
  const texts = ranges.map((one) => (one.length === 1 ? String(one[0]) : `${one[0]}${one.length === 2 ? ', ' : '-'}${one.at(-1)}`));
  const left = ranges.slice(5).flat().length;
  return texts.slice(0, 5).join(', ') + (left ? ` and ${left} more` : '');
}

function intervalText(pool, sign) {
  const found = bestInterval(pool);
  if (!found) return '';
  const [low, high] = found.map((end) => sign * end).sort((a, b) => a - b).map((end) => measure(end));
  return `${low} to ${high}${pool.samples.length > 1 ? `, corrected for the choice among ${pool.samples.length}` : ''}`;
}
