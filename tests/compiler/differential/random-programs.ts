import fc from 'fast-check';

/**
 * Programs of the dialect, random but within its rules: every computed value goes through a constructor, divisors and
 * shift counts are whatever they come out as, loops are bounded.
 */
interface Width {
  readonly name: string;
  readonly big: boolean;
}

const WIDTHS: readonly Width[] = [
  { name: 'u8', big: false },
  { name: 'u16', big: false },
  { name: 'u32', big: false },
  { name: 'i8', big: false },
  { name: 'i16', big: false },
  { name: 'i32', big: false },
  { name: 'u64', big: true },
  { name: 'i64', big: true },
];

const NUMBERS = [
  0, 1, 2, 3, 7, 8, 15, 31, 32, 63, 100, 127, 128, 255, 256, 1000, 32767, 65535, 65536, 2147483647, 4294967295,
];

/** Deterministic choices drawn from one list of numbers, which fast-check shrinks. */
class Choices {
  readonly #numbers: readonly number[];
  #next = 0;

  constructor(numbers: readonly number[]) {
    this.#numbers = numbers;
  }

  below(limit: number): number {
    const value = this.#numbers[this.#next++ % this.#numbers.length] ?? 0;
    return (value + (this.#next >> 6)) % limit;
  }

  of<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

interface Variable {
  readonly name: string;
  readonly width: Width;
  readonly mutable: boolean;
}

class Writer {
  readonly #choices: Choices;
  readonly #variables: Variable[];
  #names = 0;
  #budget = 40;

  constructor(choices: Choices, parameters: readonly Variable[]) {
    this.#choices = choices;
    this.#variables = [...parameters];
  }

  #literal(width: Width): string {
    const value = this.#choices.of(NUMBERS);
    return width.big ? `${value}n` : String(value);
  }

  /** A value of exactly this width. */
  typed(width: Width, depth: number): string {
    const same = this.#variables.filter((variable) => variable.width.name === width.name);
    if (depth <= 0 || this.#budget-- <= 0) {
      return same.length > 0 ? this.#choices.of(same).name : `${width.name}(${this.#literal(width)})`;
    }
    if (same.length > 0 && this.#choices.below(4) === 0) return this.#choices.of(same).name;
    const from = this.#choices.below(3) === 0 ? this.#choices.of(WIDTHS) : width;
    return `${width.name}(${this.#computed(from, depth - 1)})`;
  }

  /** An expression that only a constructor may take. */
  #computed(width: Width, depth: number): string {
    const operand = (): string => this.typed(this.#sibling(width), depth);
    const kind = this.#choices.below(width.big ? 9 : 10);
    switch (kind) {
      case 0:
        return `${operand()} + ${operand()} - ${this.#literal(width)}`;
      case 1:
        return width.big
          ? `${operand()} * ${operand()} + ${operand()}`
          : `${this.typed(WIDTHS[1]!, depth)} * ${operand()}`;
      case 2:
        return `(${operand()} & ${operand()}) | (${operand()} ^ ${this.#literal(width)})`;
      case 3:
        return `~${operand()}`;
      case 4:
        return width.big ? `${operand()} << (${operand()} & 63n)` : `${operand()} << ${operand()}`;
      case 5:
        return width.big ? `${operand()} >> (${operand()} & 63n)` : `${operand()} >> ${operand()}`;
      case 6:
        return `${this.typed(width, depth)} / ${this.typed(width, depth)}`;
      case 7:
        return `${this.typed(width, depth)} % ${this.typed(width, depth)}`;
      case 8:
        return `${this.condition(depth)} ? ${this.typed(width, depth)} : ${this.typed(width, depth)}`;
      default:
        return `${operand()} >>> ${operand()}`;
    }
  }

  /** Another width of the same JavaScript type. */
  #sibling(width: Width): Width {
    return this.#choices.of(WIDTHS.filter(({ big }) => big === width.big));
  }

  condition(depth: number): string {
    const width = this.#choices.of(WIDTHS);
    const sign = this.#choices.of(['<', '<=', '>', '>=', '===', '!==']);
    const comparison = `${this.typed(width, depth - 1)} ${sign} ${this.typed(width, depth - 1)}`;
    switch (this.#choices.below(4)) {
      case 0:
        return `${comparison} && ${this.typed(width, 0)} !== ${this.#literal(width)}`;
      case 1:
        return `!(${comparison}) || ${this.typed(width, 0)} > ${this.#literal(width)}`;
      default:
        return comparison;
    }
  }

  statements(count: number, depth: number): string {
    const scope = this.#variables.length;
    let text = '';
    for (let index = 0; index < count; index++) text += this.#statement(depth);
    this.#variables.length = scope;
    return text;
  }

  #statement(depth: number): string {
    const mutable = this.#variables.filter((variable) => variable.mutable);
    const kind = depth <= 0 ? this.#choices.below(3) : this.#choices.below(11);
    if (kind <= 1 || (kind === 2 && mutable.length === 0)) return this.#declaration(depth);
    if (kind === 2 || kind === 6) {
      const target = mutable.length > 0 ? this.#choices.of(mutable) : undefined;
      return target === undefined ? '' : `${target.name} = ${this.typed(target.width, 2)};\n`;
    }
    if (kind === 3) {
      return `if (${this.condition(2)}) {\n${this.statements(2, depth - 1)}} else {\n${this.statements(1, depth - 1)}}\n`;
    }
    if (kind === 4) {
      const index = `index${this.#names++}`;
      this.#variables.push({ name: index, width: WIDTHS[2]!, mutable: false });
      const body = this.statements(2, depth - 1);
      this.#variables.pop();
      const leave =
        this.#choices.below(3) === 0 ? `if (${this.condition(1)}) ${this.#choices.of(['break', 'continue'])};\n` : '';
      return `for (let ${index}: u32 = 0; ${index} < ${1 + this.#choices.below(6)}; ${index}++) {\n${leave}${body}}\n`;
    }
    if (kind === 5) return this.#switch(depth);
    return this.#ranged(kind, depth, mutable);
  }

  /** Statements whose checks the compiler may drop: it must be right about the ranges. */
  #ranged(kind: number, depth: number, mutable: readonly Variable[]): string {
    const word = WIDTHS[2]!;
    if (kind === 7) return `data[${this.typed(word, 1)} & ${this.#choices.of([3, 7, 15])}] = ${this.typed(word, 2)};\n`;
    if (kind === 8) {
      const name = `v${this.#names++}`;
      const index = this.typed(word, 1);
      const limit = this.#choices.of([1, 5, 16, 17, 20]);
      const guarded = `if (${name} < ${limit}) {\ndata[${name}] = u32(data[${name}]! + ${this.#choices.below(9)});\n}\n`;
      return `const ${name}: u32 = ${index};\n${guarded}`;
    }
    const narrow = mutable.filter(({ width }) => !width.big);
    const target = narrow.length > 0 ? this.#choices.of(narrow) : undefined;
    if (target === undefined) return this.#declaration(depth);
    const limit = this.#choices.of([1, 50, 100, 127]);
    if (kind === 9)
      return `if (${target.name} < ${limit}) ${target.name}++;\nelse if (${target.name} > ${limit}) ${target.name}--;\n`;
    const counter = `count${this.#names++}`;
    const step = `${counter} += ${1 + this.#choices.below(3)};\n${this.statements(1, depth - 1)}`;
    return `let ${counter}: u32 = ${this.#choices.below(20)};\nwhile (${counter} < 16) {\ndata[${counter}] = ${this.typed(word, 1)};\n${step}}\n`;
  }

