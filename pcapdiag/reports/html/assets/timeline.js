/* Connections over time: a bar each, an even sample where there are more than rows, zoomed by wheel, buttons and keys. */

const CLOSED_BY = ['client', 'server', 'none'];
const ROW = 18, LEAST_ROW = 4, TALLEST = 480;  // px

function timeline(plot, given) {
  const c = given.columns;
  const count = given.count;
  const busyFrom = new Uint32Array(count + 1);
  for (let i = 0; i < count; i++) busyFrom[i + 1] = busyFrom[i] + c.busy_count[i];
  const place = new Map();
  for (let i = 0; i < count; i++) place.set(c.number[i], i);
  const evidence = new Map();  // row -> names of findings
  for (const [name, numbers] of Object.entries(given.cited)) {
    for (const number of numbers) {
      if (place.has(number)) evidence.set(place.get(number), [...(evidence.get(place.get(number)) || []), name]);
    }
  }
  const ladders = new Set(given.ladders);
  const length = data.time.length;
  const longest = c.lasted.reduce((most, value) => Math.max(most, value), 0);

  const failed = (i) => ['refused', 'unanswered'].includes(given.openings[c.opening[i]]);

  const kinds = [['all connections', () => true]];
  for (const name of Object.keys(given.cited)) kinds.push([`evidence of ${name}`, (i) => evidence.get(i)?.includes(name)]);
  for (const [code, what] of [[0, 'closed by the client first'], [1, 'closed by the server first'], [2, 'not closed']]) {
    const some = c.closer.reduce((sum, value) => sum + (value === code), 0);
    if (some && some < count) kinds.push([what, (i) => c.closer[i] === code]);
  }
  given.openings.forEach((word, code) => {
    if (word !== 'handshake' && given.openings.length > 1) kinds.push([`opening: ${word}`, (i) => c.opening[i] === code]);
  });
  const offered = kinds.length;  // behind it what a chart led to
  let pool = -1, kind = 0, listed = null, picked = -1;
  let drawn = [], alive = [], step = 1, rows = [0, 1], spans = null, above = null;
  let from = 0, to = length, low = 0, high = 100;  // the window: microseconds, percent of the rows
  const happening = happens();
  if (happening) [from, to] = happening;

  const choosePool = make('select', {'aria-label': 'Pool', onchange: (event) => { pool = +event.target.value; relist(); }},
    make('option', {value: -1}, 'all pools'), ...given.pools.map((one, at) => make('option', {value: at}, one.name)));
  const chooseKind = make('select', {'aria-label': 'Which connections', onchange: (event) => { kind = +event.target.value; relist(); }},
    ...kinds.map(([name], at) => make('option', {value: at}, name)));
  const status = make('span', {class: 'count', role: 'status'});
  const button = (label, name, act) => make('button', {type: 'button', 'aria-label': name, title: name, onclick: act}, label);
  const tools = make('div', {class: 'tools'}, ...(given.pools.length > 1 ? [choosePool] : []), chooseKind,
    button('\u2212', 'Zoom out', () => zoom(2)), button('+', 'Zoom in', () => zoom(0.5)),
    button('\u25c2', 'Earlier', () => pan(-0.4)), button('\u25b8', 'Later', () => pan(0.4)),
    button('All', 'Show the whole capture', () => setWindow(0, length, 0, 100)), status);
  if (!$(':scope > .tools', plot.parentElement)) plot.before(tools);

  function happens() {  // where nearly all opens and closes lie, if that is a small part of the time
    if (count < 10) return null;  // of a few it is the silences that tell
    const moments = [];
    for (let i = 0; i < count; i++) {
      let used = c.ready[i];
      for (let k = busyFrom[i]; k < busyFrom[i + 1]; k++) used += c.busy[k];
      moments.push(c.opened[i], c.opened[i] + (c.closer[i] === 2 ? Math.min(used, c.lasted[i]) : c.lasted[i]));
    }
    moments.sort((a, b) => a - b);
    const cut = Math.floor(moments.length * 0.01);  // a straggler or two in a hundred do not count
    const first = moments[cut], last = moments[moments.length - 1 - cut];
    const margin = (last - first) * 0.06 + 1;
    return last - first < length * 0.4 ? [Math.max(first - margin, 0), Math.min(last + margin, length)] : null;
  }
  function relist() {
    listed = [];
    const wanted = kinds[kind][1];
    for (let i = 0; i < count; i++) if ((pool < 0 || c.pool[i] === pool) && wanted(i)) listed.push(i);
    low = 0; high = 100;
    draw();
  }
  const everyone = Array.from({length: count}, (_, i) => i);
  relistQuiet();
  function relistQuiet() { listed = everyone; }

  const height = () => Math.max(Math.min(listed.length * ROW, TALLEST), 2 * ROW);

  function choose() {
    alive = (from <= 0 && to >= length) ? listed
      : listed.filter((i) => c.opened[i] <= to && c.opened[i] + c.lasted[i] >= from);
    const first = Math.floor(alive.length * low / 100);
    const last = Math.max(Math.ceil(alive.length * high / 100), Math.min(first + 1, alive.length));
    rows = [first, last];
    const room = Math.max(Math.floor(height() / LEAST_ROW), 1);
    const many = last - first;
    drawn = [];
    if (many <= room) {
      for (let at = first; at < last; at++) drawn.push(alive[at]);
    } else {
      for (let at = 0; at < room; at++) {  // an even sample; of each stretch what a finding cites
        const begin = first + Math.floor(at * many / room), end = first + Math.floor((at + 1) * many / room);
        let taken = alive[begin];
        for (let row = begin; row < end; row++) if (alive[row] === picked || evidence.has(alive[row])) { taken = alive[row]; if (taken === picked) break; }
        drawn.push(taken);
      }
    }
    step = drawn.length ? many / drawn.length : 1;
    spans = many < 2 * room ? null : drawn.map((_, at) => {
      let last = 0;
      const begin = first + Math.floor(at * many / room), end = first + Math.floor((at + 1) * many / room);
      for (let row = begin; row < end; row++) last = Math.max(last, c.opened[alive[row]] + c.lasted[alive[row]]);
      return [c.opened[alive[begin]], last];
    });
    const ratio = Math.round(step);
    status.textContent = !alive.length ? 'none here'
      : many > room ? `${ratio < 2 ? `${thousands(drawn.length)} of` : `1 of every ${thousands(ratio)} of`} ${plural(many, 'connection')}; zoom in for all`
        : many < count ? `${thousands(many)} of ${plural(count, 'connection')}` : `all ${plural(count, 'connection')}`;
    if (from > 0 || to < length) status.textContent = `${lasting(to - from)} of ${lasting(length)}: ${status.textContent}`;
    return drawn.map((i, at) => [c.opened[i], first + (at + 0.5) * step, c.opened[i] + c.lasted[i]]);
  }

  function bar(params, api) {
    const i = drawn[params.dataIndex];
    if (i === undefined) return null;
    const y = api.value(1);
    const [left, middle] = api.coord([0, y]);
    const right = api.coord([length, y])[0];
    const scale = (right - left) / length;
    const area = params.coordSys;
    const clip = (x) => Math.min(Math.max(x, area.x - 2), area.x + area.width + 2);
    const x = (us) => clip(left + us * scale);
    const tall = Math.abs(api.size([0, step])[1]);
    const thick = Math.max(Math.min(tall * 0.72, 12), 2);
    const top = middle - thick / 2;
    const opened = c.opened[i], ends = opened + c.lasted[i];
    const parts = [];
    const rect = (x0, x1, y0, h, fill) => parts.push({type: 'rect', shape: {x: x0, y: y0, width: Math.max(x1 - x0, 1), height: h}, style: {fill}});
    if (i === picked) parts.push({type: 'rect', shape: {x: area.x, y: middle - Math.max(tall, 6) / 2, width: area.width, height: Math.max(tall, 6)}, style: {fill: colors.picked}, silent: true});
    const idleThick = Math.max(thick * 0.42, 1.5);
    rect(x(opened), x(ends), middle - idleThick / 2, idleThick, colors.idle);
    if (c.ready[i] > 0) rect(x(opened), x(opened + c.ready[i]), top, thick, colors.dial);
    if (spans) {  // what the row stands for: the first opening to the last close
      parts.unshift({type: 'rect', shape: {x: x(spans[params.dataIndex][0]), y: middle - Math.max(tall, 1.5) / 2, width: Math.max(x(spans[params.dataIndex][1]) - x(spans[params.dataIndex][0]), 1), height: Math.max(tall, 1.5)}, style: {fill: colors.busy, opacity: 0.18}});
    }
    let path = '', start = opened, at = opened, until = -Infinity, begun = 0;
    for (let k = busyFrom[i]; k < busyFrom[i + 1]; k += 2) {
      start = at + c.busy[k];
      at = start + c.busy[k + 1];
      const x0 = x(start), x1 = Math.max(x(at), x0 + 0.8);
      if (x1 < area.x || x0 > area.x + area.width) continue;
      if (x0 - until > 0.7) {
        if (until > -Infinity) path += `M${begun.toFixed(1)} ${top.toFixed(1)}H${until.toFixed(1)}v${thick.toFixed(1)}H${begun.toFixed(1)}z`;
        begun = x0;
      }
      until = Math.max(x1, until);
    }
    if (until > -Infinity) path += `M${begun.toFixed(1)} ${top.toFixed(1)}H${until.toFixed(1)}v${thick.toFixed(1)}H${begun.toFixed(1)}z`;
    if (path) parts.push({type: 'path', shape: {pathData: path}, style: {fill: colors.busy}});
    const xe = x(ends);
    const size = Math.max(Math.min(thick * 0.55, 5), 2);
    if (failed(i)) {
      parts.push({type: 'path', shape: {pathData: `M${xe - size} ${middle - size}L${xe + size} ${middle + size}M${xe - size} ${middle + size}L${xe + size} ${middle - size}`}, style: {stroke: colors.bad, lineWidth: 1.5, fill: 'none'}});
    } else if (c.closer[i] === 0) {  // the client's: a triangle that points to it
      parts.push({type: 'path', shape: {pathData: `M${xe - size} ${middle}L${xe + size} ${middle - size}V${middle + size}z`}, style: {fill: colors.client}});
    } else if (c.closer[i] === 1) {  // the server's: a square
      parts.push({type: 'rect', shape: {x: xe - size, y: middle - size, width: 2 * size, height: 2 * size}, style: {fill: colors.server}});
    }
    const label = evidence.has(i) || i === picked || tall >= 13;
    if (label) {
      parts.push({type: 'text', silent: true, style: {text: `${evidence.has(i) ? '\u25c6 ' : ''}${c.number[i]}`, x: area.x - 6, y: middle,
        align: 'right', verticalAlign: 'middle', fontSize: 10, fontFamily: colors.font, fill: evidence.has(i) ? colors.text : colors.dim}});
    }
    return {type: 'group', children: labelsClear(parts, label, middle, params)};
  }
  let lastLabel = {};
  function labelsClear(parts, label, middle, params) {  // no label over another
    if (params.dataIndexInside === 0) lastLabel = {at: -99};
    if (label) {
      if (middle - lastLabel.at < 11) parts.pop();
      else lastLabel = {at: middle};
    }
    return parts;
  }

  function about(i) {
    const closer = CLOSED_BY[c.closer[i]];
    const word = given.openings[c.opening[i]];
    return [
      word === 'handshake' ? (c.ready[i] > 0 ? `handshake ${lasting(c.ready[i])}` : 'handshake') : word === 'midstream' ? 'already open when the capture began' : `dial ${word}`,
      `${plural(c.requests[i], 'request')}, lasted ${lasting(c.lasted[i])}`,
      closer === 'none' ? (word === 'handshake' || word === 'midstream' ? 'not closed' : null) : `closed by the ${closer}, ${given.classes[c.close_class[i]]}`,
    ].filter((line) => line !== null);
  }
  const frames = (i) => `frames ${thousands(c.first[i])} to ${thousands(c.last[i])}${given.files.length > 1 ? ` of ${given.files[c.file[i]]}` : ''}`;

  function details() {
    const panel = $('#picked');
    panel.replaceChildren();
    if (picked < 0) return;
    const i = picked, of = given.pools[c.pool[i]];
    const again = (k) => k !== i && c.port[k] === c.port[i] && c.pool[k] === c.pool[i];
    const filter = ends(of, [c.port[i]]), within = `frame.number in {${c.first[i]}..${c.last[i]}}`;
    panel.append(
      make('p', {}, make('b', {}, `Connection ${c.number[i]}`), ` ${of.name}, client port ${c.port[i]}, opened ${since(c.opened[i])} (${clock(c.opened[i])}): ${about(i).join('; ')}. F${frames(i).slice(1)}. `,
        ...(evidence.get(i) || []).map((name) => make('span', {}, `Evidence of ${name}. `)),
        ...(ladders.has(c.number[i]) ? [make('a', {href: `#ladder-${c.number[i]}`}, 'Packet by packet')] : [])),
      copyable('Wireshark', [filter, ...(!filter || everyone.some(again) ? [within] : [])].filter(Boolean).join(' && ')),
      copyable('packet by packet', `pcapdiag connection FILE ${c.number[i]}`));
  }
  bars = {
    where: (id, test) => everyone.filter((i) => (!id || given.pools[c.pool[i]].id === id) && test(c, i)),
    numbered: (numbers) => [...new Set(numbers)].filter((number) => place.has(number)).map((number) => place.get(number)).sort((a, b) => a - b),
    lead(rows, says, figure) {
      const there = new Set(rows);
      const chosen = [`${plural(rows.length, 'connection')}: ${says}`, (i) => there.has(i)];
      if (kinds.length > offered) { kinds[offered] = chosen; chooseKind.lastChild.textContent = chosen[0]; } else {
        kinds.push(chosen);
        chooseKind.append(make('option', {value: offered}, chosen[0]));
      }
      pool = -1; kind = offered; picked = -1;
      choosePool.value = -1; chooseKind.value = offered;
      listed = rows;
      if (rows.length) {
        const first = c.opened[rows[0]], last = rows.reduce((most, i) => Math.max(most, c.opened[i] + c.lasted[i]), 0);
        const margin = (last - first) * 0.03 + 1;
        setWindow(first - margin, last + margin, 0, 100);
      } else setWindow(0, length, 0, 100);
      const panel = $('#picked');
      panel.replaceChildren(make('p', {}, make('b', {}, plural(rows.length, 'connection')), ` ${says}${rows.length > 1 ? `. ${lives(c, rows)}` : ''}. `,
        make('a', {href: `#${figure.id}`}, 'Back to the chart')), ...(rows.length ? found(rows, given) : []));
      tools.scrollIntoView({block: 'center'});
      plot.closest('figure').scrollIntoView();
    },
  };

  function option() {
    const series = choose();
    above = listed.length > 2 * height() / LEAST_ROW ? bands(c, listed, from, to) : null;
    const axes = above ? [0, 1, 2] : [0];
    const many = series.length ? alive.length : 1;
    const whole = low <= 0 && high >= 100 && many * LEAST_ROW <= height();
    return {
      grid: [{left: LEFT, right: RIGHT, top: above ? above.tall : 6, bottom: printing ? 26 : 62}, ...(above ? above.grid : [])],
      tooltip: tooltip({trigger: 'item', formatter: (params) => {
        const i = drawn[params.dataIndex];
        return i === undefined ? '' : tip(make('b', {}, `Connection ${c.number[i]}`), given.pools[c.pool[i]].name,
          `opened ${since(c.opened[i])}, ${clock(c.opened[i])}`, ...about(i), frames(i), ...(evidence.get(i) || []).map((name) => `evidence of ${name}`));
      }}),
      xAxis: [timeAxis({axisLabel: text({formatter: (us) => us === from && us > 0 ? '' : axisTime(us), hideOverlap: true, showMaxLabel: false})}), ...(above ? above.xAxis : [])],
      yAxis: [{type: 'value', inverse: true, min: 0, max: many, show: false}, ...(above ? above.yAxis : [])],
      dataZoom: [
        {type: 'inside', xAxisIndex: axes, filterMode: 'none', startValue: from, endValue: to, minValueSpan: Math.min(20, length), zoomOnMouseWheel: focused, moveOnMouseMove: true, preventDefaultMouseMove: false},
        {type: 'slider', show: !printing, xAxisIndex: axes, filterMode: 'none', startValue: from, endValue: to, minValueSpan: Math.min(20, length), height: 18, bottom: 8, showDetail: false, brushSelect: false,
          borderColor: colors.line, backgroundColor: colors.raised, fillerColor: 'rgba(86,180,233,.22)', handleStyle: {color: colors.ground, borderColor: colors.dim}, moveHandleSize: 0, showDataShadow: false},
        ...(whole ? [] : [{type: 'slider', show: !printing, yAxisIndex: 0, filterMode: 'none', start: low, end: high, width: 14, right: 6, showDetail: false, brushSelect: false,
          borderColor: colors.line, backgroundColor: colors.raised, fillerColor: 'rgba(86,180,233,.22)', handleStyle: {color: colors.ground, borderColor: colors.dim}, moveHandleSize: 0, showDataShadow: false}]),
      ],
      series: [{type: 'custom', renderItem: bar, data: series, clip: false, encode: {x: [0, 2], y: 1}, cursor: 'pointer', progressive: 0}, ...(above ? above.series : [])],
    };
  }

  let focused = false, chart = null, waiting = false;
  function draw() {
    const wanted = option();
    chart = show(plot, height() + (printing ? 26 : 62) + (above ? above.tall : 6), wanted);
    live.set(plot, {chart, draw});
    view.from = from;
    view.to = to;
    for (const one of followers) {
      if (live.has(one) && one.clientWidth) live.get(one).chart.dispatchAction({type: 'dataZoom', dataZoomIndex: 0, startValue: from, endValue: to});
    }
    return chart;
  }
  function later() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      draw();
    });
  }
  function setWindow(newFrom, newTo, newLow = low, newHigh = high) {
    const span = Math.max(Math.min(newTo - newFrom, length), Math.min(20, length));
    from = Math.min(Math.max(newFrom, 0), length - span);
    to = from + span;
    low = Math.max(newLow, 0);
    high = Math.min(newHigh, 100);
    later();
  }
  function zoom(factor, around = (from + to) / 2) {
    const span = (to - from) * factor;
    const share = (around - from) / (to - from);
    setWindow(around - span * share, around + span * (1 - share));
  }
  const pan = (share) => setWindow(from + (to - from) * share, to + (to - from) * share);

  function pick(i, reveal) {
    picked = i;
    if (reveal) {
      pool = -1; kind = 0; choosePool.value = -1; chooseKind.value = 0;
      relistQuiet();
      const life = Math.max(c.lasted[i], length / 2000);
      from = 0; to = length;
      setWindow(c.opened[i] - life * 0.3, c.opened[i] + life * 1.3);
      alive = listed.filter((k) => c.opened[k] <= to && c.opened[k] + c.lasted[k] >= from);
      const at = alive.indexOf(i), shown = Math.floor(height() / 14);
      if (alive.length > shown) {
        const first = Math.min(Math.max(at - shown / 2, 0), alive.length - shown);
        low = 100 * first / alive.length;
        high = 100 * (first + shown) / alive.length;
      } else { low = 0; high = 100; }
    }
    details();
    later();
  }

  chart = draw();
  chart.on('datazoom', () => {
    const zooms = chart.getOption().dataZoom;
    const slider = zooms.find((one) => one.yAxisIndex !== undefined && one.orient === 'vertical');
    const inside = zooms[0];
    if (inside.startValue !== undefined) { from = inside.startValue; to = inside.endValue; }
    if (slider) { low = slider.start; high = slider.end; }
    later();
  });
  chart.on('click', (event) => {
    if (event.seriesIndex > 0) {
      const [begin, end] = above.bucket(event.dataIndex), opened = event.seriesIndex === 2;
      bars.lead(listed.filter((i) => c.opened[i] < end && (opened ? c.opened[i] >= begin : c.opened[i] + c.lasted[i] >= begin)),
        `${opened ? 'opened' : 'open'} from ${since(begin)} to ${since(end)}`, plot.closest('figure'));
    } else if (drawn[event.dataIndex] !== undefined) pick(drawn[event.dataIndex], false);
  });
  rowsPick();
  function rowsPick() {  // the numbers below lead to their bars, by keyboard too
    for (const row of $$('.numbers tbody tr', plot.closest('figure'))) {
      const cell = row.cells[0], i = place.get(+cell.textContent.replaceAll(',', ''));
      if (i !== undefined) cell.replaceChildren(make('button', {type: 'button', class: 'lead', title: 'Show this connection', onclick: () => pick(i, true)}, cell.textContent));
    }
  }
  plot.tabIndex = 0;
  plot.addEventListener('focus', () => { focused = true; later(); });
  plot.addEventListener('blur', () => { focused = false; later(); });
  plot.addEventListener('pointerdown', () => plot.focus({preventScroll: true}));
  plot.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const acts = {
      ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2), '+': () => zoom(0.5), '=': () => zoom(0.5), '-': () => zoom(2),
      Home: () => setWindow(0, length, 0, 100), Escape: () => plot.blur(),
      ArrowUp: () => neighbor(-1), ArrowDown: () => neighbor(1),
    };
    if (!(event.key in acts)) return;
    event.preventDefault();
    acts[event.key]();
  });
  function neighbor(by) {
    const at = drawn.indexOf(picked);
    const next = drawn[at < 0 ? 0 : at + by];
    if (next !== undefined) pick(next, false);
  }
  document.addEventListener('click', (event) => {
    const link = event.target.closest('a.to-bar');
    const i = link && place.get(+link.dataset.connection);
    if (i !== undefined && i !== null) pick(i, true);
  });
  describe();
  function describe() {
    const entries = [];
    if (c.ready.some((value) => value > 0)) entries.push(['handshake', box(colors.dial)]);
    if (c.busy.length) entries.push(['busy', box(colors.busy)]);
    entries.push(['idle', [['rect', {x: 0, y: 3.5, width: 16, height: 4, fill: colors.idle}]]]);
    const closers = new Set();
    for (let i = 0; i < count; i++) if (!failed(i)) closers.add(c.closer[i]);
    if (closers.has(0)) entries.push(['the client closed first', [['path', {d: 'M3 5.5L12 1V10z', fill: colors.client}]]]);
    if (closers.has(1)) entries.push(['the server closed first', [['rect', {x: 4, y: 1.5, width: 8, height: 8, fill: colors.server}]]]);
    if (given.openings.includes('refused') || given.openings.includes('unanswered')) entries.push(['no connection', [['path', {d: 'M4 1.5L12 9.5M4 9.5L12 1.5', stroke: colors.bad, 'stroke-width': 1.6}]]]);
    if (evidence.size) entries.push(['a finding cites it', [['path', {d: 'M8 0.5L13 5.5L8 10.5L3 5.5z', fill: colors.text}]]]);
    legend(plot, entries);
  }
  live.set(plot, {chart, draw: () => { describe(); draw(); }});
  return chart;
}
