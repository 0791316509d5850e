// Nest: a service that pushes, a processor with what it needs injected, its events, a health check, and an end without losing work.
// Run it with: npm run example -- nestjs
import { Global, Inject, Injectable, Module, type OnApplicationShutdown } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  getConnectionToken,
  InjectConnection,
  InjectModel,
  MongooseModule,
  Prop,
  Schema,
  SchemaFactory,
} from '@nestjs/mongoose';
import { type Connection, createConnection } from 'mongoose';
import { type TaskDocument, type TaskModel, taskQueue } from 'mongoose-task-queue';
import { OnTask, Processor, TaskQueueHealth, TaskQueueModule } from 'mongoose-task-queue/nestjs';

@Schema()
class Welcome {
  @Prop({ type: String, required: true }) to!: string;
  @Prop({ type: String }) receipt?: string;
}
const WelcomeSchema = taskQueue(SchemaFactory.createForClass(Welcome), { class: Welcome });

@Injectable()
class Mailer {
  async send(to: string) {
    return `receipt of ${to}`;
  }
}

// `@Inject()` with a type is for compilers that emit no metadata of decorators, as the one that runs this file. With `tsc` or SWC leave it out.
@Injectable()
class Signup {
  constructor(@InjectModel(Welcome.name) private readonly welcomes: TaskModel<Welcome>) {}

  async register(to: string) {
    await this.welcomes.push({ to }, { key: `welcome:${to}` });
  }
}

let finished = () => {};

@Processor(Welcome.name, { concurrency: 8 })
class WelcomeProcessor {
  constructor(@Inject(Mailer) private readonly mailer: Mailer) {}

  async process(welcome: TaskDocument<Welcome>) {
    welcome.receipt = await this.mailer.send(welcome.to); // saved with the end of the task, in one write
  }

  @OnTask('finished')
  onFinished(welcome: TaskDocument<Welcome>) {
    console.log('finished:', welcome.receipt);
    finished();
  }
}

// What `MongooseModule.forRoot(uri)` does, which tsx, by which this file runs, cannot load. With `tsc` or SWC write that.
@Global()
@Module({
  providers: [
    {
      provide: getConnectionToken(),
      useFactory: () => createConnection(process.env['MONGODB_URI'] ?? 'mongodb://127.0.0.1/nestjs').asPromise(),
    },
  ],
  exports: [getConnectionToken()],
})
class DatabaseModule implements OnApplicationShutdown {
  constructor(@InjectConnection() private readonly connection: Connection) {}

  onApplicationShutdown() {
    return this.connection.close();
  }
}

@Module({
  imports: [
    DatabaseModule,
    MongooseModule.forFeature([{ name: Welcome.name, schema: WelcomeSchema }]),
    TaskQueueModule.forRoot({ stopTimeoutMs: 10_000 }),
  ],
  providers: [Mailer, Signup, WelcomeProcessor],
})
class AppModule {}

async function main() {
  const done = new Promise<void>((resolve) => (finished = resolve));
  const app = await NestFactory.createApplicationContext(AppModule, { logger: ['error'] });
  app.enableShutdownHooks(); // SIGTERM closes the application as `close()` does

  await app.get(Signup).register('ada@example.org');
  await done;
  console.log('health:', (await app.get(TaskQueueHealth).check()).status);

  await app.close(); // no more claims, then the end of what runs, then the connection
  console.log('closed');
}

void main();
