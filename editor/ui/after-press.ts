/**
 * Runs an act when the pointer is up again. Leaving a field by a press on a button writes the field; written at once, a
 * line of error that comes or goes would move the button away from under the pointer, and its click would be lost.
 */
let isPressed = false;
if (typeof document !== 'undefined') {
  const set = (pressed: boolean) => () => {
    isPressed = pressed;
  };
  document.addEventListener('pointerdown', set(true), { capture: true });
  document.addEventListener('pointerup', set(false), { capture: true });
  document.addEventListener('pointercancel', set(false), { capture: true });
}

/** At once where no pointer is down (Tab, Enter); else when it is let go, before the click is told. */
export function afterPress(act: () => void): void {
  if (!isPressed) {
    act();
    return;
  }
  const ended = new AbortController();
  const once = () => {
    ended.abort();
    act();
  };
  document.addEventListener('pointerup', once, { capture: true, signal: ended.signal });
  document.addEventListener('pointercancel', once, { capture: true, signal: ended.signal });
}
