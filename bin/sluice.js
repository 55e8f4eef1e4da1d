#!/usr/bin/env node
// Starts the command. Plain JavaScript of the old kind, so that a Node.js that is too old gets this message and not a syntax error.
const major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error('sluice needs Node.js 24 or newer; this is ' + process.versions.node + ' (' + process.execPath + ').')
  process.exitCode = 2
} else {
  void import('./start.js')
}
