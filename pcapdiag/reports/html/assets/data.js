/* Numbers in words, and the columns of the page unpacked. */

// -- numbers and times

const thousands = (value) => value.toLocaleString('en-US');
const plural = (count, noun) => `${thousands(count)} ${noun}${count === 1 ? '' : 's'}`;

function lasting(us) {
  if (us < 1e3) return `${Math.round(us)} \u00b5s`;
  if (us < 1e5) return `${+(us / 1e3).toPrecision(3)} ms`;
  if (us < 1e6) return `${Math.round(us / 1e3)} ms`;
  if (us < 1e8) return `${+(us / 1e6).toPrecision(4)} s`;
  if (us < 36e8) return `${Math.floor(us / 6e7)} min ${Math.round(us % 6e7 / 1e6)} s`;
  if (us < 1728e8) return `${Math.floor(us / 36e8)} h ${Math.round(us % 36e8 / 6e7)} min`;
  return `${thousands(+(us / 864e8).toFixed(1))} days`;
}
const since = (us) => `+${(us / 1e6).toFixed(6)} s`;
const clock = (us) => `${new Date(Math.floor((data.time.start_us + us) / 1e3)).toISOString().slice(11, 23)} UTC`;
function axisTime(us) {  // in the unit of what is in view
  const span = (view.to || data.time.length) - view.from;
  const [unit, size] = span > 4 * 864e8 ? ['d', 864e8] : span > 4 * 36e8 ? ['h', 36e8] : span > 15 * 6e7 ? ['min', 6e7]
    : data.time.length > 5e5 ? ['s', 1e6] : data.time.length > 2e3 ? ['ms', 1e3] : ['\u00b5s', 1];
  return us === 0 ? '0' : `${+(us / size).toFixed(span < 15 * 6e7 ? 6 : us / size > 100 ? 0 : 2)} ${unit}`;
}

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
