/** The kit of one brand as a form, beside a look at it. Saved as a whole, because pieces of it are drawn together. */
import './brands.css';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, type ReactNode, useState } from 'react';
import { ImageAsset } from '../../nodes/contract.ts';
import { client } from '../api.ts';
import { mediaAddress } from '../media/address.ts';
import { sayProblem } from '../pipelines/pipelines-page.tsx';
import { Button, IconButton } from '../ui/button.tsx';
import { ErrorOf } from '../ui/error-card.tsx';
import { Field, Input, Segmented, Select, TextArea } from '../ui/field.tsx';
import { Icon } from '../ui/icon.tsx';
import { toast } from '../ui/toast.tsx';
import { useFileChooser } from '../uploads/drop-anywhere.tsx';
import { sendFile } from '../uploads/uploads.ts';
import { contrast, isColor, READABLE } from './contrast.ts';
import type { Brand } from './current-brand.ts';
import { KitLook } from './kit-look.tsx';

/** The families the product ships and can draw on pictures. */
const FONTS = ['Bricolage Grotesque', 'Instrument Sans', 'Noto Sans'].map((name) => ({ value: name, label: name }));
const CAPTIONS = [
  { value: 'marker', label: 'Marker' },
  { value: 'plain', label: 'Plain' },
  { value: 'box', label: 'Box' },
  { value: 'stack', label: 'Stack' },
];
const COLORS: { key: keyof BrandKit['colors']; label: string; help: string }[] = [
  { key: 'primary', label: 'Primary', help: 'Marks words, fills thumbnails.' },
  { key: 'light', label: 'Light', help: 'The spoken word in Stack.' },
  { key: 'ink', label: 'Ink', help: 'Text on light grounds.' },
  { key: 'paper', label: 'Paper', help: 'The ground of pages.' },
];
const LOGO_BYTES = 2e6;

type BrandKit = Brand['kit'];
type BrandKitFormProps = { workspaceId: string; brand: Brand; mayEdit: boolean };

