/**
 * A form drawn from a node's config schema: dense rows of label and control, help behind the label, errors beside the
 * field. Text and numbers are written when they are left or Enter is pressed; everything else at once.
 */
import { type ReactNode, useEffect, useId, useMemo, useState } from 'react';
import type { GraphNode } from '../../runtime/graph/graph.ts';
import { afterPress } from '../ui/after-press.ts';
import { IconButton } from '../ui/button.tsx';
import { Checkbox, Segmented, Select, Slider, Switch } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { Menu } from '../ui/menu.tsx';
import { Tip } from '../ui/tooltip.tsx';
import { type FormField, formFields, type Json, parseNumber } from './form-schema.ts';

type Config = GraphNode['config'];

export type SchemaFormProps = {
  schema: unknown;
  config: Config;
  /** What is wrong, by field name. */
  problems: ReadonlyMap<string, string>;
  disabled?: boolean;
  onChange: (field: string, value: Json | undefined) => void;
  /** Draws a `recording` field. */
  recording: (props: {
    id: string;
    name: string;
    value: Json | undefined;
    onChange: (value: Json | undefined) => void;
  }) => ReactNode;
  /** Fields that are inputs of the whole pipeline, and the way to change that. */
  promoted?: ReadonlySet<string>;
  onPromote?: (field: FormField, on: boolean) => void;
};

export function SchemaForm({ schema, config, ...rest }: SchemaFormProps) {
  const fields = useMemo(() => formFields(schema), [schema]);
  if (fields.length === 0) return <p className="muted t-12 px-4 py-3">This node has no settings.</p>;
  const groups = [...new Set(fields.map((field) => field.group))];
  return groups.map((group) => (
    <section key={group ?? ''} className="insp-form" aria-label={group ?? 'Settings'}>
      {group && <h3 className="eyebrow">{group}</h3>}
      {fields
        .filter((field) => field.group === group)
        .map((field) => (
          <Row key={field.name} field={field} value={config[field.name]} {...rest} />
        ))}
    </section>
  ));
}

type RowProps = Omit<SchemaFormProps, 'schema' | 'config'> & { field: FormField; value: Json | undefined };

