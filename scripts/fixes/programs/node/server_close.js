"use strict";
// fix: from here
const http = require("node:http");

const server = http.createServer((req, res) => {
  res.setHeader("Connection", "close");
  res.end("ok\n");
});
server.listen(8080);
// fix: to here
