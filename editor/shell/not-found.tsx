/** An address that leads nowhere. */
import { Link } from '@tanstack/react-router';
import { Empty } from '../ui/parts.tsx';

export function NotFound() {
  return (
    <main className="page" id="content">
      <Empty
        icon="unplug"
        title="There is nothing at this address"
        text="It may have been deleted, or the link is not whole."
        action={
          <Link to="/" className="btn main">
            To the start
          </Link>
        }
      />
    </main>
  );
}
