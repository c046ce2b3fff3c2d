// A Node client with one http.Agent, calling one URL.
//
//   calls.js URL --load 4x10@200ms [--agent '{"keepAlive":true}'] [--timeout MS] [--post BYTES] [--again N] [--gaps 0.1,2]
//
// The load is that of calls.py. It prints "done" with the number of answers and of each error, and stays alive.
'use strict';
const http = require('http');
const { parseArgs } = require('util');

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    load: { type: 'string', default: '1x10@100ms' },
    agent: { type: 'string', default: '{"keepAlive":true}' },
    timeout: { type: 'string', default: '0' }, // of the whole call
    post: { type: 'string', default: '0' },
    again: { type: 'string', default: '0' },
    gaps: { type: 'string', default: '' },
  },
});
const url = positionals[0];
const agent = new http.Agent(JSON.parse(values.agent));
const counts = {};
const count = (word) => { counts[word] = (counts[word] || 0) + 1; };
const sleep = (milliseconds) => new Promise((done) => setTimeout(done, Math.max(0, milliseconds)));

function call() {
  return new Promise((resolve, reject) => {
    const size = Number(values.post);
    const signal = Number(values.timeout) ? AbortSignal.timeout(Number(values.timeout)) : undefined;
    const request = http.request(url, { agent, method: size ? 'POST' : 'GET', signal }, (response) => {
      response.on('data', () => {}).on('end', () => resolve(response.statusCode)).on('error', reject);
    });
    request.on('error', reject);
    request.end(size ? 'b'.repeat(size) : undefined);
  });
}

async function attempt() {
  for (let trial = 0; trial <= Number(values.again); trial += 1) {
    try {
      count(await call());
      return;
    } catch (error) {
      count(error.code || error.name);
    }
  }
}

async function worker(due, began) {
  for (const moment of due) {
    await sleep(began + moment - Date.now());
    await attempt();
  }
}

function milliseconds(text) {
  return Number.parseFloat(text) * (text.endsWith('ms') ? 1 : 1000);
}

async function main() {
  if (values.gaps) {
    let at = 0;
    await worker(values.gaps.split(',').map((gap) => { at += Number(gap) * 1000; return at; }), Date.now());
  } else {
    for (const item of values.load.split(',')) {
      const [shape, pace] = item.split('@');
      const period = pace ? milliseconds(pace) : 0;
      if (shape === 'rest') {
        await sleep(period);
        continue;
      }
      const [workers, requests] = shape.split('x').map(Number);
      const due = Array.from({ length: requests }, (_, i) => i * period);
      await Promise.all(
        Array.from({ length: workers }, (_, i) => worker(due, Date.now() + (period * i) / workers)),
      );
    }
  }
  console.log('done', JSON.stringify(counts));
  setInterval(() => {}, 1 << 30);
}

main();
