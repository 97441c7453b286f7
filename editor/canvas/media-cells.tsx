/** One recording, sound or picture in a card. Videos load only their facts and play muted after 300 ms under the pointer. */
import { useEffect, useRef, useState } from 'react';
import { mediaAddress } from '../media/address.ts';
import { usePeaks } from '../media/peaks.ts';
import { timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import type { Item } from './preview-item.ts';

const WAVE_BARS = 44;

/** A still that becomes a moving picture under the pointer; a click plays it with sound. */
export function VideoCell({ workspaceId, item, controls }: { workspaceId: string; item: Item; controls: boolean }) {
  const video = useRef<HTMLVideoElement>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const [playing, setPlaying] = useState(false);
  const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
  const rest = () => {
    clearTimeout(timer.current);
    const element = video.current;
    if (!element?.muted) return;
    element.pause();
    element.currentTime = Math.min(0.5, element.duration || 0.5);
  };
  useEffect(() => () => clearTimeout(timer.current), []);
  if (!item.asset) return null;
  return (
    <>
      <video
        ref={video}
        src={`${mediaAddress(workspaceId, item.asset.asset)}#t=0.5`}
        muted={true}
        playsInline={true}
        preload="metadata"
        loop={true}
        aria-label={item.title ?? item.asset.name ?? 'Video'}
        onPointerEnter={() => {
          if (!still()) timer.current = setTimeout(() => void video.current?.play().catch(() => undefined), 300);
        }}
        onPointerLeave={rest}
        onPlay={() => setPlaying(!video.current?.muted)}
        onPause={() => setPlaying(false)}
      />
      {controls && (
        <button
          type="button"
          className="play nodrag"
          aria-label={playing ? 'Pause' : 'Play with sound'}
          onClick={(event) => {
            event.stopPropagation();
            const element = video.current;
            if (!element) return;
            if (playing) {
              element.muted = true;
              element.pause();
              return;
            }
            element.muted = false;
            element.currentTime = 0;
            void element.play().catch(() => undefined);
          }}
        >
          <Icon name={playing ? 'pause' : 'play'} size={12} />
        </button>
      )}
      {controls && item.duration !== null && <span className="pvtag">{timecode(item.duration)}</span>}
    </>
  );
}

function Wave({ peaks, played = 0 }: { peaks: readonly number[]; played?: number }) {
  const count = Math.max(1, peaks.length);
  return (
    <svg className="wave" viewBox={`0 0 ${count * 4} 72`} preserveAspectRatio="none" aria-hidden="true">
      {peaks.map((peak, index) => {
        const height = Math.max(2, Math.min(1, peak) * 64);
        return (
          <rect
            key={`bin-${index.toString()}`}
            className={(index + 0.5) / count < played ? 'past' : undefined}
            x={index * 4 + 1}
            y={36 - height / 2}
            width={2}
            height={height}
            rx={1}
          />
        );
      })}
    </svg>
  );
}

export function AudioCell({ workspaceId, item }: { workspaceId: string; item: Item }) {
  const audio = useRef<HTMLAudioElement>(null);
  const [playing, setPlaying] = useState(false);
  const [played, setPlayed] = useState(0);
  const { data: peaks, isError } = usePeaks(workspaceId, item.asset?.asset ?? null, WAVE_BARS);
  if (!item.asset) return null;
  // No wave was measured of this video: its picture says more than an empty frame.
  if (isError && item.asset.kind === 'video')
    return <VideoCell workspaceId={workspaceId} item={item} controls={true} />;
  return (
    <>
      <div className="wv">{peaks && <Wave peaks={peaks} played={played} />}</div>
      {/* biome-ignore lint/a11y/useMediaCaption: the words are the Transcribe node's work */}
      <audio
        ref={audio}
        src={mediaAddress(workspaceId, item.asset.asset)}
        preload="none"
        onPlay={() => setPlaying(true)}
        onPause={() => setPlaying(false)}
        onTimeUpdate={(event) => setPlayed(event.currentTarget.currentTime / (event.currentTarget.duration || 1))}
        onEnded={() => setPlayed(0)}
      />
      <button
        type="button"
        className="play nodrag"
        aria-label={playing ? 'Pause' : 'Play'}
        onClick={(event) => {
          event.stopPropagation();
          if (playing) audio.current?.pause();
          else void audio.current?.play().catch(() => undefined);
        }}
      >
        <Icon name={playing ? 'pause' : 'play'} size={12} />
      </button>
      {item.duration !== null && <span className="pvtag">{timecode(item.duration)}</span>}
    </>
  );
}

export function ImageCell({
  workspaceId,
  items,
  total,
}: {
  workspaceId: string;
  items: readonly Item[];
  total: number;
}) {
  const [index, setIndex] = useState(0);
  const item = items[Math.min(index, items.length - 1)];
  if (!item?.asset) return null;
  const step = (by: number) => setIndex((current) => (current + by + items.length) % items.length);
  return (
    <>
      <img
        src={mediaAddress(workspaceId, item.asset.asset)}
        alt={item.title ?? item.asset.name ?? 'Picture'}
        loading="lazy"
      />
      {items.length > 1 && (
        <>
          <button type="button" className="step back nodrag" aria-label="Previous picture" onClick={() => step(-1)}>
            <Icon name="chevron-left" size={12} />
          </button>
          <button type="button" className="step on nodrag" aria-label="Next picture" onClick={() => step(1)}>
            <Icon name="chevron-right" size={12} />
          </button>
          <span className="pvtag">
            {Math.min(index, items.length - 1) + 1}/{total}
          </span>
        </>
      )}
    </>
  );
}
