import { startProgram } from './support/child';
import { useDatabase } from './support/database';

describe('a process that unhandled rejections end', () => {
  const database = useDatabase();

  it('lives on through whatever goes wrong', async () => {
    const program = startProgram(
      'rejections',
      { uri: database.uri },
      { NODE_OPTIONS: '--unhandled-rejections=strict' },
    );

    const { done } = await program.line((message) => 'done' in message);

    expect(program.messages.filter((message) => 'survived' in message)).toHaveLength(done as number);
    await expect(program.exit).resolves.toEqual({ code: 0, signal: null });
  });
});
