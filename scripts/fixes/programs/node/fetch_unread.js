"use strict";
// fix: from here
async function fetchAll(url) {
  return await fetch(url); // nobody wants the body
}
// fix: to here

module.exports = fetchAll;
