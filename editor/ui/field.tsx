/** Form controls: label, control, help or error beside each other, on real inputs and Radix primitives. */
import {
  Checkbox as RadixCheckbox,
  Select as RadixSelect,
  Slider as RadixSlider,
  Switch as RadixSwitch,
  ToggleGroup,
} from 'radix-ui';
import { type InputHTMLAttributes, type ReactNode, type Ref, type TextareaHTMLAttributes, useId } from 'react';
import { Icon } from './icon.tsx';

type FieldProps = {
  label: ReactNode;
  help?: ReactNode;
  error?: string | null | undefined;
  /** Receives the id the label points to and the id that describes it. */
  children: (ids: { id: string; describedBy: string | undefined; invalid: boolean }) => ReactNode;
  className?: string;
};

/** A labelled control with its help below it; an error takes the help's place. */
export function Field({ label, help, error, children, className = '' }: FieldProps) {
  const id = useId();
  const noteId = `${id}-note`;
  return (
    <div className={`field ${className}`}>
      <label className="label" htmlFor={id}>
        {label}
      </label>
      {children({ id, describedBy: error || help ? noteId : undefined, invalid: Boolean(error) })}
      {error ? (
        <span className="err" id={noteId}>
          <Icon name="circle-alert" size={12} />
          {error}
        </span>
      ) : (
        help && (
          <span className="help" id={noteId}>
            {help}
          </span>
        )
      )}
    </div>
  );
}

type InputProps = Omit<InputHTMLAttributes<HTMLInputElement>, 'size'> & {
  icon?: string;
  unit?: string | undefined;
  dense?: boolean;
  bad?: boolean | undefined;
  end?: ReactNode;
  ref?: Ref<HTMLInputElement>;
};

export function Input({ icon, unit, dense, bad, end, className = '', ref, ...rest }: InputProps) {
  return (
    <span className={`in ${dense ? 'sm' : ''} ${bad ? 'bad' : ''} ${rest.disabled ? 'off' : ''} ${className}`}>
      {icon && <Icon name={icon} size={14} />}
      <input ref={ref} {...rest} aria-invalid={bad || undefined} />
      {unit && <span className="unit">{unit}</span>}
      {end}
    </span>
  );
}

type TextAreaProps = TextareaHTMLAttributes<HTMLTextAreaElement> & {
  bad?: boolean | undefined;
  ref?: Ref<HTMLTextAreaElement>;
};

export function TextArea({ bad, className = '', ref, ...rest }: TextAreaProps) {
  return (
    <span className={`in area ${bad ? 'bad' : ''} ${className}`}>
      <textarea ref={ref} {...rest} aria-invalid={bad || undefined} />
    </span>
  );
}

export type Option = { value: string; label: string; note?: string | undefined; disabled?: boolean };
type SelectProps = {
  id?: string;
  value: string;
  options: readonly Option[];
  onChange: (value: string) => void;
  label?: string;
  caption?: string;
  dense?: boolean;
  bad?: boolean | undefined;
  disabled?: boolean | undefined;
  describedBy?: string | undefined;
  /** Draws the trigger as plain text with a chevron, for fields inside a node. */
  bare?: boolean;
  placeholder?: string;
  className?: string;
};

