/**
 * One playhead that a player, a transcript and a table of segments share: whoever draws can seek or play a piece,
 * and follows the time without redrawing its parents. Seconds.
 */
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';

export type Playback = {
  /** Puts the element under this playhead; undone by the returned function. */
  attach(element: HTMLMediaElement): () => void;
  attached(): boolean;
  time(): number;
  playing(): boolean;
  duration(): number | null;
  seek(seconds: number): void;
  play(): void;
  pause(): void;
  toggle(): void;
  /** Plays [start, end] and stops there. */
  playPiece(start: number, end: number): void;
  /** The end of the piece being played, if one is. */
  piece(): { start: number; end: number } | null;
  /** Called on every change of time or state. */
  subscribe(listener: () => void): () => void;
};

export function createPlayback(): Playback {
  let element: HTMLMediaElement | null = null;
  let piece: { start: number; end: number } | null = null;
  let frame = 0;
  /** Asked for before there was an element. */
  let wantedTime = 0;
  const listeners = new Set<() => void>();
  const tell = () => {
    for (const listener of listeners) listener();
  };
  const follow = () => {
    cancelAnimationFrame(frame);
    if (!element || element.paused) return;
    frame = requestAnimationFrame(() => {
      if (piece && element && element.currentTime >= piece.end) {
        element.pause();
        element.currentTime = piece.end;
        piece = null;
      }
      tell();
      follow();
    });
  };
  const start = () => {
    // Refused where the browser wants a gesture first: the play button stays as it is.
    element?.play().catch(() => {});
  };
  return {
    attach(next) {
      element = next;
      if (wantedTime > 0) next.currentTime = wantedTime;
      const changed = () => {
        follow();
        tell();
      };
      const events = ['play', 'pause', 'seeked', 'seeking', 'timeupdate', 'loadedmetadata', 'ended', 'volumechange'];
      for (const event of events) next.addEventListener(event, changed);
      tell();
      return () => {
        for (const event of events) next.removeEventListener(event, changed);
        cancelAnimationFrame(frame);
        if (element === next) element = null;
        tell();
      };
    },
    attached: () => element !== null,
    time: () => element?.currentTime ?? wantedTime,
    playing: () => element !== null && !element.paused && !element.ended,
    duration: () => (element && Number.isFinite(element.duration) ? element.duration : null),
    seek(seconds) {
      piece = null;
      wantedTime = Math.max(0, seconds);
      if (element) element.currentTime = wantedTime;
      tell();
    },
    play() {
      piece = null;
      start();
    },
    pause: () => element?.pause(),
    toggle() {
      if (!element) return;
      if (element.paused) start();
      else element.pause();
    },
    playPiece(from, end) {
      if (!element) return;
      element.currentTime = from;
      piece = { start: from, end };
      start();
      tell();
    },
    piece: () => piece,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** A playhead that lives as long as the component; `given` takes its place where a parent has one already. */
export function usePlayback(given?: Playback): Playback {
  const [own] = useState(createPlayback);
  return given ?? own;
}

/** Something worked out from the playhead; redraws only when it changes. */
export function usePlayhead<T>(playback: Playback, read: (playback: Playback) => T): T {
  const reader = useRef(read);
  reader.current = read;
  return useSyncExternalStore(playback.subscribe, () => reader.current(playback));
}

/** Ties a media element to a playhead. */
export function useAttach(playback: Playback, element: HTMLMediaElement | null): void {
  useEffect(() => (element ? playback.attach(element) : undefined), [playback, element]);
}
