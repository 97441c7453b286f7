/**
 * A form drawn from a node's config schema: dense rows of label and control, help behind the label, errors beside the
 * field while it is typed. Text and numbers are written when they are left or Enter is pressed; everything else at once.
 */
import { useId, useMemo, useState } from 'react';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { IconButton } from '../ui/button.tsx';
import { Switch } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { Tip } from '../ui/tooltip.tsx';
import { Control, type RecordingControl } from './controls.tsx';
import { type FormField, fieldFaults, formFields, type Json } from './form-schema.ts';
import { useFx } from './fx.tsx';

type Config = GraphNode['config'];

export type SchemaFormProps = {
  schema: unknown;
  config: Config;
  /** What is wrong, by field name. */
  problems: ReadonlyMap<string, string>;
  disabled?: boolean;
  onChange: (field: string, value: Json | undefined) => void;
  recording: RecordingControl;
  /** Fields that are inputs of the whole pipeline, and the way to change that. */
  promoted?: ReadonlySet<string>;
  onPromote?: (field: FormField, on: boolean) => void;
};

type Typed = { field: string; value: Json | undefined };

export function SchemaForm({ schema, config, problems, onChange, ...rest }: SchemaFormProps) {
  const fields = useMemo(() => formFields(schema), [schema]);
  const [typed, setTyped] = useState<Typed | null>(null);
  const stored = useMemo(() => fieldFaults(schema, config), [schema, config]);
  const faults = useMemo(
    () => (typed ? fieldFaults(schema, { ...config, [typed.field]: typed.value }) : stored),
    [schema, config, typed, stored],
  );
  /** Beside its field a fault needs no name. What `problems` lets pass, a field that a run fills, passes here. */
  const errorOf = (name: string) =>
    problems.has(name)
      ? typed
        ? faults.get(name)
        : (faults.get(name) ?? problems.get(name))
      : typed && (typed.field === name || !stored.has(name))
        ? faults.get(name)
        : undefined;
  if (fields.length === 0) return <p className="muted t-12 px-4 py-3">This node has no settings.</p>;
  const groups = [...new Set(fields.map((field) => field.group))];
  return groups.map((group) => (
    <section key={group ?? ''} className="insp-form" aria-label={group ?? 'Settings'}>
      {group && <h3 className="eyebrow">{group}</h3>}
      {fields
        .filter((field) => field.group === group)
        .map((field) => (
          <Row
            key={field.name}
            field={field}
            path={[field.name]}
            value={config[field.name]}
            error={errorOf(field.name)}
            onDraft={(draft) => setTyped(draft && { field: field.name, value: draft.value })}
            onChange={(name, value) => {
              setTyped(null);
              onChange(name, value);
            }}
            {...rest}
          />
        ))}
    </section>
  ));
}

type RowProps = Omit<SchemaFormProps, 'schema' | 'config' | 'problems'> & {
  field: FormField;
  /** Where in the config it stands. */
  path: readonly (string | number)[];
  value: Json | undefined;
  error?: string | undefined;
  onDraft?: (draft: { value: Json | undefined } | null) => void;
};

