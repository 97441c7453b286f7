/** Menus: a list of items under a button, and the same list as a context menu. */
import { DropdownMenu, ContextMenu as RadixContextMenu } from 'radix-ui';
import { Fragment, type ReactElement, type ReactNode } from 'react';
import { Icon } from './icon.tsx';
import { Keys } from './keys.tsx';

export type MenuItem =
  | {
      label: string;
      icon?: string | undefined;
      keys?: string | undefined;
      note?: string | undefined;
      checked?: boolean | undefined;
      danger?: boolean;
      disabled?: boolean | undefined;
      onSelect: () => void;
    }
  | { caption: string }
  | { before: ReactNode }
  | 'line';

type Parts = Pick<typeof DropdownMenu, 'Item' | 'Separator' | 'Label'>;

function Items({ items, parts }: { items: readonly MenuItem[]; parts: Parts }) {
  return items.map((item, index) => {
    // The lists are static while a menu is open.
    const key = `${index}`;
    if (item === 'line')
      return (
        <parts.Separator key={key} asChild={true}>
          <hr />
        </parts.Separator>
      );
    if ('caption' in item)
      return (
        <parts.Label key={key} className="cap">
          {item.caption}
        </parts.Label>
      );
    if ('before' in item) return <Fragment key={key}>{item.before}</Fragment>;
    return (
      <parts.Item
        key={key}
        className={`it ${item.danger ? 'danger' : ''}`}
        disabled={item.disabled ?? false}
        onSelect={item.onSelect}
      >
        {item.checked !== undefined ? (
          <span className="w-4 inline-flex">{item.checked && <Icon name="check" size={14} label="chosen" />}</span>
        ) : (
          item.icon && <Icon name={item.icon} />
        )}
        <span className="cut">{item.label}</span>
        {item.note && <span className="faint t-12 end pl-3">{item.note}</span>}
        {item.keys && <Keys keys={item.keys} className="end pl-3" />}
      </parts.Item>
    );
  });
}

type MenuProps = {
  trigger: ReactElement;
  items: readonly MenuItem[];
  align?: 'start' | 'center' | 'end';
  side?: 'top' | 'bottom' | 'right' | 'left';
  width?: number;
};

export function Menu({ trigger, items, align = 'start', side = 'bottom', width }: MenuProps) {
  return (
    <DropdownMenu.Root modal={false}>
      <DropdownMenu.Trigger asChild={true}>{trigger}</DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content
          className="menu"
          align={align}
          side={side}
          sideOffset={4}
          collisionPadding={8}
          style={{ width }}
        >
          <Items items={items} parts={DropdownMenu} />
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}

type ContextMenuProps = { children: ReactElement; items: readonly MenuItem[]; onOpenChange?: (open: boolean) => void };

/** A right click, a long press or the menu key on `children`. */
export function ContextMenu({ children, items, onOpenChange }: ContextMenuProps) {
  return (
    <RadixContextMenu.Root modal={false} {...(onOpenChange ? { onOpenChange } : {})}>
      <RadixContextMenu.Trigger asChild={true}>{children}</RadixContextMenu.Trigger>
      <RadixContextMenu.Portal>
        <RadixContextMenu.Content className="menu" collisionPadding={8}>
          <Items items={items} parts={RadixContextMenu} />
        </RadixContextMenu.Content>
      </RadixContextMenu.Portal>
    </RadixContextMenu.Root>
  );
}
