/**
 * A long list of which only what is near the screen is drawn. Items stand in blocks; a block out of sight is an empty
 * box of its last height, or of an estimate before it was ever seen. `near` names a block that must be drawn.
 */
import { type ReactNode, useEffect, useRef, useState } from 'react';

type WindowedProps = {
  count: number;
  block?: number;
  /** Estimated height of one item in pixels. */
  estimate: number;
  /** Index of an item that is drawn wherever it stands: the focused or the spoken one. */
  near?: number;
  children: (index: number) => ReactNode;
};

export function Windowed({ count, block = 24, estimate, near, children }: WindowedProps) {
  const blocks = Math.ceil(count / block);
  return Array.from({ length: blocks }, (_, place) => {
    const from = place * block;
    const to = Math.min(count, from + block);
    return (
      <Block
        key={`${from}`}
        estimate={(to - from) * estimate}
        // Few items are always drawn: printing, searching in the page and tests see them.
        always={blocks <= 3 || (near !== undefined && near >= from && near < to)}
      >
        {() => Array.from({ length: to - from }, (_each, step) => children(from + step))}
      </Block>
    );
  });
}

function Block({ estimate, always, children }: { estimate: number; always: boolean; children: () => ReactNode }) {
  const element = useRef<HTMLDivElement>(null);
  const height = useRef(estimate);
  const [seen, setSeen] = useState(always);
  useEffect(() => {
    const { current } = element;
    if (!current || always) return;
    const observer = new IntersectionObserver(
      ([entry]) => {
        if (!entry) return;
        if (!entry.isIntersecting) height.current = current.offsetHeight || height.current;
        setSeen(entry.isIntersecting);
      },
      { rootMargin: '900px 0px' },
    );
    observer.observe(current);
    return () => observer.disconnect();
  }, [always]);
  const drawn = seen || always;
  return (
    <div ref={element} style={drawn ? undefined : { height: height.current }}>
      {drawn ? children() : null}
    </div>
  );
}
