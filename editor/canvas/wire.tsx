/** A wire between two ports: its course, its state in the run, and a chip with the count or the conversion. */
import { memo, useEffect, useRef, useState } from 'react';
import { type Edge, EdgeLabelRenderer, type EdgeProps } from 'reactflow';
import { PORT_LOOK } from '../../nodes/contract.ts';
import { ERROR_PORT, type GraphEdge } from '../../runtime/graph/graph.ts';
import { conversionBetween } from '../../runtime/graph/wires.ts';
import type { NodeView } from '../run-view.ts';
import { finished } from './node-state.ts';
import { portOf } from './ports.ts';
import { framesOnce, manifestIn, useEditor } from './store.ts';
import type { Rect } from './wire-route.ts';
import { routeWire } from './wire-route.ts';

export type WireEdge = Edge<{ edge: GraphEdge; obstacles: readonly Rect[]; lane: number }, 'wire'>;

/** Wires end at the outer edge of a port's mark, not of its hit area. */
const REACH = 7;

export const Wire = memo(function Wire(props: EdgeProps<WireEdge>) {
  const { id, sourceX, sourceY, targetX, targetY, source, target, data } = props;
  const edge = data?.edge;
  const obstacles = data?.obstacles ?? [];
  const fromType = useEditor((state) => {
    return edge ? portOf(manifestIn(state, source), edge.from.port, 'out') : undefined;
  });
  const toType = useEditor((state) => {
    return edge ? portOf(manifestIn(state, target), edge.to.port, 'in') : undefined;
  });
  const sourceView = useEditor((state) => state.views.get(source));
  const targetView = useEditor((state) => state.views.get(target));
  const hasRun = useEditor((state) => state.run !== null);
  const into = useEditor((state) => state.spliceEdge === id);
  const mapped = useEditor((state) => (framesOnce(state.graph, state.catalogue).nodes.get(source)?.length ?? 0) > 0);
  if (!edge) return null;

  const from = { x: sourceX - REACH, y: sourceY };
  const to = { x: targetX + REACH, y: targetY };
  const route = routeWire({ from, to, source, target }, obstacles, data?.lane ?? 0);
  const isError = edge.from.port === ERROR_PORT;
  const conversion = fromType && toType ? conversionBetween(fromType.type, toType.type) : null;
  const color = isError ? '--danger' : fromType ? PORT_LOOK[fromType.type].token : '--line-strong';
  const endColor = conversion && toType ? PORT_LOOK[toType.type].token : color;
  const count = countOf(sourceView, fromType?.list ?? false, mapped);
  const passing = targetView?.state === 'running' || (sourceView?.state === 'running' && (count?.done ?? 0) > 0);
  const passed = !hasRun || hasGiven(sourceView);
  const state = passing ? 'live' : passed ? '' : 'wait';
  const chip =
    conversion && !passing
      ? conversion.chip
      : count && (count.total > 1 || fromType?.list)
        ? countText(count)
        : edge.leaveOutFailed
          ? 'without failed'
          : null;
  // A chip wider than a short wire stands above it, clear of the ports.
  const isTight =
    chip !== null && to.x > from.x && chip.length * 6 + 26 > to.x - from.x && Math.abs(to.y - from.y) < 24;
  const lift = isTight ? 20 : 0;
  return (
    <>
      {endColor !== color && (
        <defs>
          <linearGradient
            id={`g-${id}`}
            gradientUnits="userSpaceOnUse"
            x1={from.x}
            y1={from.y}
            x2={to.x + 0.01}
            y2={to.y}
          >
            <stop offset="0.5" stopColor={`color-mix(in oklab, var(${color}) 78%, var(--canvas))`} />
            <stop offset="0.5" stopColor={`color-mix(in oklab, var(${endColor}) 78%, var(--canvas))`} />
          </linearGradient>
        </defs>
      )}
      <path d={route.path} className="wire-hit react-flow__edge-interaction" />
      <path
        d={route.path}
        className={`wire ${state} ${into ? 'into' : ''}`}
        style={
          {
            '--pc': `var(${color})`,
            ...(endColor !== color && !props.selected && state === '' ? { stroke: `url(#g-${id})` } : {}),
          } as React.CSSProperties
        }
      />
      {passing && <Travelling path={route.path} color={color} count={count?.done ?? 0} />}
      {chip !== null && (
        <EdgeLabelRenderer>
          <span
            className={`wc ${passing ? 'live' : ''}`}
            style={{ transform: `translate(-50%, -50%) translate(${route.label.x}px, ${route.label.y - lift}px)` }}
            title={count && count.total > 1 ? `${count.done} of ${count.total} items` : (conversion?.chip ?? undefined)}
          >
            {chip}
          </span>
        </EdgeLabelRenderer>
      )}
    </>
  );
});

type Count = { done: number; total: number };
const countText = ({ done, total }: Count) => (done < total ? `${done}/${total}` : String(total));

/** Items that go over the wire: the length of a list, or the steps of a mapped node. */
function countOf(view: NodeView | undefined, list: boolean, mapped: boolean): Count | null {
  if (!view) return null;
  if (mapped) {
    const { total } = view.counts;
    return total === null ? null : { done: finished(view), total };
  }
  if (!list || (view.state !== 'done' && view.state !== 'reused') || !view.preview) return null;
  const total = view.preview.items.length + view.preview.more;
  return { done: total, total };
}

const hasGiven = (view: NodeView | undefined) =>
  view !== undefined && (view.state === 'done' || view.state === 'reused' || finished(view) > 0);

/** One small dash for each item that passed since the last report. */
function Travelling({ path, color, count }: { path: string; color: string; count: number }) {
  const before = useRef(count);
  const [sent, setSent] = useState<number[]>([]);
  useEffect(() => {
    if (count <= before.current) {
      before.current = count;
      return;
    }
    before.current = count;
    setSent((current) => [...current, count].slice(-4));
    const timer = setTimeout(() => setSent((current) => current.filter((item) => item !== count)), 950);
    return () => clearTimeout(timer);
  }, [count]);
  return sent.map((item) => (
    <path
      key={item}
      d={path}
      pathLength={100}
      className="wire-item"
      style={{ '--pc': `var(${color})` } as React.CSSProperties}
    />
  ));
}
