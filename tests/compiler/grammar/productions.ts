// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the samples are source text
/**
 * Every production of TypeScript's grammar with the compiler's verdict on a sample of it: `compiled`, the code of the
 * rule that refuses it, or `TS` and the number of tsc's own error. `type` productions are erased: their samples compile.
 */
export interface Production {
  readonly kind: string;
  readonly verdict: string;
  /** A module; the dialect's library is imported in front of it. */
  readonly sample: string;
}

const inFunction = (statements: string): string =>
  `export function f(a: u32, b: u32, c: u64, o: Thing | null): u32 { ${statements} return 0; }
   class Thing { field: u32 = 0; readonly list = array(u8, 4); method(): u32 { return this.field; } }`;
const expression = (text: string): string => inFunction(`const value = ${text};`);

const p = (kind: string, verdict: string, sample: string): Production => ({ kind, verdict, sample });
const C = 'compiled';

export const literals: readonly Production[] = [
  p('NumericLiteral', C, expression('1')),
  p('BigIntLiteral', C, expression('1n')),
  p('StringLiteral', C, expression("'text'")),
  p('RegularExpressionLiteral', 'VG3011', expression('/x/')),
  p('NoSubstitutionTemplateLiteral', C, expression('`text`')),
  p('TemplateHead', 'VG3009', expression('`a${a}`')),
  p('TemplateMiddle', 'VG3009', expression('`a${a}b${b}c`')),
  p('TemplateTail', 'VG3009', expression('`a${a}b`')),
];

