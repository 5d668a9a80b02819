#!/usr/bin/env node
// Rebuilds dist/ in a source checkout when it is stale, then runs the command line.
import './prepare.js';

await import('../dist/cli.js');
