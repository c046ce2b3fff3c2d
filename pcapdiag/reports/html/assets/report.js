/* All charts drawn, and drawn again for paper, another size, other colors. */

const DRAW = {timeline, levels, states, histogram, silences, closes};
function drawOne(plot) {
  const given = data.charts[plot.id];
  try {
    if (live.has(plot)) { live.get(plot).draw(); return; }
    const chart = DRAW[given.kind](plot, given);
    if (!live.has(plot)) live.set(plot, {chart, draw: () => DRAW[given.kind](plot, given)});
  } catch (error) {
    plot.replaceChildren(make('p', {class: 'failed'}, `This chart could not be drawn (${error.message}); its numbers are below.`));
    plot.dataset.failed = 'yes';
    $('.numbers', plot.closest('figure'))?.setAttribute('open', '');
  }
}
const visible = (plot) => plot.clientWidth > 0;
const redraw = () => { readColors(); $$('.plot').filter(visible).forEach(drawOne); };

function choosePool(id) {
  for (const pane of $$('.pool')) pane.hidden = pane.dataset.pool !== id;
  if (data) $$('.plot').filter((plot) => visible(plot) && !live.has(plot)).forEach(drawOne);
}
const choice = $('#pool-choice');
if (choice) {
  choice.addEventListener('change', () => choosePool(choice.value));
  choosePool(choice.value);
}

const POOLS_PRINTED = 4;  // those with findings are ahead of the others
let unfolded = [];
addEventListener('beforeprint', () => {
  unfolded = $$('details:not(.numbers):not(.off-paper):not([open])');
  for (const one of unfolded) one.open = true;
  root.classList.add('printing');
  printing = true;
  $$('.pool').forEach((pane, at) => { pane.hidden = at >= POOLS_PRINTED; });
  if (data) redraw();
});
addEventListener('afterprint', () => {
  for (const one of unfolded) one.open = false;
  root.classList.remove('printing');
  printing = false;
  if (choice) choosePool(choice.value);
  if (data) redraw();
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { if (data) redraw(); });
let resizing = 0, wide = innerWidth;
addEventListener('resize', () => {
  if (innerWidth === wide) return;  // a phone's address bar comes and goes
  wide = innerWidth;
  clearTimeout(resizing);
  resizing = setTimeout(() => { if (data && !printing) redraw(); }, 120);
});

async function main() {
  const held = $('#data');
  if (held) {
    const raw = JSON.parse(held.textContent);
    try {
      data = await unpackedAll(raw);
    } catch {
      for (const plot of $$('.plot')) plot.append(make('p', {class: 'failed'}, 'This browser is too old to draw the charts; their numbers are below.'));
    }
    if (data) redraw();
  }
  requestAnimationFrame(() => requestAnimationFrame(() => { document.body.dataset.ready = 'yes'; }));
}
main();
