import './wrong-date'; // First, so that nothing has seen the right time.
import { connect, runProgram, sayReady, type ProgramInput } from '../../faults/program';
import { run, type Role } from '../../faults/roles';

export interface ConsumerInput extends ProgramInput {
  readonly roles: readonly Role[];
}

/** Takes tasks in several ways at once, until it is asked to end. */
void runProgram<ConsumerInput>(async (input, history, ending) => {
  const { roles, seed, hasTransactions, leaseMs } = input;
  const parts = await Promise.all(
    roles.map(async (role) => {
      const note = history.noteAs(role);
      return { ...(await connect(input, note)), note, ending, hasTransactions, leaseMs };
    }),
  );
  sayReady();
  await Promise.all(roles.map((role, index) => run(role, parts[index]!, seed + index)));
  await Promise.all(parts.map(({ connection }) => connection.destroy()));
});