export function BrandKitForm({ workspaceId, brand, mayEdit }: BrandKitFormProps) {
  const cache = useQueryClient();
  const [kit, setKit] = useState<BrandKit>(brand.kit);
  const [name, setName] = useState(brand.name);
  const [timeZone, setTimeZone] = useState(brand.timeZone);
  const [sending, setSending] = useState(false);
  const change = (part: Partial<BrandKit>) => setKit((before) => ({ ...before, ...part }));
  const dirty = JSON.stringify(kit) !== JSON.stringify(brand.kit) || name !== brand.name || timeZone !== brand.timeZone;
  const badColor = COLORS.find(({ key }) => !isColor(kit.colors[key]));
  const badLink = kit.links.find(({ url }) => !/^https?:\/\/\S+\.\S+/.test(url));
  const fault =
    name.trim() === ''
      ? 'A brand needs a name.'
      : badColor
        ? `${badColor.label} is no colour yet.`
        : badLink
          ? 'A link begins with https://.'
          : null;
  const save = useMutation({
    mutationFn: () =>
      client.brands.update.mutate({
        workspaceId,
        brandId: brand.id,
        name: name.trim(),
        timeZone,
        kit: { ...kit, name: name.trim() },
      }),
    onSuccess: async () => {
      await cache.invalidateQueries({ queryKey: ['brands', workspaceId] });
      toast({ title: 'Brand saved', text: 'What is made from now on wears it.', tone: 'success' });
    },
  });
  const chooseLogo = useFileChooser('.png,.jpg,.jpeg,.webp', false, async ([file]) => {
    if (!file) return;
    if (file.size > LOGO_BYTES) {
      toast({ title: 'This logo is too large', text: 'Up to 2 MB fit. Export it smaller.', tone: 'warning' });
      return;
    }
    setSending(true);
    try {
      const logo = await sendFile(workspaceId, file);
      const picture = ImageAsset.safeParse(logo);
      if (picture.success) change({ logo: picture.data });
      else toast({ title: `${file.name} is no picture`, text: 'Take PNG, JPEG or WebP.', tone: 'warning' });
    } catch (error) {
      sayProblem(error);
    } finally {
      setSending(false);
    }
  });
  const reset = () => {
    setKit(brand.kit);
    setName(brand.name);
    setTimeZone(brand.timeZone);
    save.reset();
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!fault) save.mutate();
  };
  return (
    <form className="kit" onSubmit={submit}>
      <fieldset className="fields min-w-0" disabled={!mayEdit}>
        <div className="two">
          <Field label="Name">
            {({ id }) => (
              <Input id={id} maxLength={80} value={name} onChange={(event) => setName(event.target.value)} />
            )}
          </Field>
          <Field label="Time zone" help="Dates on its pages and plans.">
            {({ id, describedBy }) => (
              <ZoneField id={id} describedBy={describedBy} value={timeZone} onChange={setTimeZone} />
            )}
          </Field>
        </div>
        <Part title="Colours">
          <div className="two">
            {COLORS.map(({ key, label, help }) => (
              <Field
                key={key}
                label={label}
                help={help}
                error={isColor(kit.colors[key]) ? null : 'A colour is # and six digits, like #2c45e4.'}
              >
                {({ id, describedBy, invalid }) => (
                  <span className={`in ${invalid ? 'bad' : ''}`}>
                    <span
                      className="swatch"
                      style={{ background: isColor(kit.colors[key]) ? kit.colors[key] : undefined }}
                    >
                      <input
                        type="color"
                        aria-label={`Choose ${label.toLowerCase()}`}
                        value={isColor(kit.colors[key]) ? kit.colors[key].toLowerCase() : '#000000'}
                        onChange={(event) => change({ colors: { ...kit.colors, [key]: event.target.value } })}
                      />
                    </span>
                    <input
                      id={id}
                      aria-describedby={describedBy}
                      aria-invalid={invalid || undefined}
                      spellCheck={false}
                      maxLength={7}
                      className="mono"
                      value={kit.colors[key]}
                      onChange={(event) => change({ colors: { ...kit.colors, [key]: event.target.value.trim() } })}
                    />
                  </span>
                )}
              </Field>
            ))}
          </div>
          <Ratios kit={kit} />
        </Part>
        <Part title="Type">
          <div className="two">
            <Field label="Display">
              {({ id }) => (
                <Select
                  id={id}
                  value={kit.fonts.display}
                  options={withCurrent(kit.fonts.display)}
                  onChange={(display) => change({ fonts: { ...kit.fonts, display } })}
                />
              )}
            </Field>
            <Field label="Text">
              {({ id }) => (
                <Select
                  id={id}
                  value={kit.fonts.text}
                  options={withCurrent(kit.fonts.text)}
                  onChange={(text) => change({ fonts: { ...kit.fonts, text } })}
                />
              )}
            </Field>
          </div>
        </Part>
        <Part title="Logo">
          <div className="row gap-3">
            <span className="logobox">
              {kit.logo ? (
                <img src={mediaAddress(workspaceId, kit.logo.asset)} alt={`Logo of ${name}`} />
              ) : (
                <Icon name="image" size={20} />
              )}
            </span>
            <Button size="sm" icon="upload" busy={sending} onClick={chooseLogo}>
              {kit.logo ? 'Replace' : 'Upload'}
            </Button>
            {kit.logo && (
              <Button size="sm" look="quiet" onClick={() => change({ logo: null })}>
                Remove
              </Button>
            )}
            <span className="t-12 muted">PNG, JPEG or WebP, up to 2 MB. Without one its initial is drawn.</span>
          </div>
        </Part>
        <Part title="Captions">
          <Segmented
            label="Caption style"
            className="justify-self-start"
            value={kit.captions.style}
            options={CAPTIONS}
            onChange={(style) => change({ captions: { style: style as BrandKit['captions']['style'] } })}
          />
        </Part>
        <Field label="Voice" help="How it speaks: read by steps that write. Words it uses, words it never uses.">
          {({ id, describedBy }) => (
            <TextArea
              id={id}
              aria-describedby={describedBy}
              rows={3}
              maxLength={2000}
              value={kit.voice}
              onChange={(event) => change({ voice: event.target.value })}
            />
          )}
        </Field>
        <Part title="Links">
          <div className="grid gap-1.5">
            {kit.links.map((link, place) => {
              const set = (part: Partial<typeof link>) =>
                change({ links: kit.links.map((each, index) => (index === place ? { ...each, ...part } : each)) });
              return (
                // Links have no ids; their order is theirs.
                // biome-ignore lint/suspicious/noArrayIndexKey: see above
                <div className="linkrow" key={place}>
                  <Input
                    aria-label={`Words of link ${place + 1}`}
                    placeholder="Website"
                    maxLength={60}
                    value={link.label}
                    onChange={(event) => set({ label: event.target.value })}
                  />
                  <Input
                    aria-label={`Address of link ${place + 1}`}
                    type="url"
                    placeholder="https://"
                    maxLength={500}
                    bad={link.url !== '' && !/^https?:\/\/\S+\.\S+/.test(link.url)}
                    value={link.url}
                    onChange={(event) => set({ url: event.target.value.trim() })}
                  />
                  <IconButton
                    icon="x"
                    label={`Remove link ${place + 1}`}
                    onClick={() => change({ links: kit.links.filter((_each, index) => index !== place) })}
                  />
                </div>
              );
            })}
            {kit.links.length < 12 && (
              <Button
                size="sm"
                icon="plus"
                className="justify-self-start"
                onClick={() => change({ links: [...kit.links, { label: '', url: '' }] })}
              >
                Add a link
              </Button>
            )}
          </div>
        </Part>
        {save.error && <ErrorOf error={save.error} onRetry={() => save.mutate()} />}
        {dirty && mayEdit && (
          <div className="savebar">
            <span className="grow t-12 min-w-40">{fault ?? 'Not saved yet.'}</span>
            <Button size="sm" look="quiet" onClick={reset}>
              Discard
            </Button>
            <Button size="sm" look="main" type="submit" busy={save.isPending} disabled={fault !== null}>
              {save.isPending ? 'Saving' : 'Save brand'}
            </Button>
          </div>
        )}
      </fieldset>
      <KitLook kit={kit} name={name} logo={kit.logo ? mediaAddress(workspaceId, kit.logo.asset) : null} />
    </form>
  );
}

