/* Distributions: histograms with marks, silences by what ended them, who closed first. */

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
  const pool = poolOf(plot), sliced = given.connections && slices(bins, given.connections);
  const leads = bins.map((bin, place) => ({
    says: `${pool}: ${given.unit} ${bin[3]}`,
    rows: () => sliced ? bars.numbered(sliced[place]) : bars.where(pool, (c, i) => c.requests[i] >= bin[0] && c.requests[i] < bin[1]),
  }));
  rowsLead(plot, leads.filter((_, place) => bins[place][2]));
  const chart = show(plot, 210, {
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
      cursor: 'pointer', markLine: given.marks.length ? markLines(given.marks, at, low, high) : undefined}],
  });
  barsLead(plot, chart, (event) => leads[event.dataIndex]);
  return chart;
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
    const sliced = slices(lane.bins, lane.connections);
    return lane.bins.map((bin, place) => ({lane, row, bin, share: bin[2] / most, numbers: sliced[place]})).filter(({bin}) => bin[2]);
  });
  const pool = poolOf(plot);
  rowsLead(plot, lanes.map((lane) => ({says: `${pool}: silent, then ${lane.name}`, rows: () => bars.numbered(lane.connections)})));
  const low = log(lanes[0].bins[0][0]), high = log(lanes[0].bins[lanes[0].bins.length - 1][1]);
  const tall = 44;
  const bracket = given.marks.filter((mark) => mark.low !== null && mark.high !== null && mark.low > 0);
  const chart = show(plot, lanes.length * tall + 42 + 13 * given.marks.length, {
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
      cursor: 'pointer', markArea: bracket.length ? {silent: true, itemStyle: {color: colors.dial, opacity: 0.22}, data: bracket.map((mark) => [{xAxis: log(mark.low)}, {xAxis: log(mark.high)}])} : undefined,
      markLine: given.marks.length ? markLines(given.marks.map((mark) => ({...mark, value: mark.value ?? mark.high ?? mark.low})), log, low, high, 'start') : undefined}],
  });
  barsLead(plot, chart, (event) => {
    const {lane, bin, numbers} = bins[event.dataIndex];
    return {says: `${pool}: silent for ${bin[3]}, then ${lane.name}`, rows: () => bars.numbered(numbers)};
  });
  return chart;
}

// -- who closed first

function closes(plot, given) {
  const fills = [colors.busy, colors.client, colors.sky, colors.dial, colors.pink, colors.gray];
  const order = ['announced (Connection: close)', 'with a request open', 'at once after a response', 'after a silence', 'never used', 'not closed'];
  const decals = [null, {symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: Math.PI / 4}, null, {symbol: 'rect', dashArrayX: [1, 0], dashArrayY: [2, 4], rotation: -Math.PI / 4}, {symbol: 'circle', symbolSize: 0.6, dashArrayX: [[6, 6], [0, 6, 6, 0]], dashArrayY: [6, 0]}, null];
  legend(plot, given.kinds.map(([name]) => [name, box(fills[order.indexOf(name)])]));
  const tall = 34, pool = poolOf(plot);
  const closed = (row, kind) => ({
    says: `${pool}: ${given.closers[row]}${kind === undefined || given.closers[row] === kind ? '' : `, ${kind}`}`,
    rows: () => bars.where(pool, (c, i) => CLOSES[c.closer[i]] === given.closers[row] && (kind === undefined || data.charts.timeline.classes[c.close_class[i]] === kind)),
  });
  rowsLead(plot, given.closers.map((_, row) => closed(row)));
  const chart = show(plot, given.closers.length * tall + 34, {
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
  barsLead(plot, chart, (event) => closed(event.dataIndex, event.seriesName));
  return chart;
}
const CLOSES = ['client closed first', 'server closed first', 'not closed'];  // by the number of the closer
