/** The dialogs of the editor: run with inputs, publish, versions, large view, shortcuts, command palette. */
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Dialog as RadixDialog } from 'radix-ui';
import { Fragment, useMemo, useState } from 'react';
import { upstreamOf } from '../../runtime/graph/flow.ts';
import { trpc } from '../api.ts';
import { SHORTCUTS, type ShortcutId } from '../commands/shortcuts.ts';
import { type FormField, formFields, type Json } from '../inspector/form-schema.ts';
import { Output } from '../inspector/output.tsx';
import { readRecording } from '../inspector/read-recording.ts';
import { SchemaForm } from '../inspector/schema-form.tsx';
import { problemOf } from '../problem.ts';
import { AheadView, useAhead } from '../runs/ahead.tsx';
import { ContinueDialog } from '../runs/start-dialog.tsx';
import { TakesFrom } from '../runs/takes-from.tsx';
import { StartsDialog } from '../triggers/starts-dialog.tsx';
import { Button } from '../ui/button.tsx';
import { Dialog } from '../ui/dialog.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input, TextArea } from '../ui/field.tsx';
import { ago } from '../ui/format.ts';
import { Icon } from '../ui/icon.tsx';
import { Keys } from '../ui/keys.tsx';
import { setTheme } from '../ui/theme.ts';
import { toast } from '../ui/toast.tsx';
import { RecordingPicker } from '../uploads/recording-picker.tsx';
import { useActs } from './acts.ts';
import { PinDialog } from './pin-dialog.tsx';
import { ProblemList } from './problems.tsx';
import { matchScore } from './rank.ts';
import { manifestIn, problemsOnce, type RunRequest, useEditor, useEditorStore } from './store.ts';
import { openInputs, useRunFrom } from './use-run.ts';

export function Dialogs({ act }: { act: Record<ShortcutId, () => void> }) {
  const store = useEditorStore();
  const dialog = useEditor((state) => state.dialog);
  const close = () => store.getState().set({ dialog: null });
  switch (dialog?.kind) {
    case 'run':
      return <RunDialog request={dialog.start} onClose={close} />;
    case 'continue':
      return (
        <ContinueDialog
          workspaceId={store.getState().workspaceId}
          runId={dialog.runId}
          number={dialog.number}
          budget={store.getState().run?.graph.limits?.budget}
          onClose={close}
        />
      );
    case 'publish':
      return <PublishDialog onClose={close} />;
    case 'starts':
      return <StartsDialog onClose={close} />;
    case 'versions':
      return <VersionsDialog onClose={close} />;
    case 'pin':
      return <PinDialog node={dialog.node} onClose={close} />;
    case 'large':
      return <LargeDialog node={dialog.node} onClose={close} />;
    case 'shortcuts':
      return <ShortcutsDialog onClose={close} />;
    case 'commands':
      return <CommandPalette act={act} onClose={close} />;
    default:
      return null;
  }
}

