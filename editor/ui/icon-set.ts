/** Every lucide icon, in a chunk of its own that is loaded only when a plugin names one that is not bundled. */
export { icons } from 'lucide-react';
