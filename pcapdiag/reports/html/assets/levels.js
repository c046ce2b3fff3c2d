/* Step functions of time: levels of a pool, TCP states at each end. */

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
  const dense = Math.max(...given.series.map(([, at]) => at.length)) > 60;  // dashes of uprights side by side are noise
  const looks = {open: {color: colors.gray, dash: 'solid', width: dense ? 2.5 : 1.5}, busy: {color: colors.busy, dash: 'solid', width: dense ? 0.8 : 1.5}, idle: {color: colors.client, dash: dense ? 'solid' : [5, 3], width: dense ? 1 : 1.5}};
  legend(plot, [...given.series.map(([name]) => [name, name === 'busy' ? box(colors.busy, {opacity: 0.55}) : stroke(looks[name].color, name === 'idle' && !dense ? '5 3' : '')]),
    ...(given.limits.length ? [['limit read from the packets', stroke(colors.text, '2 2')]] : []), ...($('#timeline') ? [[FOLLOWS, []]] : [])]);
  const most = Math.max(...given.series.map(([, , values]) => values.reduce((high, value) => Math.max(high, value), 0)));
  const limit = Math.max(0, ...given.limits.map((one) => one.value));
  const chart = show(plot, 220, {
    grid: {left: LEFT, right: RIGHT, top: 14, bottom: 26},
    tooltip: tooltip({trigger: 'axis', axisPointer: {lineStyle: {color: colors.dim}}, formatter: (params) => axisTip(params[0].axisValue, given.series)}),
    xAxis: timeAxis({axisLabel: text({formatter: (us) => us === view.from && us > 0 ? '' : axisTime(us), hideOverlap: true, showMaxLabel: false})}), yAxis: countAxis(most > limit ? {} : {max: Math.ceil(limit * 1.15), axisLabel: text({formatter: thousands, showMaxLabel: false})}), dataZoom: [followed([0])],
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
  momentsLead(plot, chart, [0], poolOf(plot));
  return chart;
}
const FOLLOWS = "the time is the timeline's: zoom there; click for what is open at a moment";

// -- TCP states

const stateColors = () => ({
  SYN_SENT: colors.dial, SYN_RECEIVED: colors.yellow, ESTABLISHED: colors.busy, FIN_WAIT_1: colors.sky, FIN_WAIT_2: colors.second,
  CLOSING: colors.pink, TIME_WAIT: colors.gray, CLOSE_WAIT: colors.client, LAST_ACK: colors.server,
});
function states(plot, given) {
  const palette = stateColors();
  const seen = [...new Set(given.ends.flatMap((one) => one.counts.map(([state]) => state)))];
  seen.sort((a, b) => Object.keys(palette).indexOf(a) - Object.keys(palette).indexOf(b));
  legend(plot, [...seen.map((state) => [state, box(palette[state])]), ...($('#timeline') ? [[FOLLOWS, []]] : [])]);
  const tall = 150, gap = 30;
  const tops = given.ends.map((one) => {
    let most = 0;
    for (let i = 0; i < one.at.length; i++) most = Math.max(most, one.counts.reduce((sum, [, values]) => sum + values[i], 0));
    return most;
  });
  const chart = show(plot, given.ends.length * (tall + gap) + 22, {
    grid: given.ends.map((_, at) => ({left: LEFT, right: RIGHT, top: 18 + at * (tall + gap), height: tall})),
    tooltip: tooltip({trigger: 'axis', axisPointer: {lineStyle: {color: colors.dim}}, formatter: (params) => axisTip(params[0].axisValue, given.ends.flatMap((one) =>
      one.counts.map(([state, values]) => [`${one.end}: ${state}`, one.at, values])))}),
    axisPointer: {link: [{xAxisIndex: 'all'}]},
    dataZoom: [followed(given.ends.map((_, at) => at))],
    xAxis: given.ends.map((_, at) => timeAxis({gridIndex: at, axisLabel: text({formatter: (us) => us === view.from && us > 0 ? '' : axisTime(us), hideOverlap: true, show: at === given.ends.length - 1, showMaxLabel: false})})),
    yAxis: given.ends.map((one, at) => countAxis({gridIndex: at, splitNumber: 3, name: `at the ${one.end}`, nameGap: 6, nameTextStyle: text({align: 'left', color: colors.text}), nameLocation: 'end'})),
    series: given.ends.flatMap((one, at) => one.counts.map(([state, values]) => ({
      name: state, type: 'line', stack: one.end, xAxisIndex: at, yAxisIndex: at, step: 'end', symbol: 'none', emphasis: {disabled: true},
      data: Array.from(one.at, (time, i) => [time, values[i]]), itemStyle: {color: palette[state]},
      lineStyle: {width: one.at.length > 100 ? 0 : 0.8, color: colors.ground}, areaStyle: {color: palette[state], opacity: 0.9},
      endLabel: values[values.length - 1] > tops[at] * 0.1 ? {show: true, formatter: `${state}`, color: ['ESTABLISHED', 'CLOSE_WAIT', 'LAST_ACK'].includes(state) ? '#fff' : '#111', fontSize: 10, fontFamily: colors.font, verticalAlign: 'top', align: 'right', offset: [-10, 3]} : undefined,
    }))),
  });
  followers.add(plot);
  momentsLead(plot, chart, given.ends.map((_, at) => at), null);
  return chart;
}