/** What a run would reuse, make and take; and asks for the inputs that the pipeline leaves open. */
function RunDialog({ request, onClose }: { request: RunRequest; onClose: () => void }) {
  const store = useEditorStore();
  const { startNow, starting } = useRunFrom();
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const brandId = useEditor((state) => state.brandId);
  const save = useEditor((state) => state.save);
  const [values, setValues] = useState<Record<string, Json>>({});
  const inputs = useMemo(() => {
    // a part of the pipeline is only asked for what that part needs
    const part = request.only === undefined ? null : new Set([request.only, ...upstreamOf(graph, request.only)]);
    const open = openInputs(store);
    return (open.length > 0 || request.from !== undefined ? open : graph.inputs).filter(
      ({ node }) => part?.has(node) ?? true,
    );
  }, [store, graph, request.only, request.from]);
  const fields = inputs.flatMap((input): { name: string; title: string; schema: unknown; field: FormField }[] => {
    const node = graph.nodes.find((other) => other.id === input.node);
    const schema = catalogue.get(node?.type ?? '')?.config;
    const field = formFields(schema).find((other) => other.name === input.field);
    if (!schema || !field) return [];
    const properties = (schema as { properties?: Record<string, unknown> }).properties ?? {};
    return [
      {
        name: input.name,
        title: input.title,
        field,
        schema: {
          ...schema,
          properties: { [input.field]: { ...(properties[input.field] as object), title: input.title } },
        },
      },
    ];
  });
  const complete = fields.every(({ name, field }) => values[name] !== undefined || field.default !== undefined);
  const optional = openInputs(store).length === 0;
  const ready = (complete || optional) && brandId !== null;
  const { workspaceId, pipelineId } = store.getState();
  const before = useEditor((state) => state.run);
  const isPart = request.only !== undefined || request.from !== undefined;
  const mayTake = isPart && before !== null && before.state !== 'running' && before.brandId === brandId;
  const [takes, setTakes] = useState('yes');
  const carried = mayTake && takes === 'yes' ? { again: before.id, carryOver: true } : {};
  const { version = 'draft', inputs: _inputs, look: _look, ...rest } = request;
  const wanted = { workspaceId, pipelineId, brandId: brandId ?? '', version, ...rest, ...carried, inputs: values };
  // a draft is looked at as it is saved
  const ahead = useAhead(ready && (version !== 'draft' || save === 'saved') ? wanted : null);
  const name = graph.nodes.find(({ id }) => id === (request.only ?? request.from))?.name;
  const title = request.only
    ? `Run only ${name}`
    : request.from
      ? `Run from ${name} on`
      : request.dryRun
        ? 'Run without publishing'
        : typeof request.version === 'number'
          ? `Run v${request.version}`
          : 'Run the draft';
  const lead = request.only
    ? 'Nothing after it runs.'
    : request.from
      ? 'This node and everything after it is made again.'
      : request.dryRun
        ? 'Everything is made and nothing is sent: each node that publishes says what it would have done.'
        : undefined;
  return (
    <Dialog
      open={true}
      onClose={onClose}
      title={title}
      lead={lead}
      footer={
        <>
          <Button look="quiet" onClick={onClose}>
            Not now
          </Button>
          <Button
            look="main"
            icon="play"
            autoFocus={optional}
            disabled={!ready || ahead.error !== null}
            busy={starting}
            onClick={() => startNow({ ...request, ...carried, inputs: values })}
          >
            {request.dryRun ? 'Run without publishing' : 'Run'}
          </Button>
        </>
      }
    >
      <div className="-mx-4 mt-2">
        {fields.map(({ name, schema, field }) => (
          <SchemaForm
            key={name}
            schema={schema}
            config={values[name] === undefined ? {} : { [field.name]: values[name] }}
            problems={new Map()}
            onChange={(_field, value) =>
              setValues(({ [name]: _before, ...others }) =>
                value === undefined ? others : { ...others, [name]: value },
              )
            }
            recording={({ id, value, onChange }) => (
              <RecordingPicker
                id={id}
                workspaceId={store.getState().workspaceId}
                value={readRecording(value)}
                onChange={(next) => onChange(next ?? undefined)}
              />
            )}
          />
        ))}
      </div>
      {mayTake && (
        <div className="mt-3">
          <TakesFrom number={before.number} takes={takes} onChange={setTakes} />
        </div>
      )}
      <div className="mt-3">
        {ready ? <AheadView ahead={ahead} /> : <p className="muted">What it takes is shown once this is filled in.</p>}
      </div>
    </Dialog>
  );
}

function PublishDialog({ onClose }: { onClose: () => void }) {
  const store = useEditorStore();
  const queries = useQueryClient();
  const { workspaceId, pipelineId } = store.getState();
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const save = useEditor((state) => state.save);
  const revision = useEditor((state) => state.draft.revision);
  const pipeline = useQuery(trpc.pipelines.get.queryOptions({ workspaceId, pipelineId }));
  const [note, setNote] = useState('');
  const problems = problemsOnce(graph, catalogue);
  const errors = problems.filter((problem) => problem.severity === 'error');
  const pinned = graph.nodes.filter(({ pin }) => pin);
  const publish = useMutation(
    trpc.pipelines.publish.mutationOptions({
      onSuccess({ version }) {
        toast({ title: `Published v${version}`, text: 'Runs can use it from now on.', tone: 'success' });
        void queries.invalidateQueries({ queryKey: trpc.pipelines.get.queryKey({ workspaceId, pipelineId }) });
        onClose();
      },
    }),
  );
  const next = (pipeline.data?.publishedVersion ?? 0) + 1;
  return (
    <Dialog
      open={true}
      onClose={onClose}
      title={errors.length > 0 ? 'Before you publish' : `Publish v${next}?`}
      lead={
        errors.length > 0
          ? `${errors.length === 1 ? 'One thing stops' : `${errors.length} things stop`} this from running.`
          : 'A version never changes. The draft stays open for what comes next.'
      }
      footer={
        <>
          <Button look="quiet" onClick={onClose}>
            Not yet
          </Button>
          <Button
            look="main"
            disabled={errors.length > 0 || save !== 'saved'}
            busy={publish.isPending}
            onClick={() =>
              publish.mutate({
                workspaceId,
                pipelineId,
                revision,
                ...(note.trim() === '' ? {} : { note: note.trim() }),
              })
            }
          >
            {publish.isPending ? 'Publishing' : save === 'saved' ? `Publish v${next}` : 'Saving the draft'}
          </Button>
        </>
      }
    >
      {problems.length > 0 && (
        <div className="probs w-full! p-0! mt-2 -mx-2">
          <ProblemList problems={problems} onGo={onClose} />
        </div>
      )}
      {errors.length === 0 && pinned.length > 0 && (
        <p className="row mt-3" role="note">
          <Icon name="pin" size={14} className="text-faint" />
          <span>
            {pinned.length === 1 ? 'A pin is' : `${pinned.length} pins are`} left out of the version and{' '}
            {pinned.length === 1 ? 'stays' : 'stay'} in the draft: {pinned.map(({ name }) => name).join(', ')}.
          </span>
        </p>
      )}
      {errors.length === 0 && (
        <Field label="What changed" help="For the list of versions. May stay empty." className="mt-3">
          {({ id, describedBy }) => (
            <TextArea
              id={id}
              aria-describedby={describedBy}
              value={note}
              maxLength={300}
              onChange={(event) => setNote(event.target.value)}
            />
          )}
        </Field>
      )}
      {publish.error && <ErrorOf error={publish.error} className="mt-3" />}
    </Dialog>
  );
}

