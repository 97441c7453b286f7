/** The control of one setting by its kind: buttons, lists, numbers, words, colours, JSON. */
import { createContext, type ReactNode, useContext, useEffect, useState } from 'react';
import { afterPress } from '../ui/after-press.ts';
import { Button, IconButton } from '../ui/button.tsx';
import { Checkbox, Segmented, Select, Slider, Switch } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { DraftInput, type DraftInputProps } from './draft-input.tsx';
import { type FormField, type Json, newRow, parseNumber, shownValue } from './form-schema.ts';
import { useFx } from './fx.tsx';

/** Draws a `recording` field. */
export type RecordingControl = (props: {
  id: string;
  name: string;
  value: Json | undefined;
  onChange: (value: Json | undefined) => void;
}) => ReactNode;

type OuterProps = Omit<Parameters<RecordingControl>[0], 'name'> & { disabled: boolean };
/** Draws what is chosen from the workspace, a `pipeline` or an `account`, where there is a canvas around it. */
export const OuterFields = createContext<Record<'pipeline' | 'account', (props: OuterProps) => ReactNode> | null>(null);

type ControlProps = {
  id: string;
  field: Exclude<FormField, { kind: 'object' }>;
  /** Where in the config it stands; expressions are offered there. */
  path: readonly (string | number)[];
  value: Json | undefined;
  disabled: boolean;
  bad: boolean;
  /** What the control would hold if what is being typed were kept; null: nothing is being typed. */
  onDraft?: ((draft: { value: Json | undefined } | null) => void) | undefined;
  onChange: (value: Json | undefined) => void;
  recording: RecordingControl;
};

export function Control({ id, field, path, value, disabled, bad, onDraft, onChange, recording }: ControlProps) {
  const describedBy = bad ? `${id}-note` : undefined;
  const outer = useContext(OuterFields);
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
          onDraft={onDraft}
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
          code={field.code}
          maxLength={field.maxLength}
          placeholder={field.placeholder}
          disabled={disabled}
          bad={bad}
          describedBy={describedBy}
          onDraft={(next) => onDraft?.(next === null ? null : { value: next })}
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
    case 'pipeline':
    case 'account':
      return outer?.[field.kind]({ id, value, disabled, onChange }) ?? <span>{shownValue(field, value)}</span>;
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
    case 'rows':
      return (
        <RowsControl
          id={id}
          field={field}
          path={path}
          value={Array.isArray(value) ? value : []}
          disabled={disabled}
          recording={recording}
          onChange={onChange}
        />
      );
    case 'json':
      return <JsonControl id={id} value={value} disabled={disabled} onChange={onChange} />;
    default:
      return field satisfies never;
  }
}

type NumberProps = Omit<ControlProps, 'recording' | 'field' | 'path'> & {
  field: Extract<FormField, { kind: 'number' }>;
  describedBy: string | undefined;
};

function NumberControl({ id, field, value, disabled, bad, describedBy, onDraft, onChange }: NumberProps) {
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
          onDraft={(next) => {
            const begun = next === null || /^[-−.,]?$/.test(next.trim());
            onDraft?.(begun ? null : { value: parseNumber(next) ?? next });
          }}
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
          onChange={(next) => {
            setSliding(next);
            onDraft?.({ value: next });
          }}
          onCommit={(next) => {
            setSliding(null);
            onChange(next);
          }}
        />
      )}
    </div>
  );
}

type TextControlProps = Omit<DraftInputProps, 'placeholder' | 'maxLength'> & {
  long: boolean;
  code: boolean;
  bad: boolean;
  maxLength: number | null;
  placeholder: string | null;
};

function TextControl({ long, code, bad, maxLength, placeholder, ...rest }: TextControlProps) {
  const [draft, setDraft] = useState(rest.value);
  useEffect(() => setDraft(rest.value), [rest.value]);
  if (long) {
    return (
      <span className={`in area ${bad ? 'bad' : ''}`}>
        <textarea
          id={rest.id}
          value={draft}
          className={code ? 'mono' : ''}
          rows={code ? 10 : undefined}
          spellCheck={code ? false : undefined}
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

type RowsProps = Pick<ControlProps, 'id' | 'path' | 'disabled' | 'onChange' | 'recording'> & {
  field: Extract<FormField, { kind: 'rows' }>;
  value: readonly Json[];
};

/** A list of rows of settings: added, changed, moved and taken away; their order counts. */
function RowsControl({ id, field, path, value, disabled, onChange, recording }: RowsProps) {
  const rows = value.map((row) => (typeof row === 'object' && row !== null && !Array.isArray(row) ? row : {}));
  const put = (index: number, row: { [name: string]: Json }) =>
    onChange(rows.map((other, at) => (at === index ? row : other)));
  const move = (index: number) => {
    const next = [...rows];
    next.splice(index - 1, 2, rows[index]!, rows[index - 1]!);
    onChange(next);
  };
  return (
    <div className="insp-rows" id={id}>
      {rows.map((row, index) => (
        <fieldset key={field.port === null ? index : String(row[field.port])} disabled={disabled}>
          <legend className="row">
            <span className="grow faint t-12">{index + 1}</span>
            {!disabled && (
              <>
                <IconButton
                  icon="arrow-up"
                  size="xs"
                  label={`Move ${index + 1} up`}
                  disabled={index === 0}
                  onClick={() => move(index)}
                />
                <IconButton
                  icon="x"
                  size="xs"
                  label={`Take ${index + 1} away`}
                  disabled={rows.length <= field.least}
                  onClick={() => onChange(rows.filter((_, at) => at !== index))}
                />
              </>
            )}
          </legend>
          {field.fields.map((part) => {
            if (part.kind === 'object') return null;
            return (
              <RowPart
                key={part.name}
                id={`${id}-${index}-${part.name}`}
                field={part}
                path={[...path, index, part.name]}
                value={row[part.name] ?? part.default}
                disabled={disabled}
                recording={recording}
                onChange={(next) => {
                  const { [part.name]: _, ...others } = row;
                  put(index, next === undefined ? others : { ...row, [part.name]: next });
                }}
              />
            );
          })}
        </fieldset>
      ))}
      {!disabled && (field.most === null || rows.length < field.most) && (
        <span>
          <Button size="sm" icon="plus" onClick={() => onChange([...rows, newRow(field, rows)])}>
            Add
          </Button>
        </span>
      )}
    </div>
  );
}

/** One setting of a row. */
function RowPart(props: Omit<ControlProps, 'bad' | 'onDraft'>) {
  const { id, field, path, value, disabled, onChange } = props;
  const fx = useFx({ id, path, title: field.title, value, disabled, onChange });
  return (
    <div className={`insp-rowpart ${fx.box ? 'wide' : ''}`}>
      <span className="row">
        <label htmlFor={id}>{field.title}</label>
        {fx.toggle && (
          <span className="f2-more" data-on={Boolean(fx.box)}>
            {fx.toggle}
          </span>
        )}
      </span>
      {fx.box || <Control {...props} bad={false} />}
    </div>
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
