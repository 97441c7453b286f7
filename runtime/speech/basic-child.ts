/** Runs the basic diarizer in a child of its own (engine.ts): samples in pieces, then `end` with the speech. */
import { Socket } from 'node:net';
import type { Turn } from '../../nodes/contract.ts';
import { receive, send } from '../capabilities/media/wire.ts';
import { diarizeBasic } from './basic.ts';

const socket = new Socket({ fd: 3, readable: true, writable: true });
const pieces: Float32Array[] = [];

receive(
  socket,
  ({ header, bytes }) => {
    try {
      const request = header as { samples: true } | { end: { speech: Turn[]; speakers?: number } };
      if ('samples' in request) {
        pieces.push(new Float32Array(Uint8Array.from(bytes).buffer));
        send(socket, {});
        return;
      }
      const all = new Float32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
      let at = 0;
      for (const piece of pieces.splice(0)) {
        all.set(piece, at);
        at += piece.length;
      }
      const { speech, speakers } = request.end;
      send(socket, { turns: diarizeBasic(all, speech, speakers ? { speakers } : {}) });
    } catch (error) {
      send(socket, { error: { code: 'ENGINE_FAILED', message: `Diarizing failed: ${(error as Error).message}` } });
    }
  },
  () => process.exit(1),
);
