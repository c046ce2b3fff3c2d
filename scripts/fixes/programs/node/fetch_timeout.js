"use strict";
// fix: from here
const { Agent, setGlobalDispatcher } = require("undici");

setGlobalDispatcher(new Agent({ keepAliveTimeout: 500 }));
// fix: to here

module.exports = async function call(url) {
  await (await fetch(url)).arrayBuffer();
};
