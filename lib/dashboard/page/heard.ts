import { useEffect, useState } from 'preact/hooks';

/** What `read` tells, read anew at each event of the window with this name. */
export function useHeard<T>(event: string, read: () => T): T {
  const [value, setValue] = useState(read);
  useEffect(() => {
    const heard = () => setValue(read);
    addEventListener(event, heard);
    heard(); // the event may have come between the first sight of the page and this line

    return () => removeEventListener(event, heard);
  }, []);

  return value;
}
