/** The page of one pipeline. */
export function PipelinePage() {
  return null;
}
