/** The page's two live regions. `announce` may be called from anywhere; the same words twice are said twice. */
import { create } from 'zustand';

const useLive = create<{ polite: string; assertive: string }>(() => ({ polite: '', assertive: '' }));

export function announce(text: string, politeness: 'polite' | 'assertive' = 'polite'): void {
  useLive.setState((state) => ({ [politeness]: state[politeness] === text ? `${text}\u00a0` : text }));
}

export function LiveRegions() {
  const { polite, assertive } = useLive();
  return (
    <>
      <div className="sr" role="status" aria-live="polite">
        {polite}
      </div>
      <div className="sr" role="alert" aria-live="assertive">
        {assertive}
      </div>
    </>
  );
}
