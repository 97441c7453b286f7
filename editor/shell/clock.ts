/** The time of now, drawn anew while something goes on. */
import { useEffect, useState } from 'react';

/** In milliseconds since 1970; stands still where `on` is false. */
export function useClock(on: boolean, everyMs: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    if (!on) return;
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [on, everyMs]);
  return now;
}