export function Select(props: SelectProps) {
  const {
    id,
    value,
    options,
    onChange,
    label,
    caption,
    dense,
    bad,
    disabled,
    describedBy,
    bare,
    placeholder,
    className = '',
  } = props;
  return (
    <RadixSelect.Root value={value} onValueChange={onChange} disabled={disabled ?? false}>
      <RadixSelect.Trigger
        id={id}
        aria-label={label}
        aria-describedby={describedBy}
        className={
          bare
            ? `bare-select nodrag ${className}`
            : `in sel ${dense ? 'sm' : ''} ${bad ? 'bad' : ''} ${disabled ? 'off' : ''} ${className}`
        }
      >
        <span className="cut">
          <RadixSelect.Value placeholder={placeholder} />
        </span>
        <Icon name="chevron-down" size={bare ? 12 : 14} />
      </RadixSelect.Trigger>
      <RadixSelect.Portal>
        <RadixSelect.Content
          className="menu"
          position="popper"
          sideOffset={4}
          collisionPadding={8}
          style={{ minWidth: 'max(160px, var(--radix-select-trigger-width))' }}
        >
          <RadixSelect.Viewport>
            {caption && <div className="cap">{caption}</div>}
            {options.map((option) => (
              <RadixSelect.Item
                key={option.value}
                value={option.value}
                disabled={option.disabled ?? false}
                className="it"
              >
                <span className="w-3.5 inline-flex">
                  <RadixSelect.ItemIndicator>
                    <Icon name="check" size={14} />
                  </RadixSelect.ItemIndicator>
                </span>
                <RadixSelect.ItemText>{option.label}</RadixSelect.ItemText>
                {option.note && <span className="faint t-12 end pl-3">{option.note}</span>}
              </RadixSelect.Item>
            ))}
          </RadixSelect.Viewport>
        </RadixSelect.Content>
      </RadixSelect.Portal>
    </RadixSelect.Root>
  );
}

type SwitchProps = {
  id?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  label?: string;
  disabled?: boolean;
  describedBy?: string | undefined;
};

export function Switch({ id, checked, onChange, label, disabled, describedBy }: SwitchProps) {
  return (
    <RadixSwitch.Root
      id={id}
      className="sw"
      checked={checked}
      onCheckedChange={onChange}
      disabled={disabled ?? false}
      aria-label={label}
      aria-describedby={describedBy}
    >
      <RadixSwitch.Thumb />
    </RadixSwitch.Root>
  );
}

type CheckboxProps = {
  id?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
  label?: string;
  disabled?: boolean;
};

export function Checkbox({ id, checked, onChange, label, disabled }: CheckboxProps) {
  return (
    <RadixCheckbox.Root
      id={id}
      className="cb"
      checked={checked}
      onCheckedChange={(next) => onChange(next === true)}
      disabled={disabled ?? false}
      aria-label={label}
    >
      <RadixCheckbox.Indicator>
        <Icon name="check" size={12} />
      </RadixCheckbox.Indicator>
    </RadixCheckbox.Root>
  );
}

type SliderProps = {
  value: number;
  min: number;
  max: number;
  step: number;
  onChange: (value: number) => void;
  onCommit?: (value: number) => void;
  label: string;
};

export function Slider({ value, min, max, step, onChange, onCommit, label }: SliderProps) {
  return (
    <RadixSlider.Root
      className="slider"
      value={[value]}
      min={min}
      max={max}
      step={step}
      onValueChange={([next]) => next !== undefined && onChange(next)}
      onValueCommit={([next]) => next !== undefined && onCommit?.(next)}
    >
      <RadixSlider.Track className="track">
        <RadixSlider.Range className="range" />
      </RadixSlider.Track>
      <RadixSlider.Thumb className="thumb" aria-label={label} />
    </RadixSlider.Root>
  );
}

type SegmentedProps = {
  id?: string;
  value: string;
  options: readonly Option[];
  onChange: (value: string) => void;
  label: string;
  dense?: boolean;
  className?: string;
};

/** One of a few, side by side. */
export function Segmented({ id, value, options, onChange, label, dense, className = '' }: SegmentedProps) {
  return (
    <ToggleGroup.Root
      id={id}
      type="single"
      className={`seg ${dense ? 'sm' : ''} ${className}`}
      value={value}
      onValueChange={(next) => next !== '' && onChange(next)}
      aria-label={label}
    >
      {options.map((option) => (
        <ToggleGroup.Item key={option.value} value={option.value} disabled={option.disabled ?? false}>
          {option.label}
        </ToggleGroup.Item>
      ))}
    </ToggleGroup.Root>
  );
}
