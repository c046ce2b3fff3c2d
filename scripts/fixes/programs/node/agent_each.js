"use strict";
// fix: from here
const http = require("node:http");
// fix: to here
// fix: paste here

function call(url) {
  return new Promise((resolve, reject) => {
    // fix: from here
    const agent = new http.Agent({ keepAlive: true });
    // fix: to here
    const request = http.get(url, { agent }, (response) => {
      response.on("end", resolve).on("error", reject).resume();
    });
    request.on("error", reject);
  });
}

module.exports = call;
