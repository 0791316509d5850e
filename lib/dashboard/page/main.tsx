/** The page of the dashboard: asks what there is to show, then shows it. */
import './styles/main.css';
import { render } from 'preact';
import { App } from './app';
import { goLive } from './live';
import './theme';

goLive();
render(<App />, document.body);

// So that every address of the page has its route, also the first.
if (!location.hash) history.replaceState(null, '', '#/');
