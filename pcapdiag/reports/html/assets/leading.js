/* From what a chart shows to the connections behind it: marked in the timeline, with what finds them elsewhere. */

const NAMED = 150;  // connections that a filter or a command names
let bars = null;  // the timeline's: where(pool, test) and numbered(numbers) are rows of it, lead(rows, says, back) shows them

const poolOf = (plot) => plot.closest('.pool')?.dataset.pool;
const plain = (event) => event.dataIndex !== undefined && event.componentType === 'series';

function slices(bins, values) {  // of values in the order of the bins, those of each
  let at = 0;
  return bins.map((bin) => values.slice(at, at += bin[2]));
}
function lead(plot, {says, rows}) {
  if (bars) bars.lead(rows(), says, plot.closest('figure'));
}
function barsLead(plot, chart, to) {  // a bar that is clicked
  chart.off('click');
  chart.on('click', (event) => { if (plain(event)) lead(plot, to(event)); });
}
function momentsLead(plot, chart, grids, pool) {  // a moment that is clicked
  plot.style.cursor = bars ? 'pointer' : '';
  chart.getZr().off('click');
  chart.getZr().on('click', (event) => {
    const grid = grids.find((at) => chart.containPixel({gridIndex: at}, [event.offsetX, event.offsetY]));
    if (grid === undefined) return;
    const [time] = chart.convertFromPixel({gridIndex: grid}, [event.offsetX, event.offsetY]);
    lead(plot, {says: `${pool ? `${pool}: ` : ''}open at ${since(Math.max(time, 0))}`,
      rows: () => bars.where(pool, (c, i) => c.opened[i] <= time && c.opened[i] + c.lasted[i] >= time)});
  });
}
function rowsLead(plot, leads) {  // the same from the numbers below, by keyboard
  if (!bars) return;
  $$('.numbers tbody tr', plot.closest('figure')).forEach((row, at) => {
    const cell = row.cells[0];
    if (!leads[at] || $('button', cell)) return;
    cell.replaceChildren(make('button', {type: 'button', class: 'lead', title: 'Show these connections', onclick: () => lead(plot, leads[at])}, cell.textContent));
  });
}

// -- what finds connections elsewhere

function runs(numbers, dots) {  // 1-3, 7
  const out = [];
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    const last = out[out.length - 1];
    if (last && last[1] === number - 1) last[1] = number;
    else out.push([number, number]);
  }
  return out.map(([first, last]) => first === last ? `${first}` : last === first + 1 ? `${first}${dots === '-' ? ',' : ', '}${last}` : `${first}${dots}${last}`);
}
function ends(pool, ports) {  // a display filter for connections of one pool by their clients' ports
  if (!pool.client) return '';
  const ip = pool.client.includes(':') ? 'ipv6' : 'ip';
  return [`${ip}.addr == ${pool.client}`, ...(pool.server === pool.client ? [] : [`${ip}.addr == ${pool.server}`]), ...(pool.port === null ? [] : [`tcp.port == ${pool.port}`]),
    ports.length === 1 ? `tcp.port == ${ports[0]}` : `tcp.port in {${runs(ports, '..').join(', ')}}`].join(' && ');
}
const copyable = (shows, said) => make('div', {class: 'filter'}, make('span', {class: 'shows'}, shows), make('code', {tabindex: 0}, said),
  make('button', {type: 'button', class: 'copy', 'aria-label': `Copy: ${shows}`}, 'Copy'));
function found(rows, given) {  // filters and the command for these rows of the timeline
  const c = given.columns, pools = new Map();
  for (const i of rows.slice(0, NAMED)) pools.set(c.pool[i], [...(pools.get(c.pool[i]) || []), c.port[i]]);
  const some = rows.length > NAMED ? `the first ${NAMED}` : '';
  const filters = [...pools].slice(0, 3).map(([at, ports]) => [pools.size > 1 ? `Wireshark, ${given.pools[at].id}` : 'Wireshark', ends(given.pools[at], ports)]).filter(([, filter]) => filter);
  return [
    ...filters.map(([name, filter]) => copyable(some ? `${name}, ${some}` : name, filter)),
    ...(pools.size > 3 ? [make('p', {class: 'note'}, `A filter for each of ${pools.size - 3} more pools is left out.`)] : []),
    copyable(some ? `packets, ${some}` : 'their packets', `pcapdiag extract FILE --connection ${runs(rows.slice(0, NAMED).map((i) => c.number[i]), '-').join(',')} -o some.pcapng`),
  ];
}
