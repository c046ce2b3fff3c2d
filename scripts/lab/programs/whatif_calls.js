// Node's http.Agent under callers who think between their calls; prints "done" and stays alive and quiet.
//
//   whatif_calls.js URL '{"agent": {"keepAlive": true, "maxFreeSockets": 2}, "workers": 30, "requests": 30, "think": 40}'
//
// think: mean of the random pauses (exponential, the seed is fixed) between an answer and the next call, in milliseconds.
'use strict';
const http = require('http');

const options = { agent: { keepAlive: true }, workers: 4, requests: 20, think: 100, ...JSON.parse(process.argv[3] || '{}') };
const agent = new http.Agent(options.agent);
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Mulberry32: Math.random takes no seed.
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const call = () => new Promise((done, fail) => {
  http.get(process.argv[2], { agent }, (response) => response.resume().on('end', done).on('error', fail)).on('error', fail);
});

async function work(worker) {
  const chance = random(worker + 1);
  for (let number = 0; number < options.requests; number += 1) {
    await sleep(-Math.log(1 - chance()) * options.think);
    await call();
  }
}

Promise.all(Array.from({ length: options.workers }, (_, worker) => work(worker))).then(() => {
  console.log('done');
  setInterval(() => {}, 1 << 30);
});
