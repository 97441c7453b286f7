/** A finished short: the video, its title and words on it, how it was framed and how loud it is. */
import type { Clip } from '../../nodes/contract.ts';
import { Icon } from '../ui/icon.tsx';
import { downloadAddress, fileName } from './address.ts';
import { AssetFacts, LoudnessFacts } from './facts.tsx';
import { VideoPlayer } from './video-player.tsx';

type ClipViewProps = { workspaceId: string; value: Clip; poster?: string };

export function ClipView({ workspaceId, value, poster }: ClipViewProps) {
  const tall = (value.video.height ?? 0) > (value.video.width ?? 1);
  return (
    <article className="flex flex-wrap gap-x-5 gap-y-2">
      <VideoPlayer
        workspaceId={workspaceId}
        asset={value.video}
        title={value.segment.title}
        {...(poster ? { poster } : {})}
        maxHeight={tall ? '440px' : '360px'}
        className={tall ? 'w-[248px] self-start' : 'w-full self-start'}
      />
      <div className="grid gap-1.5 content-start flex-1 basis-52 min-w-0">
        <div className="row">
          <b className="font-[550] min-w-0">{value.segment.title}</b>
          <a
            className="btn quiet icon sm"
            href={downloadAddress(workspaceId, value.video.asset, fileName(value.video, value.segment.title))}
            aria-label={`Download ${value.segment.title}`}
            download={true}
          >
            <Icon name="download" />
          </a>
        </div>
        <AssetFacts asset={value.video} />
        {value.loudness && <LoudnessFacts loudness={value.loudness} />}
        <p className="t-12 muted">{value.framing}</p>
        {value.segment.summary && <p className="max-w-[52ch] mt-1">{value.segment.summary}</p>}
      </div>
    </article>
  );
}
