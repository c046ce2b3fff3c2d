// Node's http.Agent under a number of callers; prints "done" and stays alive and quiet.
//
//   delay_calls.js URL '{"agent": {"keepAlive": true, "maxSockets": 2}, "workers": 20, "requests": 5, ...}'
//
// workers callers make requests calls each, period milliseconds from call to call; together, and without a pause,
// where period is 0.  post: bytes of body, written after the head was flushed where split is true.
// newAgent: an agent for each call.  secure: TLS, whatever the URL says.  Calls that fail are counted and do not end the run.
const http = require('http');
const https = require('https');

const options = { agent: {}, workers: 1, requests: 10, period: 0, post: 0, split: false, newAgent: false, secure: false,
  ...JSON.parse(process.argv[3] || '{}') };
const url = options.secure ? process.argv[2].replace('http:', 'https:') : process.argv[2];
const library = url.startsWith('https') ? https : http;
const settings = { rejectUnauthorized: false, ...options.agent };
const shared = new library.Agent(settings);

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function call() {
  return new Promise((resolve, reject) => {
    const request = library.request(url, {
      method: options.post ? 'POST' : 'GET',
      agent: options.newAgent ? new library.Agent(settings) : shared,
      headers: options.post ? { 'Content-Length': options.post } : {},
    }, (response) => {
      response.on('end', resolve).on('error', reject).resume();
    });
    request.on('error', reject);
    if (options.split) request.flushHeaders();
    const send = () => request.end(options.post ? 'x'.repeat(options.post) : undefined);
    if (options.split) setTimeout(send, 2); else send();
  });
}

async function work(worker) {
  let failures = 0;
  let next = Date.now() + (options.period * worker) / options.workers;
  for (let number = 0; number < options.requests; number += 1) {
    await sleep(Math.max(0, next - Date.now()));
    next += options.period;
    try { await call(); } catch (error) { failures += 1; console.error(String(error)); }
  }
  return failures;
}

Promise.all(Array.from({ length: options.workers }, (_, worker) => work(worker))).then((failures) => {
  console.log('done', failures.reduce((sum, n) => sum + n, 0));
  setInterval(() => {}, 1 << 30);
});
