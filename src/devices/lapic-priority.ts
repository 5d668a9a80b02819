import type { Stateful } from './device.ts';
import { emptyVectorRegister, hasVector, highestVector, setVector, type VectorRegister } from './lapic-vectors.ts';

export interface LapicPriorityState {
  taskPriority: number;
  inService: VectorRegister;
  triggerMode: VectorRegister;
  requests: VectorRegister;
}

function powerOnState(): LapicPriorityState {
  return {
    taskPriority: 0,
    inService: emptyVectorRegister(),
    triggerMode: emptyVectorRegister(),
    requests: emptyVectorRegister(),
  };
}

/** Which vector comes next: IRR, ISR, TMR, TPR and what follows from them (SDM vol. 3A, 12.8.3 and 12.8.4). */
export class LapicPriority implements Stateful<LapicPriorityState> {
  #state = powerOnState();

  get taskPriority(): number {
    return this.#state.taskPriority;
  }

  set taskPriority(value: number) {
    this.#state.taskPriority = value & 0xff;
  }

  /** PPR (SDM vol. 3A, 12.8.3.1). */
  get processorPriority(): number {
    const { taskPriority } = this.#state;
    const serviced = this.#servicedClass;
    return (taskPriority & 0xf0) >= serviced ? taskPriority : serviced;
  }

  /** APR, defined for the processors before xAPIC only; guests may still look. */
  get arbitrationPriority(): number {
    const { taskPriority, requests } = this.#state;
    const serviced = this.#servicedClass;
    const requested = Math.max(highestVector(requests), 0) & 0xf0;
    const task = taskPriority & 0xf0;
    return task >= requested && task > serviced ? taskPriority : Math.max(task, serviced, requested);
  }

  /** The vector that the processor would get now, or -1. */
  get deliverable(): number {
    const vector = highestVector(this.#state.requests);
    return vector >> 4 > this.processorPriority >> 4 ? vector : -1;
  }

  /** @param word 0 to 7: vectors 32 * word to 32 * word + 31 */
  inServiceWord(word: number): number {
    return this.#state.inService[word]!;
  }

  triggerModeWord(word: number): number {
    return this.#state.triggerMode[word]!;
  }

  requestWord(word: number): number {
    return this.#state.requests[word]!;
  }

  request(vector: number, levelTriggered: boolean): void {
    setVector(this.#state.requests, vector, true);
    setVector(this.#state.triggerMode, vector, levelTriggered);
  }

  /** Moves a deliverable vector from IRR to ISR. */
  take(vector: number): void {
    setVector(this.#state.requests, vector, false);
    setVector(this.#state.inService, vector, true);
  }

  /** @returns the vector that ended when it was level-triggered, for the I/O APIC; else undefined */
  endOfInterrupt(): number | undefined {
    const vector = highestVector(this.#state.inService);
    if (vector < 0) return undefined;
    setVector(this.#state.inService, vector, false);
    return hasVector(this.#state.triggerMode, vector) ? vector : undefined;
  }

  reset(): void {
    this.#state = powerOnState();
  }

  save(): LapicPriorityState {
    return structuredClone(this.#state);
  }

  restore(state: LapicPriorityState): void {
    this.#state = structuredClone(state);
  }

  get #servicedClass(): number {
    return Math.max(highestVector(this.#state.inService), 0) & 0xf0;
  }
}
