"use strict";
// fix: from here
const http = require("node:http");

const server = http.createServer((req, res) => res.end("ok\n"));
server.keepAliveTimeout = 500;
server.keepAliveTimeoutBuffer = 500;
server.listen(8080);
// fix: to here
