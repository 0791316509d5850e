import './wrong-date'; // First, so that nothing has seen the right time.
import { connect, runProgram, type ProgramInput } from '../../faults/program';
import { run, type Role } from '../../faults/roles';

export interface ConsumerInput extends ProgramInput {
  readonly roles: readonly Role[];
}

/** Takes tasks in several ways at once, until it is asked to end. */
void runProgram<ConsumerInput>(async (input, history, ending) => {
  await Promise.all(
    input.roles.map(async (role, index) => {
      const note = history.noteAs(role);
      const { connection, tasks } = await connect(input, note);
      const { hasTransactions } = input;
      await run(role, { connection, tasks, note, ending, hasTransactions }, input.seed + index);
      await connection.destroy();
    }),
  );
});
