/** What is said in the place where something else is missing, or wrong. */
import type { ComponentChildren } from 'preact';
import type { Resource } from '../resource';
import { Text } from './text';
import { Icon, type IconName } from './icon';

interface Props {
  children: ComponentChildren;
  tone?: 'bad' | 'warning' | 'plain';
  icon?: IconName;
}

export function Notice({ children, tone = 'plain', icon = 'alert' }: Props) {
  return (
    <div class="notice" data-tone={tone} role={tone === 'bad' ? 'alert' : undefined}>
      <Icon name={icon} />
      <div>{children}</div>
    </div>
  );
}

/** Where a list is empty: what that means, and what to do. */
export function Empty({
  title,
  children,
  icon = 'good',
}: {
  title: string;
  children?: ComponentChildren;
  icon?: IconName;
}) {
  return (
    <div class="empty">
      <Icon name={icon} size={28} />
      <p class="empty-title">{title}</p>
      {children && <div class="muted">{children}</div>}
    </div>
  );
}

/** What a view shows while it has no answer, and beside an old one when the newest could not be had. */
export function Missing({ of: { data, error, reload } }: { of: Resource<unknown> }) {
  if (error)
    return (
      <Notice tone="bad">
        <Text of={error.message} />
        {data !== undefined && ' What you see is from before.'}{' '}
        <button type="button" class="link" onClick={reload}>
          Try again
        </button>
      </Notice>
    );

  return data === undefined ? <Skeleton /> : null;
}

export function Skeleton() {
  return (
    <div class="skeleton" role="status" aria-label="Loading">
      <span />
      <span />
      <span />
    </div>
  );
}