const withCurrent = (name: string) =>
  FONTS.some(({ value }) => value === name) ? FONTS : [...FONTS, { value: name, label: name, note: 'not shipped' }];

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="grid gap-2" aria-label={title}>
      <h3 className="h-16">{title}</h3>
      {children}
    </section>
  );
}

function Ratios({ kit: { colors } }: { kit: BrandKit }) {
  if (!Object.values(colors).every(isColor)) return null;
  const pairs: { text: string; ground: string; label: string; poor: string }[] = [
    { text: '#ffffff', ground: colors.primary, label: 'White on primary', poor: 'ink is used instead' },
    { text: colors.ink, ground: colors.paper, label: 'Ink on paper', poor: 'hard to read on pages' },
    { text: colors.ink, ground: colors.light, label: 'Ink on light', poor: 'hard to read' },
    { text: colors.primary, ground: colors.paper, label: 'Primary on paper', poor: 'for large words only' },
  ];
  return (
    <ul className="ratios" aria-label="Contrast">
      {pairs.map(({ text, ground, label, poor }) => {
        const ratio = contrast(text, ground);
        const good = ratio >= READABLE;
        return (
          <li key={label}>
            <span className="s" style={{ color: text, background: ground }} aria-hidden="true">
              Aa
            </span>
            <span className="w-32">{label}</span>
            <span className="w-12 muted">{ratio.toFixed(1)}</span>
            <span className={good ? 'faint' : 'text-warning'}>{good ? 'reads well' : `below 4.5: ${poor}`}</span>
          </li>
        );
      })}
    </ul>
  );
}

type ZoneFieldProps = {
  id: string;
  describedBy: string | undefined;
  value: string;
  onChange: (zone: string) => void;
};

/** Some four hundred names: typed with suggestions rather than scrolled. A name that is none goes back. */
function ZoneField({ id, describedBy, value, onChange }: ZoneFieldProps) {
  const [draft, setDraft] = useState(value);
  const zones = Intl.supportedValuesOf('timeZone');
  const known = draft === 'UTC' || zones.includes(draft);
  return (
    <>
      <Input
        id={id}
        aria-describedby={describedBy}
        list={`${id}-zones`}
        bad={!known}
        value={draft}
        onChange={(event) => {
          setDraft(event.target.value);
          if (event.target.value === 'UTC' || zones.includes(event.target.value)) onChange(event.target.value);
        }}
        onBlur={() => !known && setDraft(value)}
      />
      <datalist id={`${id}-zones`}>
        {['UTC', ...zones].map((zone) => (
          <option key={zone} value={zone} />
        ))}
      </datalist>
    </>
  );
}
