/**
 * Every act that has a key, by name: the keyboard, the shortcuts dialog and the command palette read this one list.
 * `mod` is Ctrl, or Cmd on Apple machines. Pure but for reading a key event.
 */
export type ShortcutId =
  | 'run'
  | 'run-from'
  | 'pin'
  | 'publish'
  | 'undo'
  | 'redo'
  | 'copy'
  | 'cut'
  | 'paste'
  | 'duplicate'
  | 'select-all'
  | 'delete'
  | 'rename'
  | 'open'
  | 'add'
  | 'note'
  | 'section'
  | 'tidy'
  | 'fit'
  | 'fit-selection'
  | 'zoom-in'
  | 'zoom-out'
  | 'zoom-reset'
  | 'outline'
  | 'inspector'
  | 'commands'
  | 'shortcuts'
  | 'nudge'
  | 'nudge-far'
  | 'walk'
  | 'wire'
  | 'clear';

export type Shortcut = { id: ShortcutId; label: string; keys: string; group: string; alternative?: string };

export const SHORTCUTS: readonly Shortcut[] = [
  { id: 'commands', label: 'Search commands', keys: 'mod+k', group: 'Everywhere' },
  { id: 'shortcuts', label: 'Show shortcuts', keys: '?', group: 'Everywhere' },
  { id: 'run', label: 'Run', keys: 'mod+enter', group: 'Everywhere' },
  { id: 'run-from', label: 'Run from the selected node', keys: 'r', group: 'Everywhere' },
  { id: 'pin', label: 'Pin what the selected node gave, or take the pin away', keys: 'p', group: 'Editing' },
  { id: 'publish', label: 'Publish', keys: 'mod+shift+p', group: 'Everywhere' },
  { id: 'outline', label: 'Canvas or outline', keys: 'o', group: 'Everywhere' },
  { id: 'inspector', label: 'Show or hide the inspector', keys: 'i', group: 'Everywhere' },
  { id: 'undo', label: 'Undo', keys: 'mod+z', group: 'Editing' },
  { id: 'redo', label: 'Redo', keys: 'mod+shift+z', alternative: 'mod+y', group: 'Editing' },
  { id: 'add', label: 'Add a node', keys: '/', group: 'Editing' },
  { id: 'note', label: 'Add a note', keys: 'n', group: 'Editing' },
  { id: 'section', label: 'Put a section around the selection', keys: 's', group: 'Editing' },
  { id: 'copy', label: 'Copy as JSON', keys: 'mod+c', group: 'Editing' },
  { id: 'cut', label: 'Cut', keys: 'mod+x', group: 'Editing' },
  { id: 'paste', label: 'Paste', keys: 'mod+v', group: 'Editing' },
  { id: 'duplicate', label: 'Duplicate', keys: 'mod+d', group: 'Editing' },
  { id: 'delete', label: 'Delete', keys: 'delete', alternative: 'backspace', group: 'Editing' },
  { id: 'rename', label: 'Rename', keys: 'F2', group: 'Editing' },
  { id: 'tidy', label: 'Tidy up the selection or everything', keys: 'shift+t', group: 'Editing' },
  { id: 'select-all', label: 'Select all', keys: 'mod+a', group: 'Selecting and moving' },
  { id: 'open', label: 'Open the focused node', keys: 'enter', group: 'Selecting and moving' },
  { id: 'clear', label: 'Select nothing, let go', keys: 'escape', group: 'Selecting and moving' },
  { id: 'nudge', label: 'Move the selection by 16', keys: 'arrows', group: 'Selecting and moving' },
  { id: 'nudge-far', label: 'Move the selection by 80', keys: 'shift+arrows', group: 'Selecting and moving' },
  { id: 'walk', label: 'Go to the next node', keys: 'alt+arrows', group: 'Selecting and moving' },
  { id: 'wire', label: 'On a port: start, walk, join a wire', keys: 'enter', group: 'Selecting and moving' },
  { id: 'fit', label: 'Zoom to fit', keys: 'shift+1', group: 'Looking' },
  { id: 'fit-selection', label: 'Zoom to the selection', keys: 'shift+2', group: 'Looking' },
  { id: 'zoom-in', label: 'Zoom in', keys: 'mod++', alternative: 'mod+=', group: 'Looking' },
  { id: 'zoom-out', label: 'Zoom out', keys: 'mod+-', group: 'Looking' },
  { id: 'zoom-reset', label: 'Zoom to 100 %', keys: 'mod+0', group: 'Looking' },
];

type KeyPress = {
  key: string;
  code: string;
  ctrlKey: boolean;
  metaKey: boolean;
  shiftKey: boolean;
  altKey: boolean;
};

/** Whether a key press is `keys`. Digits are read from the key's place, since Shift makes them signs. */
export function isPressed(press: KeyPress, keys: string): boolean {
  const parts = keys === 'mod++' ? ['mod', '+'] : keys.split('+');
  const name = parts.at(-1)!.toLowerCase();
  const wants = (modifier: string) => parts.slice(0, -1).includes(modifier);
  const mod = press.ctrlKey || press.metaKey;
  if (mod !== wants('mod') || press.altKey !== wants('alt')) return false;
  const key = press.key.toLowerCase();
  const isDigit = /^[0-9]$/.test(name);
  const isSign = /^[^a-z0-9]$/.test(name);
  // A sign such as ? or + says itself whether Shift was needed.
  if (!isSign && press.shiftKey !== wants('shift')) return false;
  return isDigit ? press.code === `Digit${name}` : key === name;
}

export function shortcutFor(press: KeyPress): ShortcutId | null {
  for (const { id, keys, alternative } of SHORTCUTS) {
    if (keys.endsWith('arrows') || id === 'wire') continue;
    if (isPressed(press, keys) || (alternative && isPressed(press, alternative))) return id;
  }
  return null;
}