  #declaration(depth: number): string {
    const width = this.#choices.of(WIDTHS);
    const name = `v${this.#names++}`;
    const text = `let ${name}: ${width.name} = ${this.typed(width, Math.max(1, depth + 1))};\n`;
    this.#variables.push({ name, width, mutable: true });
    return text;
  }

  #switch(depth: number): string {
    const value = `u32(${this.typed(WIDTHS[2]!, 1)} & 7)`;
    const cases = [0, 1, 3, 6].map((label) => `case ${label}: {\n${this.statements(1, depth - 1)}break;\n}\n`);
    return `switch (${value}) {\n${cases.join('')}default: {\n${this.statements(1, depth - 1)}}\n}\n`;
  }
}

export interface RandomProgram {
  readonly text: string;
  readonly names: readonly string[];
}

export const PARAMETERS: readonly Variable[] = ['u32', 'i32', 'u8', 'u64', 'i64', 'i16'].map((name, index) => ({
  name: `p${index}`,
  width: WIDTHS.find((width) => width.name === name)!,
  mutable: false,
}));

function functionText(name: string, numbers: readonly number[]): string {
  const choices = new Choices(numbers);
  const result = choices.of(WIDTHS);
  const writer = new Writer(choices, PARAMETERS);
  const list = PARAMETERS.map((parameter) => `${parameter.name}: ${parameter.width.name}`).join(', ');
  const body = writer.statements(3, 2);
  const kept = `let kept: ${result.name} = ${writer.typed(result, 2)};\n`;
  const last = `kept = ${result.name}(kept ${result.big ? '+ 1n' : '+ 1'});\n`;
  return `export function ${name}(${list}): ${result.name} {\n${kept}${body}${last}const mixed = u32(data[3]! + data[15]!);\nreturn ${result.name}(kept ^ ${result.big ? 'u64(mixed)' : 'mixed'} ^ ${writer.typed(result, 3)});\n}\n`;
}

const FUNCTIONS = 8;

/** Several functions of the parameters above. */
export const randomPrograms: fc.Arbitrary<RandomProgram> = fc
  .array(fc.array(fc.nat({ max: 10_000 }), { minLength: 30, maxLength: 120 }), { minLength: 1, maxLength: FUNCTIONS })
  .map((lists) => {
    const names = lists.map((_, index) => `f${index}`);
    const text = lists.map((numbers, index) => functionText(names[index]!, numbers)).join('\n');
    return { names, text: `const data = array(u32, 16);\n${text}` };
  });

const edge = (values: readonly number[], low: number, high: number) =>
  fc.oneof(fc.constantFrom(...values), fc.integer({ min: low, max: high }));
const wideEdge = (values: readonly bigint[], low: bigint, high: bigint) =>
  fc.oneof(fc.constantFrom(...values), fc.bigInt({ min: low, max: high }));

/** Arguments for the parameters above: edges as often as anything. */
export const randomArguments = fc.tuple(
  edge([0, 1, 31, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff], 0, 0xffff_ffff),
  edge([0, 1, -1, -2147483648, 2147483647], -2147483648, 2147483647),
  edge([0, 1, 127, 128, 255], 0, 255),
  wideEdge([0n, 1n, 1n << 63n, (1n << 64n) - 1n], 0n, (1n << 64n) - 1n),
  wideEdge([0n, 1n, -1n, -(1n << 63n), (1n << 63n) - 1n], -(1n << 63n), (1n << 63n) - 1n),
  edge([0, -1, -32768, 32767], -32768, 32767),
);
