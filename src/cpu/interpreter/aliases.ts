/** Forms that mean the same with other registers or another spelling share one handler: which, and what to change in the record. */
import { FORMS, type Form } from '../decode/forms.ts';

export const ALIAS = {
  /** The accumulator is named by ModRM.rm, or by ModRM.reg. */
  accumulatorAsRm: 1,
  accumulatorAsReg: 2,
  /** ModRM.reg and ModRM.rm change places. */
  swap: 4,
  /** The immediate is 1. */
  immediateOne: 8,
} as const;

const byName = new Map<string, Form>();
for (const form of FORMS) if (!byName.has(form.name)) byName.set(form.name, form);

interface Alias {
  readonly form: number;
  readonly changes: number;
}

function aliasOf(form: Form, memory: boolean): Alias {
  const texts = form.operands.map(({ text }) => text);
  let changes = 0;
  const immediate = texts.length > 1 && /^s?I/.test(texts.at(-1)!);
  const moffs = texts.some((text) => text.startsWith('O'));
  const renamed = texts.map((text) => {
    if (/^(AL|rAX)$/.test(text) && (immediate || moffs)) {
      changes |= immediate ? ALIAS.accumulatorAsRm : ALIAS.accumulatorAsReg;
      return (immediate ? 'E' : 'G') + (text === 'AL' ? 'b' : 'v');
    }
    if (text === 'sIb' || (text === 'Iv' && texts[0] === 'Zv')) return 'Iz';
    if (text === '1') {
      changes |= ALIAS.immediateOne;
      return 'Ib';
    }
    return text.replace(/^[ZO]/, 'E');
  });
  if (!memory && renamed.length === 2 && renamed[0]!.startsWith('G') && renamed[1]!.startsWith('E')) {
    const swapped = byName.get([form.mnemonic, renamed[1], renamed[0]].join('_'));
    if (swapped) return { form: swapped.index, changes: changes | ALIAS.swap };
  }
  const name = form.mnemonic === 'NOP' ? 'NOP' : [form.mnemonic, ...renamed].join('_');
  const canonical = byName.get(name);
  return canonical ? { form: canonical.index, changes } : { form: form.index, changes: 0 };
}

/** Index 2 * form + (memory ? 1 : 0). */
export const CANONICAL_FORM = new Int32Array(FORMS.length * 2);
export const ALIAS_CHANGES = new Uint8Array(FORMS.length * 2);
for (const form of FORMS) {
  for (const memory of [0, 1]) {
    const alias = aliasOf(form, memory === 1);
    CANONICAL_FORM[form.index * 2 + memory] = alias.form;
    ALIAS_CHANGES[form.index * 2 + memory] = alias.changes;
  }
}
