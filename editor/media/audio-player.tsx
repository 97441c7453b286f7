/** Sound with its waveform: press play, click or drag in the wave, or use the arrow keys. */
import './media.css';
import { useMemo, useState } from 'react';
import type { Asset } from '../../nodes/contract.ts';
import { timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { mediaAddress } from './address.ts';
import { usePeaks } from './peaks.ts';
import { type Playback, useAttach, usePlayback, usePlayhead } from './playback.ts';
import { sliderFacts, useSeeking } from './seek-bar.tsx';

const BINS = 160;

/** One path per side of the playhead, so that a thousand bars cost two elements. */
function wavePath(peaks: readonly number[], from: number, to: number): string {
  let path = '';
  for (let index = from; index < to; index += 1) {
    const half = Math.max(1.2, (peaks[index] ?? 0) * 19);
    path += `M${index * 4 + 1} ${20 - half}h2v${half * 2}h-2z`;
  }
  return path;
}

export function Waveform({
  peaks,
  playback,
  duration,
  tall,
}: {
  peaks: readonly number[] | null;
  playback: Playback;
  duration: number;
  tall?: boolean;
}) {
  const seconds = usePlayhead(playback, (head) => Math.round(head.time() * 10) / 10);
  const piece = usePlayhead(playback, (head) => head.piece());
  const seeking = useSeeking(playback, duration);
  const bars = peaks ?? EMPTY;
  const played = duration > 0 ? Math.round((seconds / duration) * bars.length) : 0;
  const past = useMemo(() => wavePath(bars, 0, played), [bars, played]);
  const rest = useMemo(() => wavePath(bars, played, bars.length), [bars, played]);
  const width = bars.length * 4;
  return (
    <div className={`wavebox nodrag ${tall ? 'tall' : ''}`} {...sliderFacts(seconds, duration)} {...seeking}>
      <svg viewBox={`0 0 ${width} 40`} preserveAspectRatio="none" aria-hidden="true">
        {piece && duration > 0 && (
          <rect
            className="piece"
            x={(piece.start / duration) * width}
            width={((piece.end - piece.start) / duration) * width}
            y="0"
            height="40"
          />
        )}
        <path className="past" d={past} />
        <path className="rest" d={rest} opacity={peaks ? 1 : 0.35} />
      </svg>
    </div>
  );
}
const EMPTY: number[] = Array.from({ length: BINS }, () => 0);

type AudioPlayerProps = {
  workspaceId: string;
  asset: Pick<Asset, 'asset' | 'name' | 'duration'>;
  source?: string;
  title?: string;
  playback?: Playback;
  className?: string;
  tall?: boolean;
};

export function AudioPlayer({ workspaceId, asset, source, title, className = '', tall, ...rest }: AudioPlayerProps) {
  const playback = usePlayback(rest.playback);
  const [audio, setAudio] = useState<HTMLAudioElement | null>(null);
  const [failed, setFailed] = useState(false);
  useAttach(playback, audio);
  const { data: peaks = null } = usePeaks(workspaceId, source ? null : asset.asset, BINS);
  const playing = usePlayhead(playback, (head) => head.playing());
  const seconds = usePlayhead(playback, (head) => Math.floor(head.time() + 0.001));
  const duration = usePlayhead(playback, (head) => head.duration()) ?? asset.duration ?? 0;
  const name = title ?? asset.name ?? 'Sound';
  return (
    <section className={`sound nodrag nowheel ${className}`} aria-label={name}>
      {/* biome-ignore lint/a11y/useMediaCaption: the words stand in the transcript beside it */}
      <audio
        ref={setAudio}
        src={source ?? mediaAddress(workspaceId, asset.asset)}
        preload="metadata"
        onError={() => setFailed(true)}
      />
      <button
        type="button"
        className="play"
        aria-label={playing ? 'Pause' : `Play ${name}`}
        disabled={failed}
        onClick={() => playback.toggle()}
      >
        <Icon name={playing ? 'pause' : 'play'} />
      </button>
      {failed ? (
        <span className="t-12 muted">This browser cannot play {name}.</span>
      ) : (
        <>
          <Waveform peaks={peaks} playback={playback} duration={duration} {...(tall ? { tall } : {})} />
          <span className="tm">
            {timecode(seconds)} / {timecode(duration)}
          </span>
        </>
      )}
    </section>
  );
}
