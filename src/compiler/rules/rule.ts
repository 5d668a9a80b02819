import type { Rule, RuleClass } from '../frontend/diagnostics.ts';

/** Makes the factory of one rule's diagnostics. */
export function rule<Parameters extends readonly unknown[]>(
  code: string,
  ruleClass: RuleClass,
  text: (...parameters: Parameters) => { rule: string; fix: string; reason: string },
): (...parameters: Parameters) => Rule {
  return (...parameters) => ({ code, class: ruleClass, ...text(...parameters) });
}
