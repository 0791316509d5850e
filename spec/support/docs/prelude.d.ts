import type { Schema as MongooseSchema, Types } from 'mongoose';
import type { QueueOf, TaskModel, Worker } from 'mongoose-task-queue';

/** What the pages take for granted: the models they speak of, and the application around them. */
declare global {
  interface MailFields {
    to: string;
    subject: string;
    sentAt: Date;
  }
  interface ReportFields {
    to: string;
    parts: Types.ObjectId[];
  }
  interface AppRequest {
    readonly body: { readonly to: string; readonly subject: string };
    readonly user?: { readonly isAdmin: boolean };
  }
  interface AppResponse {
    type(name: string): AppResponse;
    send(body: unknown): void;
  }

  const mongoose: typeof import('mongoose');
  const ObjectId: typeof MongooseSchema.Types.ObjectId;
  const schema: MongooseSchema;
  const uri: string;

  const Email: TaskModel<MailFields>;
  const Report: TaskModel<ReportFields>;
  const Reminder: TaskModel<{ customer: string }>;
  const CleanUp: TaskModel<{}>;
  const Index: TaskModel<{ page: string }>;
  const Sync: TaskModel<{ user: string }>;
  const Sms: TaskModel<{ to: string }>;
  type Sms = { to: string };
  const task: TaskOf<typeof Email>;
  const worker: Worker<TaskOf<typeof Email>>;
  type TaskOf<M> = M extends QueueOf<infer Doc> ? Doc : never;

  const to: string;
  const page: string;
  const user: string;
  const tenant: string;
  const request: AppRequest;
  const handler: () => Promise<void>;
  const send: (to: string, options?: { signal: AbortSignal }) => Promise<void>;
  const sendAll: (emails: readonly TaskOf<typeof Email>[]) => Promise<void>;
  const hashOf: (tenant: string) => number;
  const remind: () => Promise<void>;
  const placeOrder: (order: { customer: string }) => Promise<void>;
  const sentMails: string[];

  const app: {
    get(path: string, handler: (request: AppRequest, response: AppResponse) => unknown): void;
    use(path: string, handler: unknown): void;
  };
  const isAdmin: (request: object) => boolean;
  namespace express {
    type Request = AppRequest & import('node:http').IncomingMessage;
  }

  class Mailer {
    send(to: string, options: { signal: AbortSignal }): Promise<void>;
  }
  const mailer: Mailer;
  class AppModule {}
  class EmailService {
    welcome(to: string): Promise<unknown>;
  }
  class Message {
    to: string;
  }
  /** Of @nestjs/terminus. */
  class HealthIndicatorService {
    check(name: string): { up(details: object): object; down(details: object): object };
  }

  class Mail {
    to?: string;
  }
  class Attachment {
    name?: string;
  }
}
