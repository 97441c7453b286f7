/** One upload: name, how far, how fast, how long still, and what can be done about it. */
import './uploads.css';
import { Button, IconButton } from '../ui/button.tsx';
import { ErrorCard } from '../ui/error-card.tsx';
import { bytes, duration } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Bar } from '../ui/progress.tsx';
import { cancelUpload, dismissUpload, pauseUpload, resumeUpload, sentOf, type UploadView } from './uploads.ts';

function sentence(upload: UploadView): string {
  const { state, sent, rate, secondsLeft, note } = upload;
  const facts = [sentOf(sent, upload.bytes)];
  if (state === 'queued') return 'Waits for another upload.';
  if (state === 'checking') return note ?? 'Compares the checksum.';
  if (state === 'done') return bytes(upload.bytes);
  if (state === 'paused') return `Paused at ${facts[0]}`;
  if (state === 'waiting') return note ?? 'Waits for the server.';
  if (rate !== null) facts.push(`${bytes(Math.round(rate))}/s`);
  if (secondsLeft !== null) facts.push(`${duration(Math.max(1, secondsLeft))} left`);
  return facts.join(' · ');
}

const KIND = { video: 'file-video', audio: 'file-audio', text: 'file-text' };

export function UploadCard({ upload, onPlay }: { upload: UploadView; onPlay?: () => void }) {
  const { id, name, state, sent } = upload;
  return (
    <div className="upcard">
      <div className="line">
        <Icon name={state === 'done' ? 'check' : KIND[upload.kind]} size={14} className="text-muted mr-1" />
        <b className="cut grow font-[550]" title={name}>
          {name}
        </b>
        {onPlay && upload.kind !== 'text' && state !== 'failed' && (
          <IconButton icon="play" size="xs" label={`Play ${name}`} onClick={onPlay} />
        )}
        {(state === 'uploading' || state === 'queued') && (
          <IconButton icon="pause" size="xs" label={`Pause ${name}`} onClick={() => pauseUpload(id)} />
        )}
        {(state === 'paused' || state === 'waiting') && (
          <IconButton
            icon={state === 'paused' ? 'play' : 'rotate-ccw'}
            size="xs"
            label={state === 'paused' ? `Go on with ${name}` : 'Try now'}
            onClick={() => resumeUpload(id)}
          />
        )}
        {state === 'done' ? (
          <IconButton icon="x" size="xs" label="Take off the list" onClick={() => dismissUpload(id)} />
        ) : (
          <IconButton icon="x" size="xs" label={`Cancel ${name}`} onClick={() => cancelUpload(id)} />
        )}
      </div>
      {state === 'failed' && upload.problem ? (
        <ErrorCard
          problem={upload.problem}
          actions={
            <Button size="xs" icon="rotate-ccw" onClick={() => resumeUpload(id)}>
              Try again
            </Button>
          }
        />
      ) : (
        <>
          {state !== 'done' && (
            <Bar value={upload.bytes > 0 ? sent / upload.bytes : 0} label={`Upload of ${name}`} of={id} />
          )}
          <p className="t-12 muted">
            {sentence(upload)}
            {upload.sidecars.length > 0 && `, with ${upload.sidecars.join(' and ')}`}
            {state === 'uploading' && upload.note && sent === 0 ? ` ${upload.note}` : ''}
          </p>
        </>
      )}
    </div>
  );
}
