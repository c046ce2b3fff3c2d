'use strict';
/* What a browser adds to the report: copying, links that open what they point at, and the charts, drawn by ECharts.
   All text reaches the page as textContent, never as markup. */
(() => {
  const root = document.documentElement;
  root.classList.add('script');
  const $ = (selector, within = document) => within.querySelector(selector);
  const $$ = (selector, within = document) => [...within.querySelectorAll(selector)];

  function make(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name === 'class') made.className = value;
      else if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
      else if (value !== false) made.setAttribute(name, value);
    }
    made.append(...children);
    return made;
  }

  // -- copying

  async function copied(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {  // where a page from a file may not: the old way
      const area = make('textarea', {style: 'position:fixed;top:0;opacity:0'});
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
  }
  document.addEventListener('click', async (event) => {
    const button = event.target.closest('button.copy');
    if (!button) return;
    await copied($('code', button.parentElement).textContent);
    button.classList.add('done');
    setTimeout(() => button.classList.remove('done'), 1600);
  });

  // -- links to what is folded

  function unfold() {
    let target = null;
    try { target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1))); } catch { return; }
    for (let at = target; at; at = at.parentElement) if (at.tagName === 'DETAILS') at.open = true;
    if (target) target.scrollIntoView();
  }
  addEventListener('hashchange', unfold);
  unfold();

  // -- numbers and times

  const thousands = (value) => value.toLocaleString('en-US');
  const plural = (count, noun) => `${thousands(count)} ${noun}${count === 1 ? '' : 's'}`;

  function lasting(us) {
    if (us < 1e3) return `${Math.round(us)} \u00b5s`;
    if (us < 1e5) return `${+(us / 1e3).toPrecision(3)} ms`;
    if (us < 1e6) return `${Math.round(us / 1e3)} ms`;
    if (us < 1e8) return `${+(us / 1e6).toPrecision(4)} s`;
    if (us < 36e8) return `${Math.floor(us / 6e7)} min ${Math.round(us % 6e7 / 1e6)} s`;
    return `${Math.floor(us / 36e8)} h ${Math.round(us % 36e8 / 6e7)} min`;
  }
  const since = (us) => `+${(us / 1e6).toFixed(6)} s`;
  const clock = (us) => `${new Date(Math.floor((data.time.start_us + us) / 1e3)).toISOString().slice(11, 23)} UTC`;
  const axisTime = (us) => us === 0 ? '0' : `${+(us / 1e6).toFixed(6)} s`;

  // -- the data

  async function unpacked(column) {
    if (Array.isArray(column)) return column;
    const bytes = Uint8Array.from(atob(column.z), (char) => char.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream('deflate'));
    const packed = new Uint8Array(await new Response(stream).arrayBuffer());
    const values = new Float64Array(column.n);
    let at = 0, last = 0;
    for (let row = 0; row < column.n; row++) {
      let value = 0, scale = 1, byte;
      do {
        byte = packed[at++];
        value += (byte & 127) * scale;
        scale *= 128;
      } while (byte > 127);
      last += value % 2 ? -(value + 1) / 2 : value / 2;
      values[row] = last;
    }
    return values;
  }
  const isPacked = (value) => value !== null && typeof value === 'object' && 'z' in value;
  async function unpackedAll(value) {
    if (isPacked(value)) return unpacked(value);
    if (value === null || typeof value !== 'object') return value;
    const keys = Object.keys(value);
    const done = await Promise.all(keys.map((key) => unpackedAll(value[key])));
    return Array.isArray(value) ? done : Object.fromEntries(keys.map((key, at) => [key, done[at]]));
  }

  let data = null;
  let colors = {};
  const NAMES = ['ground', 'raised', 'text', 'dim', 'line', 'busy', 'idle', 'dial', 'client', 'server', 'second', 'sky',
    'pink', 'yellow', 'gray', 'bad', 'picked'];
  function readColors() {
    const style = getComputedStyle(root);
    colors = Object.fromEntries(NAMES.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    colors.font = getComputedStyle(document.body).fontFamily;
  }

  // -- what charts share

  const PRINT_WIDTH = 700;  // px; A4 and Letter between their margins
  let printing = false;
  const live = new Map();  // element -> {chart, draw}

  const text = (more = {}) => ({color: colors.dim, fontSize: 11, fontFamily: colors.font, ...more});
  const tooltip = (more) => ({
    backgroundColor: colors.ground, borderColor: colors.line, borderWidth: 1, padding: [6, 9], confine: true,
    transitionDuration: 0, extraCssText: 'box-shadow:0 2px 8px rgba(0,0,0,.18)', textStyle: {color: colors.text}, ...more,
  });
  const timeAxis = (more = {}) => ({
    type: 'value', min: 0, max: data.time.length, position: 'bottom', axisLine: {onZero: false, lineStyle: {color: colors.dim}}, splitLine: {show: false},
    axisTick: {lineStyle: {color: colors.dim}}, axisLabel: text({formatter: axisTime, hideOverlap: true, showMaxLabel: false}), ...more,
  });
  const countAxis = (more = {}) => ({
    type: 'value', min: 0, minInterval: 1, splitNumber: 4, axisLine: {show: false}, axisTick: {show: false},
    splitLine: {lineStyle: {color: colors.line}}, axisLabel: text({formatter: thousands}), ...more,
  });
  const tip = (...lines) => make('div', {class: 'tip'}, ...lines.filter((line) => line !== null).map((line) =>
    line instanceof Node ? line : make('div', {}, line)));
  const view = {from: 0, to: 0};  // the timeline's window, microseconds
  const followers = new Set();  // charts whose time axis is the timeline's

  function legend(plot, entries) {
    $(':scope > .legend', plot.parentElement)?.remove();
    const svg = 'http://www.w3.org/2000/svg';
    plot.before(make('ul', {class: 'legend'}, ...entries.map(([name, shape]) => {
      const sample = document.createElementNS(svg, 'svg');
      sample.setAttribute('width', 16);
      sample.setAttribute('height', 11);
      sample.setAttribute('aria-hidden', 'true');
      for (const [tag, attributes] of shape) {
        const part = document.createElementNS(svg, tag);
        for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
        sample.append(part);
      }
      return make('li', {}, ...(shape.length ? [sample] : []), name);
    })));
  }
  const box = (fill, more = {}) => [['rect', {x: 0, y: 1, width: 16, height: 9, fill, ...more}]];
  const stroke = (color, dash) => [['path', {d: 'M0 5.5H16', stroke: color, 'stroke-width': 2, 'stroke-dasharray': dash || '', fill: 'none'}]];

  function show(plot, height, option) {
    const width = printing ? PRINT_WIDTH / (plot.closest('.wide') ? 1 : 2) - (plot.closest('.wide') ? 0 : 20) : plot.clientWidth;
    plot.style.height = `${height}px`;
    let chart = live.get(plot)?.chart;
    if (!chart) chart = echarts.init(plot, null, {renderer: 'svg', width, height});
    else chart.resize({width, height});
    chart.setOption({
      animation: false, textStyle: {fontFamily: colors.font},
      aria: {enabled: true, label: {description: $('figcaption', plot.closest('figure')).textContent.trim()}}, ...option,
    }, {notMerge: true});
    if (printing) chart.getZr().flush();
    return chart;
  }

  // -- connections over time

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
    let pool = -1, kind = 0, listed = null, picked = -1;
    let drawn = [], alive = [], step = 1, rows = [0, 1];
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
      const moments = [];
      for (let i = 0; i < count; i++) {
        moments.push(c.opened[i]);
        if (c.closer[i] !== 2) moments.push(c.opened[i] + c.lasted[i]);
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
    relistQuiet();
    function relistQuiet() { listed = Array.from({length: count}, (_, i) => i); }

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
      const ratio = Math.round(step);
      status.textContent = !alive.length ? 'none here'
        : many > room ? `1 of every ${thousands(ratio)} of ${plural(many, 'connection')}; zoom in for all`
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
      const v = of.client.includes(':') ? 'ipv6' : 'ip';
      const filter = `frame.number in {${c.first[i]}..${c.last[i]}}` + (of.client ? ` && ${v}.addr == ${of.client}` + (of.server !== of.client ? ` && ${v}.addr == ${of.server}` : '') + (of.port === null ? '' : ` && tcp.port == ${of.port}`) : '');
      panel.append(
        make('p', {}, make('b', {}, `Connection ${c.number[i]}`), ` ${of.name}, opened ${since(c.opened[i])} (${clock(c.opened[i])}): ${about(i).join('; ')}. F${frames(i).slice(1)}. `,
          ...(evidence.get(i) || []).map((name) => make('span', {}, `Evidence of ${name}. `)),
          ...(ladders.has(c.number[i]) ? [make('a', {href: `#ladder-${c.number[i]}`}, 'Packet by packet')] : [])),
        make('div', {class: 'filter'}, make('span', {class: 'shows'}, 'its time, its ends'), make('code', {tabindex: 0}, filter),
          make('button', {type: 'button', class: 'copy', 'aria-label': 'Copy the Wireshark filter for this connection'}, 'Copy')));
    }

    function option() {
      const series = choose();
      const many = series.length ? alive.length : 1;
      const whole = low <= 0 && high >= 100 && many * LEAST_ROW <= height();
      return {
        grid: {left: 58, right: whole ? 14 : 34, top: 6, bottom: printing ? 26 : 62},
        tooltip: tooltip({trigger: 'item', formatter: (params) => {
          const i = drawn[params.dataIndex];
          return i === undefined ? '' : tip(make('b', {}, `Connection ${c.number[i]}`), given.pools[c.pool[i]].name,
            `opened ${since(c.opened[i])}, ${clock(c.opened[i])}`, ...about(i), frames(i), ...(evidence.get(i) || []).map((name) => `evidence of ${name}`));
        }}),
        xAxis: timeAxis({axisLabel: text({formatter: (us) => us === from && us > 0 ? '' : axisTime(us), hideOverlap: true, showMaxLabel: false})}),
        yAxis: {type: 'value', inverse: true, min: 0, max: many, show: false},
        dataZoom: [
          {type: 'inside', xAxisIndex: 0, filterMode: 'none', startValue: from, endValue: to, minValueSpan: Math.min(20, length), zoomOnMouseWheel: focused, moveOnMouseMove: true, preventDefaultMouseMove: false},
          {type: 'slider', show: !printing, xAxisIndex: 0, filterMode: 'none', startValue: from, endValue: to, minValueSpan: Math.min(20, length), height: 18, bottom: 8, showDetail: false, brushSelect: false,
            borderColor: colors.line, backgroundColor: colors.raised, fillerColor: 'rgba(86,180,233,.22)', handleStyle: {color: colors.ground, borderColor: colors.dim}, moveHandleSize: 0, showDataShadow: false},
          ...(whole ? [] : [{type: 'slider', show: !printing, yAxisIndex: 0, filterMode: 'none', start: low, end: high, width: 14, right: 6, showDetail: false, brushSelect: false,
            borderColor: colors.line, backgroundColor: colors.raised, fillerColor: 'rgba(86,180,233,.22)', handleStyle: {color: colors.ground, borderColor: colors.dim}, moveHandleSize: 0, showDataShadow: false}]),
        ],
        series: [{type: 'custom', renderItem: bar, data: series, clip: false, encode: {x: [0, 2], y: 1}, cursor: 'pointer', progressive: 0}],
      };
    }

    let focused = false, chart = null, waiting = false;
    function draw() {
      chart = show(plot, height() + (printing ? 32 : 68), option());
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
    chart.on('click', (event) => { if (drawn[event.dataIndex] !== undefined) pick(drawn[event.dataIndex], false); });
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

  // -- levels

  const steps = (at, values) => {
    const points = Array.from(at, (time, i) => [time, values[i]]);
    if (points.length) {
      if (points[0][0] > 0) points.unshift([0, 0]);
      points.push([data.time.length, points[points.length - 1][1]]);
    }
    return points;
  };
  function holds(at, values, time) {  // of a step function
    let low = 0, high = at.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at[middle] <= time) low = middle + 1;
      else high = middle;
    }
    return low ? values[low - 1] : 0;
  }
  function axisTip(time, rows) {  // rows: name, times, values
    const cells = rows.map(([name, at, values]) => [name, holds(at, values, time)]).filter(([, value]) => value !== 0 || rows.length < 4);
    return tip(make('b', {}, since(time)), clock(time), make('table', {}, ...cells.map(([name, value]) =>
      make('tr', {}, make('td', {}, name), make('td', {class: 'n'}, thousands(value))))));
  }

  function levels(plot, given) {
    const looks = {open: {color: colors.gray, dash: 'solid', width: 1.5}, busy: {color: colors.busy, dash: 'solid', width: 1.5}, idle: {color: colors.client, dash: [5, 3], width: 1.5}};
    legend(plot, [...given.series.map(([name]) => [name, name === 'busy' ? box(colors.busy, {opacity: 0.55}) : stroke(looks[name].color, name === 'idle' ? '5 3' : '')]),
      ...(given.limits.length ? [['limit read from the packets', stroke(colors.text, '2 2')]] : []), ...($('#timeline') ? [["the time is the timeline's: zoom there", []]] : [])]);
    const most = Math.max(...given.series.map(([, , values]) => values.reduce((high, value) => Math.max(high, value), 0)));
    const limit = Math.max(0, ...given.limits.map((one) => one.value));
    const chart = show(plot, 220, {
      grid: {left: 52, right: 14, top: 14, bottom: 26},
      tooltip: tooltip({trigger: 'axis', axisPointer: {lineStyle: {color: colors.dim}}, formatter: (params) => axisTip(params[0].axisValue, given.series)}),
      xAxis: timeAxis({axisLabel: text({formatter: (us) => us === view.from && us > 0 ? '' : axisTime(us), hideOverlap: true, showMaxLabel: false})}), yAxis: countAxis(most > limit ? {} : {max: Math.ceil(limit * 1.15), axisLabel: text({formatter: thousands, showMaxLabel: false})}), dataZoom: [{type: 'inside', xAxisIndex: [0], filterMode: 'none', startValue: view.from, endValue: view.to || data.time.length, zoomOnMouseWheel: false, moveOnMouseMove: false, moveOnMouseWheel: false}],
      series: given.series.map(([name, at, values]) => ({
        name, type: 'line', step: 'end', symbol: 'none', data: steps(at, values),
        lineStyle: {color: looks[name].color, width: looks[name].width, type: looks[name].dash}, itemStyle: {color: looks[name].color},
        areaStyle: name === 'busy' ? {color: colors.busy, opacity: 0.4} : undefined, emphasis: {disabled: true},
        markLine: name === 'open' && given.limits.length ? {
          symbol: 'none', silent: true, animation: false, lineStyle: {color: colors.text, type: [2, 2], width: 1.2},
          label: {position: 'insideEndTop', color: colors.text, fontSize: 11, fontFamily: colors.font, formatter: (line) => line.name,
            textBorderColor: colors.ground, textBorderWidth: 3},
          data: given.limits.map((limit) => ({name: limit.name, yAxis: limit.value})),
        } : undefined,
      })),
    });
    followers.add(plot);
    return chart;
  }

  // -- TCP states

  const stateColors = () => ({
    SYN_SENT: colors.dial, SYN_RECEIVED: colors.yellow, ESTABLISHED: colors.busy, FIN_WAIT_1: colors.sky, FIN_WAIT_2: colors.second,
    CLOSING: colors.pink, TIME_WAIT: colors.gray, CLOSE_WAIT: colors.client, LAST_ACK: colors.server,
  });
  function states(plot, given) {
    const palette = stateColors();
    const seen = [...new Set(given.ends.flatMap((one) => one.counts.map(([state]) => state)))];
    seen.sort((a, b) => Object.keys(palette).indexOf(a) - Object.keys(palette).indexOf(b));
    legend(plot, seen.map((state) => [state, box(palette[state])]));
    const tall = 150, gap = 30;
    const tops = given.ends.map((one) => {
      let most = 0;
      for (let i = 0; i < one.at.length; i++) most = Math.max(most, one.counts.reduce((sum, [, values]) => sum + values[i], 0));
      return most;
    });
    const chart = show(plot, given.ends.length * (tall + gap) + 22, {
      grid: given.ends.map((_, at) => ({left: 52, right: 110, top: 18 + at * (tall + gap), height: tall})),
      tooltip: tooltip({trigger: 'axis', axisPointer: {lineStyle: {color: colors.dim}}, formatter: (params) => axisTip(params[0].axisValue, given.ends.flatMap((one) =>
        one.counts.map(([state, values]) => [`${one.end}: ${state}`, one.at, values])))}),
      axisPointer: {link: [{xAxisIndex: 'all'}]},
      xAxis: given.ends.map((_, at) => timeAxis({gridIndex: at, axisLabel: text({formatter: axisTime, hideOverlap: true, show: at === given.ends.length - 1, showMaxLabel: false})})),
      yAxis: given.ends.map((one, at) => countAxis({gridIndex: at, splitNumber: 3, name: `at the ${one.end}`, nameGap: 6, nameTextStyle: text({align: 'left', color: colors.text}), nameLocation: 'end'})),
      series: given.ends.flatMap((one, at) => one.counts.map(([state, values]) => ({
        name: state, type: 'line', stack: one.end, xAxisIndex: at, yAxisIndex: at, step: 'end', symbol: 'none', emphasis: {disabled: true},
        data: Array.from(one.at, (time, i) => [time, values[i]]), itemStyle: {color: palette[state]},
        lineStyle: {width: 0.8, color: colors.ground}, areaStyle: {color: palette[state], opacity: 0.9},
        endLabel: values[values.length - 1] > tops[at] * 0.1 ? {show: true, formatter: `${state}`, color: colors.text, fontSize: 10, fontFamily: colors.font, verticalAlign: 'top', offset: [0, 2]} : undefined,
      }))),
    });
    return chart;
  }

  // -- distributions

  const log = (seconds) => Math.log10(Math.max(seconds, 1e-9));
  const inSeconds = (value) => lasting(value * 1e6);
  function decadeTicks(low, high) {  // the coarsest round numbers of which there are enough
    const series = (step) => Array.from({length: Math.round(9 / step)}, (_, at) => 1 + at * step);
    let ticks = [];
    for (const factors of [[1], [1, 2, 5], series(1), series(0.5), series(0.2), series(0.1), series(0.05), series(0.02)]) {
      ticks = [];
      for (let power = Math.floor(low); power <= Math.ceil(high); power++) {
        for (const factor of factors) {
          const at = power + Math.log10(factor);
          if (at >= low - 1e-9 && at <= high + 1e-9) ticks.push(at);
        }
      }
      if (ticks.length >= 4) break;
    }
    return ticks;
  }
  function logAxis(low, high) {
    const ticks = decadeTicks(low, high);
    return {
      type: 'value', min: low, max: high, position: 'bottom', splitLine: {show: false}, axisLine: {onZero: false, lineStyle: {color: colors.dim}},
      axisTick: {customValues: ticks, lineStyle: {color: colors.dim}},
      axisLabel: text({customValues: ticks, hideOverlap: true, formatter: (value) => inSeconds(10 ** value)}),
    };
  }
  function markLines(marks, at, low, high, position = 'end') {
    const side = (value) => { const share = (value - low) / (high - low); return share > 0.75 ? 'right' : share < 0.2 ? 'left' : 'center'; };
    return {
      symbol: 'none', silent: true, animation: false, lineStyle: {color: colors.text, type: [2, 2], width: 1.2},
      data: marks.filter((mark) => mark.value !== null).map((mark, place) => ({name: mark.name, xAxis: at(mark.value),
        label: {align: side(at(mark.value)), distance: [0, 3 + 13 * (marks.length - 1 - place)]}})),
      label: {position, color: colors.text, fontSize: 11, fontFamily: colors.font, formatter: (line) => line.name},
    };
  }
  function histogram(plot, given) {
    const at = given.log ? log : (value) => value;
    const bins = given.bins;
    const low = at(bins[0][0]), high = at(bins[bins.length - 1][1]);
    const total = bins.reduce((sum, bin) => sum + bin[2], 0);
    return show(plot, 210, {
      grid: {left: 52, right: 20, top: 12 + 13 * Math.max(given.marks.length, 1), bottom: 40},
      tooltip: tooltip({trigger: 'item', formatter: (params) => {
        const bin = bins[params.dataIndex];
        return tip(make('b', {}, bin[3]), `${plural(bin[2], given.of.replace(/s$/, ''))}, ${(100 * bin[2] / total).toFixed(1)}%`);
      }}),
      xAxis: {...(given.log ? logAxis(low, high) : {type: 'value', min: low, max: high, minInterval: 1, splitLine: {show: false}, axisLine: {lineStyle: {color: colors.dim}},
        axisTick: {lineStyle: {color: colors.dim}, customValues: wholeTicks(low, high)}, axisLabel: text({customValues: wholeTicks(low, high), formatter: thousands, hideOverlap: true})}),
      name: given.unit, nameLocation: 'middle', nameGap: 24, nameTextStyle: text()},
      yAxis: countAxis(),
      series: [{type: 'custom', data: bins.map((bin) => [at(bin[0]), at(bin[1]), bin[2]]), encode: {x: [0, 1], y: 2},
        renderItem: (params, api) => {
          const [x0, y] = api.coord([api.value(0), api.value(2)]);
          const [x1, base] = api.coord([api.value(1), 0]);
          const wide = given.log ? x1 - x0 - 0.5 : Math.min(x1 - x0 - 1, 60);
          return {type: 'rect', shape: {x: (x0 + x1) / 2 - wide / 2, y: api.value(2) ? Math.min(y, base - 1.5) : base, width: Math.max(wide, 1), height: api.value(2) ? Math.max(base - y, 1.5) : 0}, style: {fill: colors.busy}};
        },
        markLine: given.marks.length ? markLines(given.marks, at, low, high) : undefined}],
    });
  }
  function wholeTicks(low, high) {
    const first = Math.ceil(low), last = Math.floor(high), span = last - first;
    let step = 1;
    for (const one of [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 2e4, 5e4, 1e5]) { step = one; if (span / one <= 12) break; }
    const ticks = [];
    for (let at = span <= 12 ? first : Math.ceil(first / step) * step; at <= last; at += step) ticks.push(at + 0);
    return ticks;
  }

  function silences(plot, given) {
    const lanes = given.lanes;
    const fills = {request: colors.busy, client: colors.client, server: colors.server, open: colors.gray};
    const bins = lanes.flatMap((lane, row) => {
      const most = Math.max(...lane.bins.map((bin) => bin[2]));
      return lane.bins.filter((bin) => bin[2]).map((bin) => ({lane, row, bin, share: bin[2] / most}));
    });
    const low = log(lanes[0].bins[0][0]), high = log(lanes[0].bins[lanes[0].bins.length - 1][1]);
    const tall = 44;
    const bracket = given.marks.filter((mark) => mark.low !== null && mark.high !== null && mark.low > 0);
    return show(plot, lanes.length * tall + 42 + 13 * given.marks.length, {
      grid: {left: 118, right: 24, top: 8 + 13 * given.marks.length, height: lanes.length * tall},
      tooltip: tooltip({trigger: 'item', formatter: (params) => {
        const {lane, bin} = bins[params.dataIndex];
        return tip(make('b', {}, lane.name), `${bin[3]}: ${thousands(bin[2])} of ${thousands(lane.count)}`);
      }}),
      xAxis: logAxis(low, high),
      yAxis: {type: 'value', inverse: true, min: 0, max: lanes.length, interval: 1, axisLine: {show: false}, axisTick: {show: false},
        splitLine: {lineStyle: {color: colors.line}},
        axisLabel: text({lineHeight: 13, customValues: lanes.map((_, row) => row + 0.5), formatter: (value) => { const lane = lanes[Math.round(value - 0.5)]; return lane ? `${lane.name}\n${thousands(lane.count)}` : ''; }})},
      series: [{type: 'custom', data: bins.map(({row, bin, share}) => [log(bin[0]), log(bin[1]), row, share]), encode: {x: [0, 1], y: 2},
        renderItem: (params, api) => {
          const {lane, row, share} = bins[params.dataIndex];
          const [x0, base] = api.coord([api.value(0), row + 1]);
          const x1 = api.coord([api.value(1), row + 1])[0];
          const height = Math.max((tall - 6) * share, 2);
          return {type: 'rect', shape: {x: x0 + 0.5, y: base - height, width: Math.max(x1 - x0 - 1, 1.5), height}, style: {fill: fills[lane.end]}};
        },
        markArea: bracket.length ? {silent: true, itemStyle: {color: colors.dial, opacity: 0.22}, data: bracket.map((mark) => [{xAxis: log(mark.low)}, {xAxis: log(mark.high)}])} : undefined,
        markLine: given.marks.length ? markLines(given.marks.map((mark) => ({...mark, value: mark.value ?? mark.high ?? mark.low})), log, low, high, 'start') : undefined}],
    });
  }

  // -- who closed first

  function closes(plot, given) {
    const fills = [colors.busy, colors.client, colors.sky, colors.dial, colors.pink, colors.gray];
    const order = ['announced (Connection: close)', 'with a request open', 'at once after a response', 'after a silence', 'never used', 'not closed'];
    const decals = [null, {symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: Math.PI / 4}, null, {symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: -Math.PI / 4}, {symbol: 'circle', symbolSize: 0.6, dashArrayX: [[6, 6], [0, 6, 6, 0]], dashArrayY: [6, 0]}, null];
    legend(plot, given.kinds.map(([name]) => [name, box(fills[order.indexOf(name)])]));
    const tall = 34;
    return show(plot, given.closers.length * tall + 34, {
      grid: {left: 118, right: 20, top: 2, height: given.closers.length * tall},
      tooltip: tooltip({trigger: 'item', formatter: (params) => tip(make('b', {}, params.name), `${params.seriesName}: ${thousands(params.value)}`)}),
      xAxis: countAxis(),
      yAxis: {type: 'category', inverse: true, data: given.closers, axisLine: {show: false}, axisTick: {show: false}, axisLabel: text()},
      series: given.kinds.map(([name, values]) => {
        const at = order.indexOf(name);
        const most = Math.max(...given.closers.map((_, row) => given.kinds.reduce((sum, [, counts]) => sum + counts[row], 0)));
        return {name, type: 'bar', stack: 'all', barWidth: 20, data: values, emphasis: {disabled: true},
          itemStyle: {color: fills[at], decal: decals[at] ? {...decals[at], color: 'rgba(255,255,255,.45)'} : undefined, borderColor: colors.ground, borderWidth: 0.5},
          label: {show: true, color: at === 0 || at === 1 ? '#fff' : '#111', fontSize: 11, fontFamily: colors.font, formatter: (one) => one.value > most * 0.06 ? thousands(one.value) : ''}};
      }),
    });
  }

  // -- all of them

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

  let unfolded = [];
  addEventListener('beforeprint', () => {
    unfolded = $$('details:not(.numbers):not([open])');
    for (const one of unfolded) one.open = true;
    root.classList.add('printing');
    printing = true;
    if (data) redraw();
  });
  addEventListener('afterprint', () => {
    for (const one of unfolded) one.open = false;
    root.classList.remove('printing');
    printing = false;
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
})();
