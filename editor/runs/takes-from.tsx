/** Where a part of a pipeline gets from what comes before it: as an earlier run settled it, or by what is stored. */
import { Field, Segmented } from '../ui/field.tsx';

type TakesFromProps = { number: number; takes: string; onChange: (takes: string) => void };

export function TakesFrom({ number, takes, onChange }: TakesFromProps) {
  return (
    <Field
      label="What comes before"
      help={
        takes === 'yes'
          ? `Stands as run ${number} left it. Nothing of it runs or is sent again.`
          : 'Reused where nothing changed, and made again where it cannot be.'
      }
    >
      {({ id }) => (
        <Segmented
          id={id}
          className="w-max max-w-full"
          label="What comes before"
          value={takes}
          options={[
            { value: 'yes', label: `From run ${number}` },
            { value: 'no', label: 'As for any run' },
          ]}
          onChange={onChange}
        />
      )}
    </Field>
  );
}
