import { model, Schema } from 'mongoose';
import { taskQueue } from 'mongoose-task-queue';
import { OnTask, Process, Processor, TaskQueueModule } from 'mongoose-task-queue/nestjs';
import { metrics, type Metrics } from 'mongoose-task-queue/metrics';
import { instrument, processing } from 'mongoose-task-queue/opentelemetry';
import { type OpenMetricsContentType, register, Registry } from 'prom-client';
import { metrics as measured, trace } from '@opentelemetry/api';

const Email = model('Email', taskQueue(new Schema({ to: { type: String, required: true } })));
const Report = model('Report', taskQueue(new Schema({ pages: Number }), { bind: false }));

const all: Metrics = metrics({
  models: [Email, Report],
  register,
  onError: (error, queue) => console.error(error, queue),
});
metrics({ models: Email, register: new Registry<OpenMetricsContentType>() }).close();
// @ts-expect-error -- a model without the plugin
metrics({ models: model('Plain', new Schema({ to: String })) });
export const text: Promise<string> = all.register.metrics();

const stop: () => void = instrument({
  propagate: true,
  tracerProvider: trace.getTracerProvider(),
  meterProvider: measured.getMeterProvider(),
  logger: { emit: ({ eventName, severityNumber }) => console.log(eventName.length + severityNumber) },
});
stop();

export async function work(): Promise<number> {
  const emails = await Email.popMany(10);
  return processing(emails, () => emails.length);
}

@Processor('Email', { concurrency: 8, category: ['bulk'], timeoutMs: 1_000 })
export class EmailProcessor {
  process(email: InstanceType<typeof Email>): void {
    console.log(email.to);
  }

  @Process({ kind: ['Sms', Email], category: 'bulk' })
  sms(): void {}

  @OnTask('failed')
  onFailed(email: InstanceType<typeof Email>, error: unknown): void {
    console.log(email.to, error);
  }

  // @ts-expect-error -- a task that is slow comes with how long it runs
  @OnTask('slow')
  onSlow(email: InstanceType<typeof Email>, error: string): void {
    console.log(email.to, error);
  }
}
// @ts-expect-error -- no such option
export const root = [TaskQueueModule.forRoot({ concurrency: 4 }), TaskQueueModule.forRoot({ concurency: 4 })];
// @ts-expect-error -- no such event
OnTask('finnished');
