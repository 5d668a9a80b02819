import { rule } from './rule.ts';

/** Rules about what values may be and where they may go. */

export const unsupportedType = rule('VG2001', 'guarantee', (type: string) => ({
  rule: `the type ${type} has no representation on the machine`,
  fix: 'use integers, booleans, strings, classes, structs, fixed arrays or functions',
  reason: 'every value has a size and a layout known at compile time',
}));

export const typeMismatch = rule('VG2002', 'guarantee', (found: string, wanted: string) => ({
  rule: `a ${found} cannot become a ${wanted} here`,
  fix: 'convert it explicitly, or change the declared type',
  reason: 'the two are represented differently',
}));

export const unusedResult = rule('VG2003', 'guarantee', () => ({
  rule: 'a Result must be used',
  fix: 'test its ok, or return it',
  reason: 'an error that nobody looks at is an error that happened',
}));

export const escapingClosure = rule('VG2004', 'guarantee', (name: string) => ({
  rule: `an arrow function that captures ${name} may only be called, or passed on to a call`,
  fix: 'pass the state as a parameter',
  reason: 'a stored closure would need memory that nobody owns',
}));

export const recursiveExpansion = rule('VG2005', 'guarantee', (name: string) => ({
  rule: `${name} takes an arrow function and calls itself`,
  fix: 'write the recursion as a loop, or without the arrow function',
  reason: 'a function with arrow arguments is expanded at each call, which would never end',
}));

export const resultStored = rule('VG2006', 'guarantee', () => ({
  rule: 'a Result cannot be stored',
  fix: 'store its value or its error',
  reason: 'a Result lives in two registers only',
}));

export const objectInFunction = rule('VG2007', 'guarantee', (name: string) => ({
  rule: `new ${name} inside a function`,
  fix: `make it a module-level constant, or construct it in memory of your own: constructAt(${name}, address)`,
  reason: 'there is no garbage collector: somebody must own the memory',
}));

export const notConstant = rule('VG2008', 'guarantee', (what: string) => ({
  rule: `${what} must be a constant that the compiler can compute`,
  fix: 'use literals, constants, constructors and the operators on them',
  reason: 'the module level is evaluated when the program is built',
}));

export const elementReplaced = rule('VG2009', 'guarantee', (what: string) => ({
  rule: `${what} lies in place and cannot be replaced`,
  fix: 'assign to its fields',
  reason: 'assigning would copy on the machine and rebind in Node',
}));

export const arrayStored = rule('VG2010', 'guarantee', () => ({
  rule: 'an array cannot be stored: only arrays made in place exist',
  fix: 'initialise the field with array(...), references(...) or table(...)',
  reason: 'a stored array would be a pointer into storage that may be gone',
}));

export const indexOutside = rule('VG2011', 'guarantee', (index: string, length: string) => ({
  rule: `index ${index} is outside an array of ${length} elements`,
  fix: 'correct the index or the length',
  reason: 'it would panic every time',
}));

export const ignoredResult = rule('VG2012', 'guarantee', () => ({
  rule: 'a function that returns a Result cannot stand where the result is ignored',
  fix: 'wrap it in a function that looks at the Result',
  reason: 'an error that nobody looks at is an error that happened',
}));

export const tooWide = rule('VG2013', 'deferred', (type: string) => ({
  rule: `a value of type ${type} needs more than two registers to be returned`,
  fix: 'return an object, or write through a parameter',
  reason: 'functions return in RAX and RDX',
}));

export const asciiOnly = rule('VG2014', 'guarantee', () => ({
  rule: 'a string literal with characters outside ASCII',
  fix: 'use ASCII, or a table of bytes',
  reason: 'a character is one byte on the machine and 16 bits in Node',
}));

export const fieldInitialiser = rule('VG2015', 'guarantee', (name: string) => ({
  rule: `the field ${name} has no initial value`,
  fix: 'give it one, or assign it in the constructor',
  reason: 'in Node it would be undefined, on the machine zero',
}));

export const viewStored = rule('VG2017', 'guarantee', () => ({
  rule: "a structure's view cannot be stored",
  fix: 'store its address, and view it again: Struct.at(address)',
  reason: 'a stored view would outlive storage on the stack, which Node keeps and the machine does not',
}));

export const localReturned = rule('VG2018', 'guarantee', (name: string) => ({
  rule: `${name} lies on the stack of this function and cannot be returned`,
  fix: 'let the caller make it and pass it in',
  reason: 'Node would keep it alive, the machine would not',
}));

export const dialectOnlyHere = rule('VG2016', 'guarantee', (name: string, where: string) => ({
  rule: `${name} can only stand ${where}`,
  fix: 'move it there',
  reason: 'it describes the program rather than computing a value',
}));
