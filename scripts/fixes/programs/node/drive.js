// main.js URL CALLERS CALLS PERIOD_MS: callers that call together, CALLS times, a period apart; then alive and quiet.
//
// call, in a module of its own, is what one of them does; the mistake is there.
"use strict";
const call = require("./call.js");

const [url, ...numbers] = process.argv.slice(2);
const [callers, calls, period] = numbers.map(Number);
const sleep = (milliseconds) => new Promise((done) => setTimeout(done, Math.max(0, milliseconds)));
const began = Date.now();

async function caller() {
  for (let nth = 0; nth < calls; nth += 1) {
    await sleep(began + period * nth - Date.now());
    await call(url);
  }
}

Promise.all(Array.from({ length: callers }, caller)).then(() => {
  console.log("done");
  setInterval(() => {}, 1 << 30);
});