function VersionsDialog({ onClose }: { onClose: () => void }) {
  const store = useEditorStore();
  const { workspaceId, pipelineId } = store.getState();
  const pipeline = useQuery(trpc.pipelines.get.queryOptions({ workspaceId, pipelineId }));
  const { run, canRun } = useRunFrom();
  const versions: { number: number; publishedAt: string; by: string | null; note: string | null }[] =
    pipeline.data?.versions ?? [];
  return (
    <Dialog
      open={true}
      onClose={onClose}
      title="Versions"
      lead={versions.length === 0 ? 'Nothing is published yet.' : 'Run any of them as it was.'}
    >
      {pipeline.error && <ErrorOf error={pipeline.error} onRetry={() => void pipeline.refetch()} />}
      <ul className="mt-2 grid gap-1">
        {[...versions]
          .sort((one, other) => other.number - one.number)
          .map((version) => (
            <li key={version.number} className="row min-h-10">
              <b className="label w-10">v{version.number}</b>
              <span className="grow cut">{version.note || <span className="faint">No note</span>}</span>
              <span className="t-12 muted">{[version.by, ago(version.publishedAt)].filter(Boolean).join(', ')}</span>
              <Button
                size="xs"
                icon="play"
                disabled={!canRun}
                onClick={() => {
                  onClose();
                  run({ version: version.number });
                }}
              >
                Run
              </Button>
            </li>
          ))}
      </ul>
    </Dialog>
  );
}

function LargeDialog({ node: id, onClose }: { node: string; onClose: () => void }) {
  const node = useEditor((state) => state.graph.nodes.find((other) => other.id === id));
  const manifest = useEditor((state) => manifestIn(state, id));
  const run = useEditor((state) => state.run);
  if (!node || !manifest) return null;
  return (
    <Dialog open={true} onClose={onClose} large={true} title={run ? `${node.name}, run ${run.number}` : node.name}>
      <Output node={id} manifest={manifest} large={true} />
    </Dialog>
  );
}

