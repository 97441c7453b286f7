/** What a file is, in one line: length, size, picture, loudness before and after. */
import type { Asset, Loudness } from '../../nodes/contract.ts';
import { bytes, lufs, timecode } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';

export function assetFacts(asset: Asset): string[] {
  return [
    ...(asset.duration === undefined ? [] : [timecode(asset.duration)]),
    ...(asset.width && asset.height ? [`${asset.width}×${asset.height}`] : []),
    ...(asset.rate ? [`${Math.round(asset.rate * 100) / 100} fps`] : []),
    ...(asset.kind === 'video' && asset.hasSound === false ? ['no sound'] : []),
    bytes(asset.bytes),
  ];
}

export function AssetFacts({ asset, className = '' }: { asset: Asset; className?: string }) {
  return (
    <p className={`facts ${className}`}>
      {assetFacts(asset).map((fact) => (
        <span key={fact}>{fact}</span>
      ))}
    </p>
  );
}

type LoudnessFactsProps = {
  loudness: { before: Loudness; after: Loudness; target: number; linear: boolean };
  className?: string;
};

/** "−17.5 → −14.0 LUFS", the peak, and whether the sound's own dynamics were kept. */
export function LoudnessFacts({ loudness: { before, after, target, linear }, className = '' }: LoudnessFactsProps) {
  const read = (value: number | null) => (value === null ? 'silence' : lufs(value));
  return (
    <p className={`facts ${className}`}>
      <span className="inline-flex items-center gap-1">
        {read(before.integrated)} <Icon name="arrow-right" size={12} label="became" />{' '}
        <b className="font-[550] text-text">{read(after.integrated)}</b>
      </span>
      {after.truePeak !== null && <span>peak {after.truePeak.toFixed(1).replace('-', '−')} dBTP</span>}
      <span>target {lufs(target)}</span>
      {!linear && <span>evened out, because the peaks left no room for the volume alone</span>}
    </p>
  );
}