export const nodes: readonly Production[] = [
  p('QualifiedName', C, "import * as d from '#dialect'; export function f(a: d.u32): u32 { return a; }"),
  p(
    'ComputedPropertyName',
    C,
    'class G { x: u32 = 0; [Symbol.dispose](): void { this.x = 1; } } const g = new G(); export function f(): void { using _g = g; }',
  ),
  p('TypeParameter', C, 'function id<T>(x: T): T { return x; } export function f(a: u32): u32 { return id<u32>(a); }'),
  p('Parameter', C, 'export function f(a: u32): u32 { return a; }'),
  p(
    'Decorator',
    'TS2318',
    'function d(_c: unknown, _x: unknown): void {} @d class A { x: u32 = 0; } export const a = new A();',
  ),
  p('PropertySignature', C, `interface A { x: u32; } export type B = A; export {};${inFunction('')}`),
  p('PropertyDeclaration', C, 'class A { x: u32 = 0; } const a = new A(); export function f(): u32 { return a.x; }'),
  p('MethodSignature', C, `interface A { x(): u32; } export type B = A;${inFunction('')}`),
  p(
    'MethodDeclaration',
    C,
    'class A { x(): u32 { return 1; } } const a = new A(); export function f(): u32 { return a.x(); }',
  ),
  p('ClassStaticBlockDeclaration', 'VG3001', `export class A { static { } }${inFunction('')}`),
  p(
    'Constructor',
    C,
    'class A { x: u32; constructor(x: u32) { this.x = x; } } const a = new A(5); export function f(): u32 { return a.x; }',
  ),
  p('GetAccessor', 'VG3008', `export class A { get x(): u32 { return 1; } }${inFunction('')}`),
  p('SetAccessor', 'VG3008', `export class A { set x(value: u32) { } }${inFunction('')}`),
  p('CallSignature', C, `interface A { (x: u32): u32; } export type B = A;${inFunction('')}`),
  p('ConstructSignature', C, `interface A { new (x: u32): Thing; } export type B = A;${inFunction('')}`),
  p('IndexSignature', 'VG3001', `export class A { [key: string]: u32; }${inFunction('')}`),
  p('ExpressionWithTypeArguments', 'VG3004', `class A { x: u32 = 0; } export class B extends A {}${inFunction('')}`),
  p('SemicolonClassElement', C, 'class A { x: u32 = 0;; } const a = new A(); export function f(): u32 { return a.x; }'),

  p(
    'ObjectBindingPattern',
    'VG3001',
    'class P { x: u32 = 0; } const p = new P(); export function f(): u32 { const { x } = p; return x; }',
  ),
  p(
    'ArrayBindingPattern',
    'VG3001',
    'const t = table<u32>([1]); export function f(): u32 { const [x] = t; return x ?? 0; }',
  ),
  p('BindingElement', 'VG3001', 'class P { x: u32 = 0; } export function f({ x }: P): u32 { return x; }'),

  p('ArrayLiteralExpression', 'VG3007', expression('[1, 2]')),
  p('ObjectLiteralExpression', 'VG3007', expression('{ x: 1 }')),
  p('PropertyAccessExpression', C, inFunction('if (o !== null) return o.field;')),
  p('ElementAccessExpression', C, inFunction('if (o !== null) return u32(o.list[1]!);')),
  p('CallExpression', C, inFunction('if (o !== null) return o.method();')),
  p('NewExpression', 'VG2007', expression('new Thing()')),
  p(
    'TaggedTemplateExpression',
    'VG2016',
    'function tag(_t: TemplateStringsArray): void {} export function f(): void { tag`x`; }',
  ),
  p('TypeAssertionExpression', 'TS1294', expression('<u32>a')),
  p('ParenthesizedExpression', C, inFunction('return u32((a + b) * 2);')),
  p(
    'FunctionExpression',
    C,
    'const g = function (x: u32): u32 { return x; }; export function f(a: u32): u32 { return g(a); }',
  ),
  p('ArrowFunction', C, 'const g = (x: u32): u32 => x; export function f(a: u32): u32 { return g(a); }'),
  p('DeleteExpression', 'VG3006', 'class P { x?: u32; } const p = new P(); export function f(): void { delete p.x; }'),
  p('TypeOfExpression', 'VG3006', expression('typeof a')),
  p('VoidExpression', 'VG3001', inFunction('void a;')),
  p('AwaitExpression', 'TS1308', inFunction('await a;')),
  p('PrefixUnaryExpression', C, inFunction('return u32(-a);')),
  p('PostfixUnaryExpression', C, inFunction('let x: u32 = 3; x++; return x;')),
  p('BinaryExpression', C, inFunction('return u32(a + b);')),
  p('ConditionalExpression', C, inFunction('return a > b ? a : b;')),
  p('TemplateExpression', 'VG3009', expression('`${a}`')),
  p('YieldExpression', 'VG3003', 'export function* f() { yield 1; }'),
  p('SpreadElement', 'VG3007', 'const t = table<u32>([1]); export function f(): void { const x = [...t]; }'),
  p('ClassExpression', 'VG3007', expression('class { x: u32 = 0; }')),
  p('OmittedExpression', 'VG3007', expression('[, 1]')),
  p('AsExpression', C, inFunction('return a as u32;')),
  p('NonNullExpression', C, inFunction('return o!.field;')),
  p('MetaProperty', 'VG3001', inFunction('const value = new.target;')),
  p('SatisfiesExpression', C, inFunction('return a satisfies u32;')),
  p('TemplateSpan', 'VG3009', expression('`${a}.`')),

  p('Block', C, inFunction('{ return a; }')),
  p('EmptyStatement', C, inFunction(';')),
  p('VariableStatement', C, inFunction('let x: u32 = a; return x;')),
  p('ExpressionStatement', C, inFunction('if (o !== null) o.field = a;')),
  p('IfStatement', C, inFunction('if (a > b) return 1; else return 2;')),
  p('DoStatement', C, inFunction('do { if (a > 1) break; } while (b > 2);')),
  p('WhileStatement', C, inFunction('while (a > b) { break; }')),
  p('ForStatement', C, inFunction('for (let i: u32 = 0; i < a; i++) continue;')),
  p('ForInStatement', 'VG3006', inFunction('for (const key in o!) continue;')),
  p('ForOfStatement', C, inFunction('for (const x of o!.list) if (x > 1) return 1;')),
  p('ContinueStatement', C, inFunction('while (a > b) continue;')),
  p('BreakStatement', C, inFunction('while (a > b) break;')),
  p('ReturnStatement', C, inFunction('return 5;')),
  p('WithStatement', 'TS2410', inFunction('with (o!) { }')),
  p('SwitchStatement', C, inFunction('switch (a) { case 1: return 2; }')),
  p('LabeledStatement', C, inFunction('outer: while (a > b) { while (true) break outer; }')),
  p('ThrowStatement', 'VG3002', inFunction('throw a;')),
  p('TryStatement', 'VG3002', inFunction('try { } finally { }')),
  p('DebuggerStatement', 'VG3001', inFunction('debugger;')),
  p('VariableDeclaration', C, inFunction('const x: u32 = a; return x;')),
  p('VariableDeclarationList', C, inFunction('let x: u32 = a, y: u32 = b; return u32(x + y);')),
  p('FunctionDeclaration', C, 'export function f(): u32 { return 1; }'),
  p('ClassDeclaration', C, `class A { x: u32 = 0; } export const a = new A();${inFunction('')}`),
  p('InterfaceDeclaration', C, `export interface A { x: u32; }${inFunction('')}`),
  p('TypeAliasDeclaration', C, 'export type A = u32; export function f(a: A): A { return a; }'),
  p('EnumDeclaration', 'TS1294', `export enum E { A }${inFunction('')}`),
  p('ModuleDeclaration', 'TS1294', `export namespace N { export const x: u32 = 1; }${inFunction('')}`),
  p('ModuleBlock', 'TS1294', `export namespace N { export const x: u32 = 1; }${inFunction('')}`),
  p('CaseBlock', C, inFunction('switch (a) { }')),
  p('NamespaceExportDeclaration', 'TS1315', `export as namespace N;${inFunction('')}`),
  p('ImportEqualsDeclaration', 'TS1294', `import d = require('#dialect');${inFunction('')}`),
  p('ImportDeclaration', C, "import { u32 as word } from '#dialect'; export function f(): u32 { return word(1); }"),
  p('ImportClause', C, "import type { u32 as Word } from '#dialect'; export function f(a: Word): u32 { return a; }"),
  p('NamespaceImport', C, "import * as d from '#dialect'; export function f(a: d.u32): u32 { return a; }"),
  p('NamedImports', C, "import { u64 as wide } from '#dialect'; export function f(a: u32): u64 { return wide(a); }"),
  p('ImportSpecifier', C, "import { u8 as byte } from '#dialect'; export function f(a: u32): u8 { return byte(a); }"),
  p('ExportAssignment', 'VG3012', `export default 5;${inFunction('')}`),
  p('ExportDeclaration', C, 'function f(): u32 { return 1; } export { f };'),
  p('NamedExports', C, 'function f(): u32 { return 1; } export { f as g };'),
  p('NamespaceExport', C, `export * as d from '#dialect';${inFunction('')}`),
  p('ExportSpecifier', C, 'function f(): u32 { return 1; } export { f };'),
  p('ExternalModuleReference', 'TS1294', `import d = require('#dialect');${inFunction('')}`),
  p('CaseClause', C, inFunction('switch (a) { case 3: return 4; }')),
  p('DefaultClause', C, inFunction('switch (a) { default: return 4; }')),
  p(
    'HeritageClause',
    C,
    `interface I { x: u32; } class A implements I { x: u32 = 0; } export const a = new A();${inFunction('')}`,
  ),
  p('CatchClause', 'VG3002', inFunction('try { } catch { }')),
  p('PropertyAssignment', C, 'const K = { A: 1 } as const; export function f(): u32 { return K.A; }'),
  p(
    'ShorthandPropertyAssignment',
    C,
    'const A = 1; const K = { A } as const; export function f(): u32 { return K.A; }',
  ),
  p('SpreadAssignment', 'VG3007', expression('{ ...o! }')),
  p('EnumMember', 'TS1294', `export enum E { A = 1 }${inFunction('')}`),
  p('SourceFile', C, inFunction('')),
];

