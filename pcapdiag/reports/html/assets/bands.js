/* Above the timeline where a row stands for many connections: how many are open at once, and how many open. */

const BAND = 46, BAND_GAP = 20, BUCKETS = 240;

function banded(c, listed, from, to) {  // numbers of each bucket of the window
  const opens = new Float64Array(BUCKETS), most = new Float64Array(BUCKETS);
  const ends = Float64Array.from(listed, (i) => c.opened[i] + c.lasted[i]).sort();
  const width = (to - from) / BUCKETS;
  let level = 0, closed = 0, at = 0;
  const step = (time, by) => {
    level += by;
    const place = Math.floor((time - from) / width);
    if (place >= 0 && place < BUCKETS && by > 0) { opens[place]++; most[place] = Math.max(most[place], level); }
  };
  for (let place = 0; place < BUCKETS; place++) {
    const until = from + (place + 1) * width;
    while (closed < ends.length && at < listed.length && (c.opened[listed[at]] < until || ends[closed] < until)) {
      if (c.opened[listed[at]] <= ends[closed]) step(c.opened[listed[at++]], 1);
      else step(ends[closed++], -1);
      if (at === listed.length) break;
    }
    while (at === listed.length && closed < ends.length && ends[closed] < until) step(ends[closed++], -1);
    most[place] = Math.max(most[place], level);  // those that are open throughout
  }
  return {opens, most, width};
}
function lives(c, listed) {  // how long connections lived, in words
  const sorted = Float64Array.from(listed, (i) => c.lasted[i]).sort();
  const rank = (share) => lasting(sorted[Math.min(Math.floor(sorted.length * share), sorted.length - 1)]);
  return `Lived ${rank(0.5)} (median), 95% up to ${rank(0.95)}, the longest ${rank(1)}`;
}
function bands(c, listed, from, to) {  // the grids, axes and series of both, behind those of the timeline
  const {opens, most, width} = banded(c, listed, from, to);
  const span = `from ${since(from)} in steps of ${lasting(width)}`;
  const shown = [['open at once', most, colors.gray, (value) => `at most ${thousands(value)} open at once`], [`opened in each ${lasting(width)}`, opens, colors.busy, (value) => `${thousands(value)} opened`]];
  const top = (at) => 18 + at * (BAND + BAND_GAP);
  return {
    tall: top(shown.length) - 8,
    grid: shown.map((_, at) => ({left: LEFT, right: RIGHT, top: top(at), height: BAND})),
    xAxis: shown.map((_, at) => timeAxis({gridIndex: at + 1, axisLabel: {show: false}, axisTick: {show: false}})),
    yAxis: shown.map(([name], at) => countAxis({gridIndex: at + 1, splitNumber: 2, name, nameGap: 5, nameTextStyle: text({align: 'left', color: colors.text}), nameLocation: 'end'})),
    series: shown.map(([, values, fill, says], at) => ({
      type: 'custom', xAxisIndex: at + 1, yAxisIndex: at + 1, clip: true, progressive: 0, cursor: 'pointer', encode: {x: 0, y: 1},
      data: Array.from(values, (value, place) => [from + (place + 0.5) * width, value]),
      tooltip: {formatter: (params) => tip(make('b', {}, `${since(from + params.dataIndex * width)} to ${since(from + (params.dataIndex + 1) * width)}`), says(values[params.dataIndex]))},
      renderItem: (params, api) => {
        const [x, y] = api.coord([api.value(0), api.value(1)]);
        const base = api.coord([api.value(0), 0])[1], wide = api.size([width, 0])[0];
        return {type: 'rect', shape: {x: x - wide / 2, y, width: wide + 0.3, height: base - y}, style: {fill}};
      },
    })),
    span,
    bucket: (place) => [from + place * width, from + (place + 1) * width],
  };
}
