/**
 * Draws one picture from a tree of plain elements: satori lays it out, resvg draws it. Runs in a child of its own
 * without network or disk; fonts and pictures arrive with the request. render.ts has checked both.
 */
import { Socket } from 'node:net';
import satori from 'satori';
import { receive, send } from '../media/wire.ts';

type Request = {
  root: unknown;
  width: number;
  height: number;
  /** Fonts lie one behind the other in the bytes. */
  fonts: { name: string; length: number }[];
};
type Resvg = new (svg: string, optionsJson: string) => { render(): { asPng(): Buffer } };

const socket = new Socket({ fd: 3, readable: true, writable: true });

/** The native part alone: the package's own loader would look for it on disk. */
function loadResvg(): Resvg {
  const addon = { exports: {} as { Resvg: Resvg } };
  process.dlopen(addon as unknown as NodeJS.Module, process.argv[2]!);
  return addon.exports.Resvg;
}

let Drawing: Resvg | undefined;
let work: Promise<void> = Promise.resolve();
receive(
  socket,
  ({ header, bytes }) => {
    work = work.then(async () => {
      try {
        const request = header as Request;
        let at = 0;
        const fonts = request.fonts.map(({ name, length }) => {
          const data = Uint8Array.from(bytes.subarray(at, at + length)).buffer;
          at += length;
          return { name, data, weight: 400 as const, style: 'normal' as const };
        });
        const svg = await satori(request.root as Parameters<typeof satori>[0], {
          width: request.width,
          height: request.height,
          fonts,
          // what no font has was refused before; nothing is ever loaded
          loadAdditionalAsset: async () => [],
        });
        Drawing ??= loadResvg();
        const drawing = new Drawing(
          svg,
          JSON.stringify({ font: { loadSystemFonts: false }, imageRendering: 0, shapeRendering: 2, textRendering: 1 }),
        );
        send(socket, {}, drawing.render().asPng());
      } catch (error) {
        send(socket, {
          error: {
            code: 'RENDER_FAILED',
            message: `The picture could not be drawn: ${(error as Error).message}`.slice(0, 500),
          },
        });
      }
    });
  },
  () => process.exit(1),
);
