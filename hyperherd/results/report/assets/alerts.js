// Alerts: what trials wanted people to know, of those that are selected, the worst and newest first.

const ALERTS_SHOWN = 20;

function showAlerts() {
  const found = data.alerts;
  if (!found) return;
  const body = el('div');
  fill('alerts', 'Alerts', plural(found.total, 'alert'), body);
  const draw = () => {
    const shown = found.shown.filter(({ trial }) => isSelected(trial));
    body.replaceChildren(
      ...(shown.length ? folded(shown.map(alertLine), ALERTS_SHOWN, 'alert') : [el('p', { class: 'empty' }, 'No selected trial has raised one.')]),
      found.total > found.shown.length ? el('p', { class: 'empty' }, `and ${plural(found.total - found.shown.length, 'more alert')}: herd-results show`) : '');
  };
  selection.listeners.push(draw);
  draw();
}

function alertLine(alert) {
  return el('div', { class: 'tools' }, el('b', {}, alert.level), trialLinks([alert.trial]), el('span', { class: 'muted' }, date(alert.time)),
    el('span', {}, alert.rank ? `rank ${alert.rank}: ${alert.text}` : alert.text));
}
