import { rule } from './rule.ts';

/** Rules about syntax that the dialect leaves out. */

export const unsupportedSyntax = rule('VG3001', 'deferred', (kind: string) => ({
  rule: `${kind} is not part of the dialect`,
  fix: 'write it with the constructs that are: see src/compiler/DIALECT.md',
  reason: 'it is refused rather than compiled to something Node would not do',
}));

export const noExceptions = rule('VG3002', 'guarantee', (keyword: string) => ({
  rule: `${keyword} is not part of the dialect`,
  fix: 'return a Result, or call panic(...)',
  reason: 'there is no unwinder: an error is a value, a bug stops the machine',
}));

export const noAsync = rule('VG3003', 'guarantee', (keyword: string) => ({
  rule: `${keyword} is not part of the dialect`,
  fix: 'write a state machine, or block the thread',
  reason: 'suspended functions would need memory that nobody owns',
}));

export const noInheritance = rule('VG3004', 'guarantee', () => ({
  rule: 'a class cannot extend another',
  fix: 'embed(...) the other as a field',
  reason: 'calls are static and layouts are final',
}));

export const looseEquality = rule('VG3005', 'guarantee', (operator: string) => ({
  rule: `${operator} converts its operands`,
  fix: `use ${operator}=`,
  reason: 'conversions are written, never implied',
}));

export const noDynamicTypes = rule('VG3006', 'guarantee', (keyword: string) => ({
  rule: `${keyword} asks for a type at run time`,
  fix: 'keep a tag in a field',
  reason: 'objects carry no type on the machine',
}));

export const noLiteralObjects = rule('VG3007', 'guarantee', (what: string) => ({
  rule: `${what} inside a function`,
  fix: 'use a class, a struct, or a module-level table([...])',
  reason: 'it would be allocated by every evaluation, and there is no garbage collector',
}));

export const noAccessors = rule('VG3008', 'deferred', () => ({
  rule: 'getters and setters are not part of the dialect',
  fix: 'write a method',
  reason: 'a property access is one load or store',
}));

export const noConcatenation = rule('VG3009', 'guarantee', () => ({
  rule: 'strings cannot be concatenated',
  fix: 'print the pieces one after the other',
  reason: 'the new string would be allocated',
}));

export const noOptional = rule('VG3010', 'deferred', (what: string) => ({
  rule: `${what} is not part of the dialect`,
  fix: 'compare with null first; give parameters a default value',
  reason: 'undefined has no representation on the machine',
}));

export const noRegularExpressions = rule('VG3011', 'guarantee', () => ({
  rule: 'regular expressions are not part of the dialect',
  fix: 'compare the bytes',
  reason: 'there is no engine for them on the machine',
}));

export const topLevelStatement = rule('VG3012', 'guarantee', () => ({
  rule: 'a statement at module level',
  fix: 'move it into a function that the entry point calls',
  reason: 'the module level is evaluated when the program is built: nothing runs there',
}));

export const badAssembly = rule('VG3013', 'guarantee', (message: string) => ({
  rule: `the assembly does not assemble: ${message}`,
  fix: 'correct the line',
  reason: 'the text goes through the assembler of this project',
}));

export const wrapperShape = rule('VG3014', 'guarantee', (name: string) => ({
  rule: `${name}(...) takes an arrow function, written in place`,
  fix: `write export const handler = ${name}((...) => { ... })`,
  reason: 'the wrapper decides how the function is entered, so it must see its body',
}));

export const noEntry = rule('VG3015', 'guarantee', (kind: string) => ({
  rule: `the ${kind} has no entry point`,
  fix: kind === 'kernel' ? 'export pvhEntry or multibootEntry, made by naked(...)' : 'export const main = entry(...)',
  reason: 'the loader must know where to begin',
}));
