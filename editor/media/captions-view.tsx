/** Captions as people will read them, with their times and the two files. A click on a time seeks. */
import './media.css';
import type { Captions } from '../../nodes/contract.ts';
import { Button } from '../ui/button.tsx';
import { plural } from '../ui/format.ts';
import { type Playback, usePlayhead } from './playback.ts';
import { saveText } from './save-text.ts';
import { tenths } from './time.ts';
import { Windowed } from './windowed.tsx';

type CaptionsViewProps = { value: Captions; playback?: Playback; name?: string };

export function CaptionsView({ value, playback, name = 'captions' }: CaptionsViewProps) {
  return (
    <section className="grid gap-2" aria-label="Captions">
      <div className="row flex-wrap">
        <span className="t-12 muted grow">
          {plural(value.cues.length, 'caption')}, {value.language}
        </span>
        <Button size="xs" icon="download" onClick={() => saveText(`${name}.srt`, value.srt, 'application/x-subrip')}>
          SRT
        </Button>
        <Button size="xs" icon="download" onClick={() => saveText(`${name}.vtt`, value.vtt, 'text/vtt')}>
          WebVTT
        </Button>
      </div>
      {value.cues.length === 0 ? (
        <p className="muted">No captions: nobody speaks here.</p>
      ) : (
        <ol className="cues nowheel">
          <Windowed count={value.cues.length} block={40} estimate={48}>
            {(index) => {
              const cue = value.cues[index];
              return cue ? <Cue key={index} cue={cue} playback={playback} /> : null;
            }}
          </Windowed>
        </ol>
      )}
    </section>
  );
}

const NOWHERE: Playback['subscribe'] = () => () => {};

function Cue({ cue, playback }: { cue: Captions['cues'][number]; playback: Playback | undefined }) {
  const now = usePlayhead(playback ?? ({ subscribe: NOWHERE } as Playback), (head) =>
    playback ? head.time() >= cue.start && head.time() < cue.end : false,
  );
  const time = `${tenths(cue.start)} – ${tenths(cue.end)}`;
  return (
    <li className={now ? 'now' : ''}>
      {playback ? (
        <button type="button" onClick={() => playback.seek(cue.start)}>
          {time}
        </button>
      ) : (
        <span className="faint t-12 leading-5">{time}</span>
      )}
      <p>{cue.lines.join('\n')}</p>
    </li>
  );
}
