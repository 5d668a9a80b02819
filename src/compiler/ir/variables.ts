import type { Block, Instruction, IrFunction, Scope, Span, Variable } from './module.ts';
import { forEachDefinition } from './shapes.ts';

export type NumberedVariable = Variable & { readonly isParameter: boolean };

/** The parameters and variables of a function; a variable's number is its index: parameters, then scopes in preorder. */
export function variablesOf(fn: IrFunction): NumberedVariable[] {
  const parameters = fn.parameters.map(
    ({ name, type, register }): NumberedVariable => ({
      name,
      type,
      span: fn.span,
      location: { kind: 'register', register },
      isParameter: true,
    }),
  );
  const locals: NumberedVariable[] = [];
  const collect = (scope: Scope): void => {
    for (const variable of scope.variables) locals.push({ ...variable, isParameter: false });
    scope.scopes.forEach(collect);
  };
  collect(fn.scope);
  return [...parameters, ...locals];
}

/** The function with a `bind` behind every write to a register that is a variable. */
export function bindVariables(fn: IrFunction): IrFunction {
  const variables = new Map<number, number[]>();
  const numbered = variablesOf(fn);
  numbered.forEach(({ location }, index) => {
    if (location.kind !== 'register') return;
    variables.set(location.register, [...(variables.get(location.register) ?? []), index]);
  });
  if (variables.size === 0 || fn.convention === 'naked') return fn;
  const bindings = (register: number, span: Span): Instruction[] =>
    (variables.get(register) ?? []).map((variable) => ({ op: 'bind', variable, source: register, span }));
  const blocks = fn.blocks.map((block, index): Block => {
    const first = fn.blocks[0]!.instructions[0]?.span ?? fn.span;
    const start = index === 0 ? fn.parameters.flatMap(({ register }) => bindings(register, first)) : [];
    const instructions = start;
    for (const instruction of block.instructions) {
      instructions.push(instruction);
      forEachDefinition(instruction, (register) => {
        if (variables.has(register)) instructions.push(...bindings(register, instruction.span));
      });
    }
    return { ...block, instructions };
  });
  return { ...fn, blocks };
}
