"use strict";
// fix: from here
const http = require("node:http");

const agent = new http.Agent({ keepAlive: true, maxFreeSockets: 2 });
// fix: to here

function call(url) {
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent }, (response) => {
      response.on("end", resolve).on("error", reject).resume();
    });
    request.on("error", reject);
  });
}

module.exports = call;
