/** The seek bar of a player: drag, click, arrow keys (5 s; with Shift 1 s). */
import { type KeyboardEvent, type PointerEvent, useRef } from 'react';
import { timecode } from '../ui/format.ts';
import { type Playback, usePlayhead } from './playback.ts';

/** Turns pointer and keys on an element into seeks; `toTime` maps the share of its width. */
export function useSeeking(playback: Playback, duration: number) {
  const element = useRef<HTMLDivElement>(null);
  const seekTo = (event: PointerEvent<HTMLDivElement>) => {
    const box = element.current?.getBoundingClientRect();
    if (!box || duration <= 0 || box.width === 0) return;
    playback.seek(Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * duration);
  };
  const onPointerDown = (event: PointerEvent<HTMLDivElement>) => {
    if (event.button !== 0) return;
    event.stopPropagation();
    event.currentTarget.setPointerCapture(event.pointerId);
    seekTo(event);
  };
  const onPointerMove = (event: PointerEvent<HTMLDivElement>) => {
    if (event.currentTarget.hasPointerCapture(event.pointerId)) seekTo(event);
  };
  const onKeyDown = (event: KeyboardEvent<HTMLDivElement>) => {
    const step = event.shiftKey ? 1 : 5;
    const time = playback.time();
    const next =
      event.key === 'ArrowLeft' || event.key === 'ArrowDown'
        ? time - step
        : event.key === 'ArrowRight' || event.key === 'ArrowUp'
          ? time + step
          : event.key === 'Home'
            ? 0
            : event.key === 'End'
              ? duration
              : null;
    if (next === null) return;
    event.preventDefault();
    event.stopPropagation();
    playback.seek(Math.min(duration, Math.max(0, next)));
  };
  return { ref: element, onPointerDown, onPointerMove, onKeyDown };
}

export function sliderFacts(seconds: number, duration: number) {
  return {
    role: 'slider',
    tabIndex: 0,
    'aria-label': 'Position',
    'aria-valuemin': 0,
    'aria-valuemax': Math.round(duration),
    'aria-valuenow': Math.round(seconds),
    'aria-valuetext': `${timecode(seconds)} of ${timecode(duration)}`,
  } as const;
}

export function SeekBar({ playback, duration }: { playback: Playback; duration: number }) {
  // Tenths are finer than a pixel on most bars, and save redraws.
  const seconds = usePlayhead(playback, (head) => Math.round(head.time() * 10) / 10);
  const seeking = useSeeking(playback, duration);
  const share = duration > 0 ? Math.min(1, seconds / duration) : 0;
  return (
    <div
      className="seekbar"
      style={{ '--v': `${share * 100}%` } as React.CSSProperties}
      {...sliderFacts(seconds, duration)}
      {...seeking}
    >
      <i />
      <b />
    </div>
  );
}