function Row({ field, path, value, error, onDraft, disabled, onChange, recording, promoted, onPromote }: RowProps) {
  const id = useId();
  const present = value === undefined ? field.default : value;
  const change = (next: Json | undefined) => onChange(field.name, next);
  const changed = value !== undefined && JSON.stringify(value) !== JSON.stringify(field.default);
  const fx = useFx({
    id,
    path,
    title: field.title,
    value: value ?? field.default,
    disabled: disabled ?? false,
    onChange: change,
  });
  const isPromoted = promoted?.has(field.name) ?? false;
  const wide =
    Boolean(fx.box) ||
    field.kind === 'recording' ||
    field.kind === 'pipeline' ||
    field.kind === 'account' ||
    field.kind === 'object' ||
    field.kind === 'json' ||
    field.kind === 'rows' ||
    field.kind === 'words' ||
    (field.kind === 'text' && field.long);
  const off = field.nullable && (present === null || present === undefined);
  return (
    <div className={`f2 ${wide ? 'wide' : field.kind === 'switch' ? 'flag' : ''}`} data-field={field.name}>
      <div className="f2-label">
        {field.help ? (
          <Tip text={field.help} side="left">
            <label htmlFor={id} className="has-help">
              {field.title}
            </label>
          </Tip>
        ) : (
          <label htmlFor={id}>{field.title}</label>
        )}
        {isPromoted && (
          <Tip text="An input of the whole pipeline: a run can fill it in.">
            <span className="text-accent-text inline-flex">
              <Icon name="braces" size={12} label="Input of the pipeline" />
            </span>
          </Tip>
        )}
        {(fx.toggle || (!disabled && (changed || onPromote))) && (
          <span className="f2-more" data-on={Boolean(fx.box)}>
            {fx.toggle}
            {!disabled && (changed || onPromote) && (
              <Menu
                align="start"
                trigger={
                  <IconButton icon="ellipsis" size="xs" label={`More for ${field.title}`} className="h-5! w-5!" />
                }
                items={[
                  {
                    label: 'Back to the default',
                    icon: 'rotate-ccw',
                    disabled: !changed,
                    onSelect: () => change(undefined),
                  },
                  ...(onPromote
                    ? [
                        {
                          label: isPromoted ? 'No input of the pipeline' : 'Make it an input of the pipeline',
                          icon: 'braces',
                          onSelect: () => onPromote(field, !isPromoted),
                        },
                      ]
                    : []),
                ]}
              />
            )}
          </span>
        )}
      </div>
      <div className="f2-control">
        {fx.box}
        {!fx.box && field.nullable && field.kind !== 'recording' && (
          <Switch
            {...(off ? { id } : {})}
            label={off ? `${field.title}, off` : `${field.title}, on`}
            checked={!off}
            disabled={disabled ?? false}
            onChange={(on) => change(on ? startValue(field) : null)}
          />
        )}
        {!fx.box &&
          (!field.nullable || !off || field.kind === 'recording') &&
          (field.kind === 'object' ? (
            <InnerFields
              fields={field.fields}
              path={path}
              value={present}
              disabled={disabled ?? false}
              recording={recording}
              onChange={change}
            />
          ) : (
            <Control
              id={id}
              field={field}
              path={path}
              value={present}
              disabled={disabled ?? false}
              bad={Boolean(error)}
              onDraft={onDraft}
              onChange={change}
              recording={recording}
            />
          ))}
        {error && (
          <span className="err" id={`${id}-note`}>
            <Icon name="circle-alert" size={12} />
            {error}
          </span>
        )}
      </div>
    </div>
  );
}

/** What an optional field starts with when it is switched on. */
function startValue(field: FormField): Json {
  if (field.default !== undefined && field.default !== null) return field.default;
  switch (field.kind) {
    case 'number':
      return field.min !== null && field.max !== null
        ? Math.round(((field.min + field.max) / 2) * 100) / 100
        : (field.min ?? 0);
    case 'choice':
      return field.options[0]?.value ?? null;
    case 'switch':
      return true;
    case 'color':
      return '#2c45e4';
    case 'words':
      return [];
    case 'object':
      return {};
    default:
      return '';
  }
}

type InnerFieldsProps = Pick<SchemaFormProps, 'recording'> & {
  fields: readonly FormField[];
  path: readonly (string | number)[];
  value: Json | undefined;
  disabled: boolean;
  onChange: (value: Json) => void;
};

/** The settings inside a setting that holds several. */
function InnerFields({ fields, path, value, disabled, recording, onChange }: InnerFieldsProps) {
  const present = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Config) : {};
  return (
    <div className="grid gap-2 pl-3 border-l border-line">
      {fields.map((field) => (
        <Row
          key={field.name}
          field={field}
          path={[...path, field.name]}
          value={present[field.name]}
          disabled={disabled}
          recording={recording}
          onChange={(name, next) => {
            const { [name]: _before, ...others } = present;
            onChange(next === undefined ? others : { ...others, [name]: next });
          }}
        />
      ))}
    </div>
  );
}
