/** A frame of a stored video, or the sign of its kind. Loads only the head of the file, and only when near the screen. */
import './uploads.css';
import { useEffect, useRef, useState } from 'react';
import type { Asset } from '../../nodes/contract.ts';
import { mediaAddress } from '../media/address.ts';
import { Icon } from '../ui/icon.tsx';

const ICONS = { video: 'film', audio: 'audio-lines', image: 'image', text: 'file-text', file: 'file-text' };

type StillProps = { workspaceId: string; asset: Pick<Asset, 'asset' | 'kind' | 'duration'>; big?: boolean };

export function Still({ workspaceId, asset, big }: StillProps) {
  const box = useRef<HTMLSpanElement>(null);
  const [near, setNear] = useState(false);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    const { current } = box;
    if (!current || near) return;
    const observer = new IntersectionObserver(([entry]) => entry?.isIntersecting && setNear(true), {
      rootMargin: '200px',
    });
    observer.observe(current);
    return () => observer.disconnect();
  }, [near]);
  // A second in, the fade of the beginning is over.
  const at = Math.min(1, (asset.duration ?? 0) / 2);
  return (
    <span ref={box} className={`still ${big ? 'big' : ''}`} aria-hidden="true">
      {asset.kind === 'video' && near && !failed ? (
        <video
          src={`${mediaAddress(workspaceId, asset.asset)}#t=${at}`}
          preload="metadata"
          muted={true}
          playsInline={true}
          tabIndex={-1}
          onError={() => setFailed(true)}
        />
      ) : (
        <Icon name={ICONS[asset.kind]} size={big ? 24 : 16} />
      )}
    </span>
  );
}
