import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { followHistories, openHistory, readHistories } from './history';

describe('histories of processes', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'history-'));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  it('are read together, by time', () => {
    const [one, two] = [openHistory(folder, 'one'), openHistory(folder, 'two')];
    two.note({ name: 'ended', at: 2 });
    one.noteAs('part')({ name: 'looked', at: 3 });
    one.note({ name: 'ended', at: 1 });
    one.close();
    two.close();

    expect(readHistories(folder)).toEqual([
      { name: 'ended', at: 1, by: 'one' },
      { name: 'ended', at: 2, by: 'two' },
      { name: 'looked', at: 3, by: 'one/part' },
    ]);
  });

  it('can be followed, a line that is half written once it is whole', () => {
    const { note, close } = openHistory(folder, 'one');
    const follow = followHistories(folder);
    note({ name: 'looked', at: 1 });
    appendFileSync(join(folder, 'one.history'), '{"at":2,"by":"one",');
    expect(follow()).toEqual([{ name: 'looked', at: 1, by: 'one' }]);

    appendFileSync(join(folder, 'one.history'), '"name":"ended"}\n');
    close();

    expect(follow()).toEqual([{ name: 'ended', at: 2, by: 'one' }]);
  });
});
