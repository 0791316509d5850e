import './wrong-date'; // First, so that nothing has seen the right time.
import { produce } from '../../faults/produce';
import { connect, runProgram, sayReady, type ProgramInput } from '../../faults/program';

export interface ProducerInput extends ProgramInput {
  readonly forMs: number;
}

/** Pushes tasks for some time. */
void runProgram<ProducerInput>(async (input, history, ending) => {
  const { connection, tasks } = await connect(input, history.note);
  const { note } = history;
  await produce({ ...input, connection, tasks, note, ending, onPushed: sayReady });
  await connection.destroy();
});
