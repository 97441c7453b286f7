/** The shapes of a run as the screens draw it, taken from what the server's router gives. Types only. */
import type { Outputs } from './api.ts';

export type RunView = Outputs['runs']['get'];
export type NodeView = RunView['nodes'][number];
export type NodeState = NodeView['state'];
export type StepView = Outputs['runs']['steps']['items'][number];
export type OutputView = StepView['outputs'][string];
