/** Views that bring a library along are loaded when somebody goes there. */
import type { FunctionComponent } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Notice, Skeleton } from './parts/notice';

export function lazy<Props extends object>(load: () => Promise<FunctionComponent<Props>>): FunctionComponent<Props> {
  let loaded: FunctionComponent<Props> | undefined;

  return function Lazy(props: Props) {
    const [failed, setFailed] = useState(false);
    const [, setReady] = useState(loaded !== undefined);
    useEffect(() => {
      if (loaded) return;
      load().then(
        (component) => {
          loaded = component;
          setReady(true);
        },
        () => setFailed(true),
      );
    }, []);
    if (failed)
      return <Notice tone="bad">A part of the page could not be loaded. Was it updated? Load it again.</Notice>;
    if (!loaded) return <Skeleton />;
    const Loaded = loaded;

    return <Loaded {...props} />;
  };
}
