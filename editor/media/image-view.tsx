/** A picture of the store, whole, with its size; opens in full in a tab of its own. */
import './media.css';
import { useState } from 'react';
import type { Asset } from '../../nodes/contract.ts';
import { Icon } from '../ui/icon.tsx';
import { mediaAddress } from './address.ts';

type ImageViewProps = { workspaceId: string; asset: Asset; alt?: string; className?: string; maxHeight?: number };

export function ImageView({ workspaceId, asset, alt, className = '', maxHeight = 420 }: ImageViewProps) {
  const [failed, setFailed] = useState(false);
  const address = mediaAddress(workspaceId, asset.asset);
  if (failed)
    return (
      <p className="t-12 muted row">
        <Icon name="image" size={14} /> {asset.name ?? 'This picture'} cannot be shown here.
      </p>
    );
  return (
    <a href={address} target="_blank" rel="noreferrer" className={`block w-fit ${className}`}>
      <img
        src={address}
        alt={alt ?? asset.name ?? ''}
        width={asset.width}
        height={asset.height}
        loading="lazy"
        decoding="async"
        className="rounded-2 bg-well h-auto w-auto"
        style={{ maxHeight, maxWidth: '100%' }}
        onError={() => setFailed(true)}
      />
    </a>
  );
}
