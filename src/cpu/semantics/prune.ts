import type { Node, Statement } from './nodes.ts';

/** Statements that only bind a value, and may go when nothing uses it. */
const PURE = new Set([
  'let',
  'readRegister',
  'readVector',
  'readField',
  'operandAddress',
  'operandSegment',
  'segmentAddress',
  'condition',
  'statusFlags',
]);

function forEachValue(statement: Statement, visit: (node: Node) => void): void {
  switch (statement.kind) {
    case 'let':
    case 'assign':
    case 'writeRegister':
    case 'writeVector':
    case 'writeField':
      visit(statement.value);
      break;
    case 'segmentAddress':
      visit(statement.offset);
      visit(statement.bytes);
      break;
    case 'load':
    case 'invalidatePage':
      visit(statement.address);
      break;
    case 'store':
      visit(statement.address);
      visit(statement.value);
      break;
    case 'setFlags':
      visit(statement.flagKind);
      visit(statement.a);
      visit(statement.b);
      break;
    case 'if':
    case 'loop':
      visit(statement.condition);
      break;
    case 'branch':
      if (statement.condition) visit(statement.condition);
      break;
    case 'jump':
      visit(statement.target);
      break;
    case 'bulk':
      visit(statement.destination);
      visit(statement.count);
      if (statement.source) visit(statement.source);
      if (statement.value) visit(statement.value);
      break;
  }
}

function markLocals(node: Node, used: Set<number>): void {
  if (node.kind === 'local') used.add(node.id);
  else if (node.kind === 'operation') for (const operand of node.operands) markLocals(operand, used);
  else if (node.kind === 'select') {
    markLocals(node.condition, used);
    markLocals(node.whenTrue, used);
    markLocals(node.whenFalse, used);
  }
}

/** Removes flag writes when they are dead, and bindings that nothing uses. */
export function prune(statements: readonly Statement[], noFlags: boolean, used: Set<number>): Statement[] {
  const kept: Statement[] = [];
  for (let i = statements.length - 1; i >= 0; i--) {
    let statement = statements[i]!;
    if (noFlags && statement.kind === 'setFlags') continue;
    if (statement.kind === 'if') {
      const whenTrue = prune(statement.whenTrue, noFlags, used);
      const whenFalse = prune(statement.whenFalse, noFlags, used);
      if (whenTrue.length + whenFalse.length === 0) continue;
      statement = { ...statement, whenTrue, whenFalse };
    } else if (statement.kind === 'loop') {
      markLocals(statement.condition, used);
      for (const inner of statement.body) forEachValue(inner, (node) => markLocals(node, used));
      statement = { ...statement, body: prune(statement.body, noFlags, used) };
    }
    if (PURE.has(statement.kind) && 'local' in statement && !used.has(statement.local.id)) continue;
    forEachValue(statement, (node) => markLocals(node, used));
    kept.push(statement);
  }
  return kept.reverse();
}

/** Variables: what is known of their first value does not hold for the later ones. */
export function collectAssigned(statements: readonly Statement[], assigned: Set<number>): void {
  for (const statement of statements) {
    if (statement.kind === 'assign') assigned.add(statement.local.id);
    if (statement.kind === 'loop') collectAssigned(statement.body, assigned);
    if (statement.kind === 'if') {
      collectAssigned(statement.whenTrue, assigned);
      collectAssigned(statement.whenFalse, assigned);
    }
  }
}
