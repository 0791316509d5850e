/** Dark or light, by a button. */
import { useHeard } from '../heard';
import { Icon } from '../parts/icon';
import { currentTheme, switchTheme, type Theme } from '../theme';

/** The theme, rendered again when it is switched. */
export function useTheme(): Theme {
  return useHeard('themechange', currentTheme);
}

export function ThemeSwitch() {
  const dark = useTheme() === 'dark';
  const label = dark ? 'Light theme' : 'Dark theme';

  return (
    <button type="button" class="quiet square" aria-label={label} title={`${label} (t)`} onClick={switchTheme}>
      <Icon name={dark ? 'sun' : 'moon'} />
    </button>
  );
}