function ShortcutsDialog({ onClose }: { onClose: () => void }) {
  const groups = [...new Set(SHORTCUTS.map((shortcut) => shortcut.group))];
  return (
    <Dialog open={true} onClose={onClose} large={true} title="Shortcuts">
      <div className="grid gap-x-10 gap-y-5 sm:grid-cols-2 mt-2">
        {groups.map((group) => (
          <section key={group}>
            <h3 className="eyebrow mb-1">{group}</h3>
            <dl className="grid gap-y-1" style={{ gridTemplateColumns: '1fr auto' }}>
              {SHORTCUTS.filter((shortcut) => shortcut.group === group).map((shortcut) => (
                <Fragment key={shortcut.id}>
                  <dt>{shortcut.label}</dt>
                  <dd className="m-0">
                    <Keys keys={shortcut.keys.replace('++', '+plus').replace('plus', 'Plus').replace('+-', '+Minus')} />
                  </dd>
                </Fragment>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  );
}

type PaletteEntry = { key: string; label: string; icon: string; note: string; keys?: string; run: () => void };

function CommandPalette({ act, onClose }: { act: Record<ShortcutId, () => void>; onClose: () => void }) {
  const store = useEditorStore();
  const acts = useActs();
  const graph = useEditor((state) => state.graph);
  const catalogue = useEditor((state) => state.catalogue);
  const [words, setWords] = useState('');
  const [index, setIndex] = useState(0);
  const { run, canRun } = useRunFrom();

  const entries = useMemo((): PaletteEntry[] => {
    const query = words.trim().toLowerCase();
    const hit = (text: string) => query === '' || query.split(/\s+/).every((part) => text.toLowerCase().includes(part));
    const commands: PaletteEntry[] = [
      ...SHORTCUTS.filter(
        (shortcut) => !shortcut.keys.endsWith('arrows') && !['wire', 'commands', 'clear', 'open'].includes(shortcut.id),
      ).map((shortcut) => ({
        key: shortcut.id,
        label: shortcut.label,
        icon: 'corner-down-right',
        note: '',
        keys: shortcut.keys,
        run: act[shortcut.id],
      })),
      ...(canRun
        ? [
            {
              key: 'rehearse',
              label: 'Run without publishing',
              icon: 'play',
              note: '',
              run: () => run({ dryRun: true }),
            },
          ]
        : []),
      {
        key: 'versions',
        label: 'Show versions',
        icon: 'history',
        note: '',
        run: () => store.getState().set({ dialog: { kind: 'versions' } }),
      },
      { key: 'light', label: 'Theme: light', icon: 'sun', note: '', run: () => setTheme('light') },
      { key: 'dark', label: 'Theme: dark', icon: 'moon', note: '', run: () => setTheme('dark') },
      { key: 'system', label: 'Theme: as the system', icon: 'monitor', note: '', run: () => setTheme('system') },
    ].filter((entry) => hit(entry.label));
    const nodes: PaletteEntry[] = graph.nodes
      .filter((node) => query !== '' && hit(node.name))
      .map((node) => ({
        key: `go-${node.id}`,
        label: `Go to ${node.name}`,
        icon: catalogue.get(node.type)?.icon ?? 'puzzle',
        note: 'On the canvas',
        run: () => {
          acts.open(node.id);
          acts.reveal(node.id);
        },
      }));
    const adds: PaletteEntry[] =
      query === ''
        ? []
        : [...catalogue.values()]
            .map((manifest) => ({ manifest, score: matchScore(manifest, query.replace(/^add\s+/, '')) }))
            .filter(({ score }) => score > 0)
            .sort((one, other) => other.score - one.score)
            .slice(0, 8)
            .map(({ manifest }) => ({
              key: `add-${manifest.id}`,
              label: `Add ${manifest.title}`,
              icon: manifest.icon,
              note: 'Node',
              run: () => acts.add(manifest),
            }));
    return [...nodes, ...commands, ...adds].slice(0, 40);
  }, [words, graph, catalogue, act, acts, canRun, run, store]);

  const current = Math.min(index, entries.length - 1);
  const choose = (at: number) => {
    const entry = entries[at];
    if (!entry) return;
    onClose();
    // After the dialog gave the focus back.
    setTimeout(entry.run);
  };
  return (
    <RadixDialog.Root open={true} onOpenChange={(open) => !open && onClose()}>
      <RadixDialog.Portal>
        <RadixDialog.Overlay className="scrim" />
        <RadixDialog.Content className="dialog palette-dialog" aria-describedby={undefined}>
          <RadixDialog.Title className="sr">Commands</RadixDialog.Title>
          <div className="p-2">
            <Input
              icon="search"
              autoFocus={true}
              placeholder="What to do"
              aria-label="Search commands"
              role="combobox"
              aria-expanded={true}
              aria-controls="command-list"
              aria-activedescendant={`command-${current}`}
              value={words}
              onChange={(event) => {
                setWords(event.target.value);
                setIndex(0);
              }}
              onKeyDown={(event) => {
                if (event.key === 'ArrowDown') setIndex(Math.min(entries.length - 1, current + 1));
                if (event.key === 'ArrowUp') setIndex(Math.max(0, current - 1));
                if (event.key === 'Enter') choose(current);
                if (['ArrowDown', 'ArrowUp', 'Enter'].includes(event.key)) event.preventDefault();
              }}
            />
          </div>
          <div className="menu plain" id="command-list" role="listbox" aria-label="Commands">
            {entries.length === 0 && <p className="muted p-2">Nothing is called that.</p>}
            {entries.map((entry, at) => (
              <div
                key={entry.key}
                id={`command-${at}`}
                role="option"
                tabIndex={-1}
                aria-selected={at === current}
                className={`it ${at === current ? 'on' : ''}`}
                ref={at === current ? (element) => element?.scrollIntoView({ block: 'nearest' }) : undefined}
                onPointerMove={() => setIndex(at)}
                onClick={() => choose(at)}
                onKeyDown={undefined}
              >
                <Icon name={entry.icon} />
                <span className="cut">{entry.label}</span>
                <span className="faint t-12 end">{entry.note}</span>
                {entry.keys && <Keys keys={entry.keys.replace('++', '+Plus').replace('+-', '+Minus')} />}
              </div>
            ))}
          </div>
        </RadixDialog.Content>
      </RadixDialog.Portal>
    </RadixDialog.Root>
  );
}

/** What a refused act said, as a toast. */
export function tellProblem(error: unknown): void {
  const problem = problemOf(error);
  toast({ title: problem.message, text: problem.hint ?? undefined, tone: 'danger' });
}