const typed = (kind: string, type: string): Production => p(kind, C, `export type T<X> = ${type};${inFunction('')}`);

/** Productions of types. */
export const types: readonly Production[] = [
  p(
    'TypePredicate',
    C,
    'function present(a: Thing | null): a is Thing { return a !== null; }' +
      inFunction('if (present(o)) return o.field;'),
  ),
  typed('TypeReference', 'X'),
  typed('FunctionType', '(a: X) => u32'),
  typed('ConstructorType', 'new (a: X) => Thing'),
  p('TypeQuery', C, `const K = { A: 1 } as const; export type T = typeof K;${inFunction('')}`),
  typed('TypeLiteral', '{ a: X }'),
  typed('ArrayType', 'X[]'),
  typed('TupleType', '[X, u32]'),
  typed('OptionalType', '[X?]'),
  typed('RestType', '[...X[]]'),
  typed('UnionType', 'X | null'),
  typed('IntersectionType', 'X & { a: u32 }'),
  typed('ConditionalType', 'X extends u32 ? 1 : 2'),
  typed('InferType', 'X extends (infer Y)[] ? Y : 2'),
  typed('ParenthesizedType', '(X)'),
  p(
    'ThisType',
    C,
    'class A { x: u32 = 0; me(): this { return this; } } const a = new A(); export function f(): u32 { return a.me().x; }',
  ),
  typed('TypeOperator', 'keyof X'),
  typed('IndexedAccessType', 'X[keyof X]'),
  typed('MappedType', '{ [K in keyof X]: u32 }'),
  typed('LiteralType', '1'),
  typed('NamedTupleMember', '[a: X]'),
  typed('TemplateLiteralType', '`a${string}`'),
  typed('TemplateLiteralTypeSpan', '`a${string}b`'),
  typed('ImportType', "import('#dialect').u32"),
];

