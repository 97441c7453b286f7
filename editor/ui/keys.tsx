/** Names of keys as this machine prints them, and the small keycaps of menus and the shortcuts dialog. */
export const IS_APPLE = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.platform);

const NAMES: Record<string, string> = {
  mod: IS_APPLE ? 'Cmd' : 'Ctrl',
  shift: 'Shift',
  alt: IS_APPLE ? 'Option' : 'Alt',
  delete: 'Del',
  escape: 'Esc',
  enter: 'Enter',
  space: 'Space',
  arrows: 'Arrows',
};

/** `mod+shift+z` → `['Ctrl', 'Shift', 'Z']` */
export function keyNames(keys: string): string[] {
  return keys.split('+').map((key) => NAMES[key] ?? (key.length === 1 ? key.toUpperCase() : key));
}

export function Keys({ keys, className = '' }: { keys: string; className?: string }) {
  return (
    <span className={`inline-flex gap-1 ${className}`}>
      {keyNames(keys).map((name) => (
        <kbd key={name} className="kbd">
          {name}
        </kbd>
      ))}
    </span>
  );
}
