/**
 * A video with our own controls: play, seek, captions, sound, full screen. Keys while it has the focus: Space or K
 * plays, arrows move 5 s, J and L 10 s, M mutes, C shows captions, F fills the screen, Home and End jump.
 */
import './media.css';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import type { Asset } from '../../nodes/contract.ts';
import { timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Tip } from '../ui/tooltip.tsx';
import { mediaAddress } from './address.ts';
import { type Playback, useAttach, usePlayback, usePlayhead } from './playback.ts';
import { SeekBar } from './seek-bar.tsx';

type Cue = { start: number; end: number; lines: string[] };

type VideoPlayerProps = {
  workspaceId: string;
  asset: Pick<Asset, 'asset' | 'name' | 'duration' | 'width' | 'height' | 'hasSound'>;
  /** Address of the bytes where they are not in the store yet. */
  source?: string;
  poster?: string;
  captions?: { language: string; cues: readonly Cue[] } | null;
  /** Names the player for those who do not see it. */
  title?: string;
  playback?: Playback;
  className?: string;
  maxHeight?: string;
};

export function VideoPlayer(props: VideoPlayerProps) {
  const { workspaceId, asset, source, poster, captions, title, className = '', maxHeight } = props;
  const playback = usePlayback(props.playback);
  const box = useRef<HTMLElement>(null);
  const [video, setVideo] = useState<HTMLVideoElement | null>(null);
  const [failed, setFailed] = useState(false);
  const [begun, setBegun] = useState(false);
  const [captionsOn, setCaptionsOn] = useState(true);
  useAttach(playback, video);
  useCaptions(video, captions ?? null, captionsOn);
  const playing = usePlayhead(playback, (head) => head.playing());
  const muted = usePlayhead(playback, () => video?.muted ?? false);
  const duration = usePlayhead(playback, (head) => head.duration()) ?? asset.duration ?? 0;
  const silent = asset.hasSound === false;
  const name = title ?? asset.name ?? 'Video';

  const toggleMuted = () => {
    if (video) video.muted = !video.muted;
  };
  const toggleFullScreen = () => {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void box.current?.requestFullscreen?.().catch(() => {});
  };
  const onKeyDown = (event: KeyboardEvent<HTMLElement>) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !video) return;
    const onButton = event.target instanceof HTMLButtonElement;
    const acts: Record<string, () => void> = {
      ...(onButton ? {} : { ' ': () => playback.toggle() }),
      k: () => playback.toggle(),
      ArrowLeft: () => playback.seek(playback.time() - 5),
      ArrowRight: () => playback.seek(Math.min(duration, playback.time() + 5)),
      j: () => playback.seek(playback.time() - 10),
      l: () => playback.seek(Math.min(duration, playback.time() + 10)),
      Home: () => playback.seek(0),
      End: () => playback.seek(duration),
      m: toggleMuted,
      c: () => setCaptionsOn((on) => !on),
      f: toggleFullScreen,
    };
    const act = acts[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  };

  if (failed)
    return (
      <div className={`player items-center justify-center text-white p-6 min-h-32 ${className}`}>
        <p className="t-12 text-center max-w-[36ch]">
          This browser cannot play {name}. The file is whole; download it to watch it elsewhere.
        </p>
      </div>
    );
  return (
    <section
      ref={box}
      className={`player nodrag nowheel ${playing ? 'idle' : begun ? '' : 'fresh'} ${className}`}
      style={frame(asset, maxHeight)}
      aria-label={name}
      // The whole player takes the keys of a player; its buttons work on their own as well.
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a player is one stop in the tab order
      tabIndex={0}
      onKeyDown={onKeyDown}
    >
      <video
        ref={setVideo}
        src={source ?? mediaAddress(workspaceId, asset.asset)}
        {...(poster ? { poster } : {})}
        preload="metadata"
        playsInline={true}
        tabIndex={-1}
        onClick={() => playback.toggle()}
        onDoubleClick={toggleFullScreen}
        onPlay={() => setBegun(true)}
        onError={() => setFailed(true)}
        style={asset.width && asset.height ? { aspectRatio: `${asset.width} / ${asset.height}` } : undefined}
      />
      <div className="shade" />
      {!begun && !playing && (
        <button type="button" className="big" aria-label={`Play ${name}`} onClick={() => playback.play()}>
          <Icon name="play" size={24} />
        </button>
      )}
      <div className="ctl">
        <button type="button" aria-label={playing ? 'Pause' : 'Play'} onClick={() => playback.toggle()}>
          <Icon name={playing ? 'pause' : 'play'} size={20} />
        </button>
        <Clock playback={playback} />
        <SeekBar playback={playback} duration={duration} />
        <span className="tm of">{timecode(duration)}</span>
        {captions && captions.cues.length > 0 && (
          <Tip text="Captions" keys="c">
            <button
              type="button"
              className="wide"
              aria-label="Captions"
              aria-pressed={captionsOn}
              onClick={() => setCaptionsOn(!captionsOn)}
            >
              <Icon name="captions" />
            </button>
          </Tip>
        )}
        {!silent && (
          <button type="button" aria-label={muted ? 'Sound on' : 'Sound off'} onClick={toggleMuted}>
            <Icon name={muted ? 'volume-x' : 'volume-2'} />
          </button>
        )}
        <button type="button" className="wide" aria-label="Full screen" onClick={toggleFullScreen}>
          <Icon name="maximize-2" />
        </button>
      </div>
    </section>
  );
}

/** As wide as the picture is at its greatest height, so that nothing black stands beside it. */
function frame(asset: VideoPlayerProps['asset'], maxHeight: string | undefined): React.CSSProperties {
  const ratio = asset.width && asset.height ? asset.width / asset.height : null;
  return {
    ...(maxHeight ? ({ '--player-max': maxHeight } as React.CSSProperties) : {}),
    ...(ratio ? { maxWidth: `calc(${maxHeight ?? '70vh'} * ${ratio.toFixed(4)})` } : {}),
  };
}

function Clock({ playback }: { playback: Playback }) {
  const seconds = usePlayhead(playback, (head) => Math.floor(head.time() + 0.001));
  return <span className="tm">{timecode(seconds)}</span>;
}

/** Captions as a track of the element itself, so that full screen and the system's caption settings work. */
function useCaptions(
  video: HTMLVideoElement | null,
  captions: { language: string; cues: readonly Cue[] } | null,
  on: boolean,
): void {
  const track = useRef<TextTrack | null>(null);
  useEffect(() => {
    if (!video || !captions) return;
    track.current ??= video.addTextTrack('captions', 'Captions', captions.language);
    const { current } = track;
    // Cues of a hidden track can be changed, those of a disabled one cannot be read.
    current.mode = 'hidden';
    for (const cue of [...(current.cues ?? [])]) current.removeCue(cue);
    for (const { start, end, lines } of captions.cues) {
      if (end > start) current.addCue(new VTTCue(start, end, lines.join('\n')));
    }
  }, [video, captions]);
  useEffect(() => {
    if (video && captions && track.current) track.current.mode = on ? 'showing' : 'hidden';
  }, [video, captions, on]);
}
