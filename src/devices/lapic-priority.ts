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
  /** What follows from the state and is asked for far more often than it changes: the highest vectors in IRR and ISR, or -1. */
  #requested = -1;
  #serviced = -1;
  #deliverable = -1;

  get taskPriority(): number {
    return this.#state.taskPriority;
  }

  set taskPriority(value: number) {
    this.#state.taskPriority = value & 0xff;
    this.#update();
  }

  /** PPR (SDM vol. 3A, 12.8.3.1). */
  get processorPriority(): number {
    const { taskPriority } = this.#state;
    const serviced = this.#servicedClass();
    return (taskPriority & 0xf0) >= serviced ? taskPriority : serviced;
  }

  /** APR, defined for the processors before xAPIC only; guests may still look. */
  get arbitrationPriority(): number {
    const { taskPriority } = this.#state;
    const serviced = this.#servicedClass();
    const requested = Math.max(this.#requested, 0) & 0xf0;
    const task = taskPriority & 0xf0;
    return task >= requested && task > serviced ? taskPriority : Math.max(task, serviced, requested);
  }

  /** The vector that the processor would get now, or -1. */
  get deliverable(): number {
    return this.#deliverable;
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
    this.#requested = Math.max(this.#requested, vector);
    this.#update();
  }

  /** Moves a deliverable vector from IRR to ISR. */
  take(vector: number): void {
    setVector(this.#state.requests, vector, false);
    setVector(this.#state.inService, vector, true);
    this.#requested = highestVector(this.#state.requests, this.#requested);
    this.#serviced = Math.max(this.#serviced, vector);
    this.#update();
  }

  /** @returns the vector that ended when it was level-triggered, for the I/O APIC; else undefined */
  endOfInterrupt(): number | undefined {
    const vector = this.#serviced;
    if (vector < 0) return undefined;
    setVector(this.#state.inService, vector, false);
    this.#serviced = highestVector(this.#state.inService, vector);
    this.#update();
    return hasVector(this.#state.triggerMode, vector) ? vector : undefined;
  }

  reset(): void {
    this.restore(powerOnState());
  }

  save(): LapicPriorityState {
    return structuredClone(this.#state);
  }

  restore(state: LapicPriorityState): void {
    this.#state = structuredClone(state);
    this.#requested = highestVector(this.#state.requests);
    this.#serviced = highestVector(this.#state.inService);
    this.#update();
  }

  #servicedClass(): number {
    return Math.max(this.#serviced, 0) & 0xf0;
  }

  #update(): void {
    this.#deliverable = this.#requested >> 4 > this.processorPriority >> 4 ? this.#requested : -1;
  }
}
