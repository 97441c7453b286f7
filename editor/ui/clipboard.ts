/** The system's clipboard. Browsers have none for pages over plain HTTP, or where the person said no: both reject alike. */

export async function writeClipboard(text: string): Promise<void> {
  if (!navigator.clipboard) throw new Error('This page may not use the clipboard.');
  await navigator.clipboard.writeText(text);
}

export async function readClipboard(): Promise<string> {
  if (!navigator.clipboard) throw new Error('This page may not use the clipboard.');
  return navigator.clipboard.readText();
}
