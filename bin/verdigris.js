#!/usr/bin/env node
// Rebuilds dist/ in a source checkout when it is stale, then runs the command line.
import { compileInOwnProcess } from './compile-process.js';

compileInOwnProcess();
await import('./prepare.js');
await import('../dist/cli.js');