function Row({ field, value, problems, disabled, onChange, recording, promoted, onPromote }: RowProps) {
  const id = useId();
  const error = problems.get(field.name);
  const present = value === undefined ? field.default : value;
  const change = (next: Json | undefined) => onChange(field.name, next);
  const changed = value !== undefined && JSON.stringify(value) !== JSON.stringify(field.default);
  const isPromoted = promoted?.has(field.name) ?? false;
  const wide =
    field.kind === 'recording' ||
    field.kind === 'object' ||
    field.kind === 'json' ||
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
        {!disabled && (changed || onPromote) && (
          <span className="f2-more">
            <Menu
              align="start"
              trigger={<IconButton icon="ellipsis" size="xs" label={`More for ${field.title}`} className="h-5! w-5!" />}
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
          </span>
        )}
      </div>
      <div className="f2-control">
        {field.nullable && field.kind !== 'recording' && (
          <Switch
            {...(off ? { id } : {})}
            label={off ? `${field.title}, off` : `${field.title}, on`}
            checked={!off}
            disabled={disabled ?? false}
            onChange={(on) => change(on ? startValue(field) : null)}
          />
        )}
        {(!field.nullable || !off || field.kind === 'recording') && (
          <Control
            id={id}
            field={field}
            value={present}
            disabled={disabled ?? false}
            bad={Boolean(error)}
            onChange={change}
            recording={recording}
          />
        )}
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

type ControlProps = {
  id: string;
  field: FormField;
  value: Json | undefined;
  disabled: boolean;
  bad: boolean;
  onChange: (value: Json | undefined) => void;
  recording: SchemaFormProps['recording'];
};

function Control({ id, field, value, disabled, bad, onChange, recording }: ControlProps) {
  const describedBy = bad ? `${id}-note` : undefined;
  switch (field.kind) {
    case 'choice': {
      const options = field.options.map((option) => ({ value: String(option.value), label: option.label }));
      const take = (next: string) => onChange(field.options.find((option) => String(option.value) === next)?.value);
      return field.segmented ? (
        <Segmented
          id={id}
          dense={true}
          label={field.title}
          value={String(value ?? '')}
          options={options}
          onChange={disabled ? () => undefined : take}
        />
      ) : (
        <Select
          id={id}
          dense={true}
          label={field.title}
          value={String(value ?? '')}
          options={options}
          disabled={disabled}
          bad={bad}
          describedBy={describedBy}
          placeholder="Choose"
          onChange={take}
        />
      );
    }
    case 'number':
      return (
        <NumberControl
          id={id}
          field={field}
          value={value}
          disabled={disabled}
          bad={bad}
          describedBy={describedBy}
          onChange={onChange}
        />
      );
    case 'switch':
      return (
        <Switch
          id={id}
          checked={value === true}
          disabled={disabled}
          {...(describedBy ? { describedBy } : {})}
          onChange={onChange}
        />
      );
    case 'text':
      return (
        <TextControl
          id={id}
          value={typeof value === 'string' ? value : ''}
          long={field.long}
          maxLength={field.maxLength}
          placeholder={field.placeholder}
          disabled={disabled}
          bad={bad}
          describedBy={describedBy}
          onCommit={(next) => onChange(next === '' && field.default === undefined ? undefined : next)}
        />
      );
    case 'color':
      return (
        <span className={`in sm ${bad ? 'bad' : ''}`}>
          <input
            type="color"
            className="color-dot"
            aria-label={`${field.title}, colour`}
            disabled={disabled}
            value={typeof value === 'string' && /^#[0-9a-f]{6}$/i.test(value) ? value : '#000000'}
            onChange={(event) => onChange(event.target.value)}
          />
          <DraftInput
            id={id}
            value={typeof value === 'string' ? value : ''}
            disabled={disabled}
            onCommit={(next) => onChange(next)}
            className="mono"
          />
        </span>
      );
    case 'recording':
      return recording({ id, name: field.name, value, onChange });
    case 'words':
      return (
        <WordsControl
          id={id}
          field={field}
          value={Array.isArray(value) ? value : []}
          disabled={disabled}
          onChange={onChange}
        />
      );
    case 'object': {
      const present = typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Config) : {};
      return (
        <div className="grid gap-2 pl-3 border-l border-line">
          {field.fields.map((inner) => (
            <Row
              key={inner.name}
              field={inner}
              value={present[inner.name]}
              problems={new Map()}
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
    case 'json':
      return <JsonControl id={id} value={value} disabled={disabled} onChange={onChange} />;
    default:
      return field satisfies never;
  }
}

type NumberProps = Omit<ControlProps, 'recording' | 'field'> & {
  field: Extract<FormField, { kind: 'number' }>;
  describedBy: string | undefined;
};

function NumberControl({ id, field, value, disabled, bad, describedBy, onChange }: NumberProps) {
  const shown = typeof value === 'number' ? value : null;
  const [sliding, setSliding] = useState<number | null>(null);
  const text = sliding ?? shown;
  const clamp = (wished: number) => {
    const rounded = field.integer ? Math.round(wished) : Math.round(wished * 1000) / 1000;
    return Math.min(field.max ?? rounded, Math.max(field.min ?? rounded, rounded));
  };
  return (
    <div className="grid gap-1.5">
      <span className={`in sm ${bad ? 'bad' : ''} ${disabled ? 'off' : ''}`}>
        <DraftInput
          id={id}
          value={text === null ? '' : String(text).replace('-', '−')}
          disabled={disabled}
          describedBy={describedBy}
          inputMode="decimal"
          placeholder={
            field.min !== null && field.max !== null ? `${field.min} to ${field.max}` : (field.placeholder ?? undefined)
          }
          onCommit={(next) => {
            if (next.trim() === '') onChange(undefined);
            const parsed = parseNumber(next);
            if (parsed !== undefined) onChange(field.integer ? Math.round(parsed) : parsed);
          }}
          onStep={(by, many) => onChange(clamp((shown ?? field.min ?? 0) + by * field.step * (many ? 10 : 1)))}
        />
        {field.unit && <span className="unit">{field.unit}</span>}
      </span>
      {field.slider && field.min !== null && field.max !== null && (
        <Slider
          label={field.title}
          min={field.min}
          max={field.max}
          step={field.step}
          value={text ?? field.min}
          onChange={setSliding}
          onCommit={(next) => {
            setSliding(null);
            onChange(next);
          }}
        />
      )}
    </div>
  );
}

type DraftInputProps = {
  id: string;
  value: string;
  disabled: boolean;
  describedBy?: string | undefined;
  className?: string;
  placeholder?: string | undefined;
  inputMode?: 'decimal';
  maxLength?: number | undefined;
  onCommit: (value: string) => void;
  onStep?: (by: 1 | -1, many: boolean) => void;
};

/** An input that writes when it is left or Enter is pressed; Escape takes the old value back. */
function DraftInput({
  id,
  value,
  disabled,
  describedBy,
  className = '',
  placeholder,
  inputMode,
  maxLength,
  onCommit,
  onStep,
}: DraftInputProps) {
  const [draft, setDraft] = useState(value);
  useEffect(() => setDraft(value), [value]);
  const commit = () => {
    if (draft !== value) onCommit(draft);
  };
  return (
    <input
      id={id}
      className={className}
      value={draft}
      disabled={disabled}
      aria-describedby={describedBy}
      aria-invalid={describedBy ? true : undefined}
      placeholder={placeholder}
      inputMode={inputMode}
      maxLength={maxLength}
      onChange={(event) => setDraft(event.target.value)}
      onBlur={() => draft !== value && afterPress(commit)}
      onKeyDown={(event) => {
        if (event.key === 'Enter') commit();
        if (event.key === 'Escape' && draft !== value) {
          event.stopPropagation();
          setDraft(value);
        }
        if (onStep && (event.key === 'ArrowUp' || event.key === 'ArrowDown')) {
          event.preventDefault();
          onStep(event.key === 'ArrowUp' ? 1 : -1, event.shiftKey);
        }
      }}
    />
  );
}

type TextControlProps = Omit<DraftInputProps, 'placeholder' | 'maxLength'> & {
  long: boolean;
  bad: boolean;
  maxLength: number | null;
  placeholder: string | null;
};

function TextControl({ long, bad, maxLength, placeholder, ...rest }: TextControlProps) {
  const [draft, setDraft] = useState(rest.value);
  useEffect(() => setDraft(rest.value), [rest.value]);
  if (long) {
    return (
      <span className={`in area ${bad ? 'bad' : ''}`}>
        <textarea
          id={rest.id}
          value={draft}
          disabled={rest.disabled}
          aria-describedby={rest.describedBy}
          maxLength={maxLength ?? undefined}
          placeholder={placeholder ?? undefined}
          onChange={(event) => setDraft(event.target.value)}
          onBlur={() => draft !== rest.value && afterPress(() => rest.onCommit(draft))}
        />
      </span>
    );
  }
  return (
    <span className={`in sm ${bad ? 'bad' : ''} ${rest.disabled ? 'off' : ''}`}>
      <DraftInput {...rest} maxLength={maxLength ?? undefined} placeholder={placeholder ?? undefined} />
    </span>
  );
}

type WordsProps = {
  id: string;
  field: Extract<FormField, { kind: 'words' }>;
  value: readonly Json[];
  disabled: boolean;
  onChange: (value: Json | undefined) => void;
};

/** A list of words: chips with a field to add more, or boxes to tick where the words are given. */
function WordsControl({ id, field, value, disabled, onChange }: WordsProps) {
  const [draft, setDraft] = useState('');
  if (field.items === 'choice') {
    return (
      <div className="grid gap-1.5">
        {field.options.map((option) => (
          <span key={String(option.value)} className="row">
            <Checkbox
              checked={value.includes(option.value)}
              disabled={disabled}
              label={option.label}
              onChange={(on) =>
                onChange(
                  field.options
                    .map((other) => other.value)
                    .filter((other) => (other === option.value ? on : value.includes(other))),
                )
              }
            />
            {option.label}
          </span>
        ))}
      </div>
    );
  }
  const add = () => {
    const words = draft
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== '' && !value.includes(word));
    setDraft('');
    if (words.length > 0) onChange([...value, ...words]);
  };
  return (
    <span className="in area words">
      {value.map((word) => (
        <span key={String(word)} className="chip">
          {String(word)}
          <button
            type="button"
            className="inline-flex"
            aria-label={`Take ${String(word)} away`}
            disabled={disabled}
            onClick={() => onChange(value.filter((other) => other !== word))}
          >
            <Icon name="x" size={12} />
          </button>
        </span>
      ))}
      <input
        id={id}
        value={draft}
        disabled={disabled}
        placeholder={value.length === 0 ? (field.placeholder ?? 'Add, with commas between') : ''}
        onChange={(event) => setDraft(event.target.value)}
        onBlur={() => draft !== '' && afterPress(add)}
        onKeyDown={(event) => {
          if (event.key === 'Enter' || event.key === ',') {
            event.preventDefault();
            add();
          }
          if (event.key === 'Backspace' && draft === '' && value.length > 0) onChange(value.slice(0, -1));
        }}
      />
    </span>
  );
}

function JsonControl({
  id,
  value,
  disabled,
  onChange,
}: {
  id: string;
  value: Json | undefined;
  disabled: boolean;
  onChange: (value: Json | undefined) => void;
}) {
  const shown = value === undefined ? '' : JSON.stringify(value, null, 2);
  const [draft, setDraft] = useState(shown);
  const [wrong, setWrong] = useState(false);
  useEffect(() => setDraft(shown), [shown]);
  return (
    <>
      <span className={`in area ${wrong ? 'bad' : ''}`}>
        <textarea
          id={id}
          className="mono"
          spellCheck={false}
          disabled={disabled}
          value={draft}
          onChange={(event) => setDraft(event.target.value)}
          onBlur={() => {
            if (draft === shown) return;
            afterPress(() => {
              if (draft.trim() === '') {
                onChange(undefined);
                return;
              }
              try {
                onChange(JSON.parse(draft) as Json);
                setWrong(false);
              } catch {
                setWrong(true);
              }
            });
          }}
        />
      </span>
      {wrong && (
        <span className="err">
          <Icon name="circle-alert" size={12} />
          This is not JSON yet. Names and texts stand in double quotes.
        </span>
      )}
    </>
  );
}