/** Operators, by their token. */
export const operators: readonly Production[] = [
  p('+', C, inFunction('return u32(a + b);')),
  p('-', C, inFunction('return u32(a - b);')),
  p('*', C, inFunction('return u32(a * 3);')),
  p('/', C, inFunction('return u32(a / b);')),
  p('%', C, inFunction('return u32(a % b);')),
  p('**', 'VG1009', inFunction('return u32(a ** b);')),
  p('<<', C, inFunction('return u32(a << b);')),
  p('>>', C, inFunction('return u32(a >> b);')),
  p('>>>', C, inFunction('return u32(a >>> b);')),
  p('&', C, inFunction('return u32(a & b);')),
  p('|', C, inFunction('return u32(a | b);')),
  p('^', C, inFunction('return u32(a ^ b);')),
  p('~', C, inFunction('return u32(~a);')),
  p('!', C, inFunction('if (!(a > b)) return 1;')),
  p('++', C, inFunction('let x: u32 = 1; ++x; return x;')),
  p('--', C, inFunction('let x: u32 = 1; x--; return x;')),
  p('<', C, inFunction('if (a < b) return 1;')),
  p('<=', C, inFunction('if (a <= b) return 1;')),
  p('>', C, inFunction('if (a > b) return 1;')),
  p('>=', C, inFunction('if (a >= b) return 1;')),
  p('===', C, inFunction('if (a === b) return 1;')),
  p('!==', C, inFunction('if (a !== b) return 1;')),
  p('==', 'VG3005', inFunction('if (a == b) return 1;')),
  p('!=', 'VG3005', inFunction('if (a != b) return 1;')),
  p('&&', C, inFunction('if (a > 1 && b > 1) return 1;')),
  p('||', C, inFunction('if (a > 1 || b > 1) return 1;')),
  p('??', C, 'class A { x: u32 = 0; } const a = new A(); export function f(o: A | null): u32 { return (o ?? a).x; }'),
  p('?.', 'VG3010', inFunction('return o?.field ?? 1;')),
  p(',', 'VG3001', inFunction('return u32((f(a, b, c, o), 2));')),
  p('=', C, inFunction('let x: u32 = 1; x = a; return x;')),
  p('+=', C, inFunction('let x: u32 = 1; x += 2; return x;')),
  p('-=', C, inFunction('let x: u32 = 9; x -= 2; return x;')),
  p('*=', C, inFunction('let x: u32 = 9; x *= 2; return x;')),
  p('/=', 'VG1005', inFunction('let x: u32 = 9; x /= 2; return x;')),
  p('%=', C, inFunction('let x: u32 = a; x %= 2; return x;')),
  p('**=', 'VG1009', inFunction('let x: u32 = 9; x **= 2; return x;')),
  p('<<=', C, inFunction('let x: u32 = 9; x <<= 2; return x;')),
  p('>>=', C, inFunction('let x: u32 = 9; x >>= 2; return x;')),
  p('>>>=', C, inFunction('let x: u32 = a; x >>>= 2; return x;')),
  p('&=', C, inFunction('let x: u32 = a; x &= 2; return x;')),
  p('|=', C, inFunction('let x: u32 = 9; x |= 2; return x;')),
  p('^=', C, inFunction('let x: u32 = 9; x ^= 2; return x;')),
  p('&&=', 'VG3001', inFunction('let x = a > b; x &&= b > 1; return x ? 1 : 0;')),
  p('||=', 'VG3001', inFunction('let x = a > b; x ||= b > 1; return x ? 1 : 0;')),
  p(
    '??=',
    'VG3001',
    'class A { x: u32 = 0; } const a = new A(); export function f(o: A | null): u32 { let q = o; q ??= a; return q.x; }',
  ),
  p('instanceof', 'VG3006', inFunction('if (o instanceof Thing) return 1;')),
  p('in', 'VG3006', inFunction("if ('field' in o!) return 1;")),
];

/** Kinds that the parser makes in other files only (JSX, JSDoc), or never. */
export const absent: readonly RegExp[] = [/^Jsx/, /^JSDoc/, /^Synthetic/, /^NotEmitted/];
export const synthetic: readonly string[] = [
  'MissingDeclaration',
  'Bundle',
  'SyntaxList',
  'PartiallyEmittedExpression',
  'CommaListExpression',
  'ImportTypeAssertionContainer',
  'AssertClause',
  'AssertEntry',
];
/** Import attributes: nothing the dialect imports has any. */
export const attributes: readonly Production[] = [
  p(
    'ImportAttributes',
    'TS2318',
    "import { u8 as byte } from '#dialect' with { a: 'b' }; export function f(a: u32): u8 { return byte(a); }",
  ),
  p(
    'ImportAttribute',
    'TS2318',
    "import { u8 as byte } from '#dialect' with { a: 'b' }; export function f(a: u32): u8 { return byte(a); }",
  ),
];
