/** The person's own menu: who one is, theme, notifications, sign out. */
import { useQuery } from '@tanstack/react-query';
import { askToNotify, useNotifyState } from '../runs/notify.ts';
import { meQuery, signOut } from '../session/session.ts';
import { Menu } from '../ui/menu.tsx';
import { Avatar } from '../ui/parts.tsx';
import { setTheme, useTheme } from '../ui/theme.ts';

export function UserMenu() {
  const { data: me } = useQuery(meQuery);
  const theme = useTheme();
  const notify = useNotifyState();
  if (!me) return null;
  const { name, email } = me.user;
  return (
    <Menu
      align="end"
      width={232}
      trigger={
        <button type="button" className="btn quiet icon rounded-full">
          <Avatar name={name} />
          <span className="sr">account and theme</span>
        </button>
      }
      items={[
        {
          before: (
            <div className="px-2 py-1.5">
              <div className="font-[550] cut">{name}</div>
              <div className="t-12 muted cut">{email}</div>
            </div>
          ),
        },
        'line',
        { caption: 'Theme' },
        { label: 'As the system', checked: theme === 'system', onSelect: () => setTheme('system') },
        { label: 'Light', checked: theme === 'light', onSelect: () => setTheme('light') },
        { label: 'Dark', checked: theme === 'dark', onSelect: () => setTheme('dark') },
        'line',
        ...(notify === 'absent'
          ? []
          : [
              {
                label: 'Notify me of runs',
                icon: 'bell',
                note: notify === 'granted' ? 'on' : notify === 'denied' ? 'blocked' : '',
                disabled: notify !== 'default',
                onSelect: () => void askToNotify(),
              },
            ]),
        { label: 'Sign out', icon: 'log-out', onSelect: () => void signOut() },
      ]}
    />
  );
}
