/* What all charts share: colors, axes, tooltips, legends, and ECharts in SVG. */

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
const LEFT = 58, RIGHT = 34;  // px beside every axis of time, so that one moment is at one place
const followed = (axes) => ({type: 'inside', xAxisIndex: axes, filterMode: 'none', startValue: view.from, endValue: view.to || data.time.length,
  zoomOnMouseWheel: false, moveOnMouseMove: false, moveOnMouseWheel: false});

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
