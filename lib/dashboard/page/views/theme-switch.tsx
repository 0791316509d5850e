/** Dark or light, by a button. */
import { useEffect, useState } from 'preact/hooks';
import { Icon } from '../parts/icon';
import { currentTheme, switchTheme, type Theme } from '../theme';

/** The theme, rendered again when it is switched. */
export function useTheme(): Theme {
  const [theme, setTheme] = useState(currentTheme());
  useEffect(() => {
    const changed = () => setTheme(currentTheme());
    addEventListener('themechange', changed);
    changed(); // as the system may have, before this line

    return () => removeEventListener('themechange', changed);
  }, []);

  return theme;
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
