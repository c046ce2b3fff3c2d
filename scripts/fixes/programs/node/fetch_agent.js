"use strict";
// fix: from here
const { Agent, setGlobalDispatcher } = require("undici");

setGlobalDispatcher(new Agent({ pipelining: 0 }));
// fix: to here

module.exports = async function call(url) {
  await (await fetch(url)).arrayBuffer();
};
