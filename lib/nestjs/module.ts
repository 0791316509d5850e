import type { ConfigurableModuleAsyncOptions, DynamicModule } from '@nestjs/common';
import { TaskQueueHealth } from './health';
import type { Named } from './named';
import { common, core } from './nest';
import { checkModuleOptions, type TaskQueueModuleOptions } from './options';
import { referenceTo, workerToken } from './reference';
import { OPTIONS, TaskQueueWorkers } from './workers';

/** Where the options come from: `useFactory` with `inject`, or `useClass` or `useExisting` of a class with `createTaskQueueOptions()`. */
export type TaskQueueModuleAsyncOptions = ConfigurableModuleAsyncOptions<
  TaskQueueModuleOptions,
  'createTaskQueueOptions'
>;

const { ConfigurableModuleClass } = new common.ConfigurableModuleBuilder<TaskQueueModuleOptions>({
  optionsInjectionToken: OPTIONS,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createTaskQueueOptions')
  .build();

/**
 * Makes a worker for each provider with `@Processor()` in the application, starts it with the application and stops it before connections are closed.
 *
 * @example
 * ```ts
 * @Module({ imports: [MongooseModule.forRoot(uri), TaskQueueModule.forRoot({ concurrency: 8 }), EmailModule] })
 * export class AppModule {}
 * ```
 */
@common.Module({})
export class TaskQueueModule {
  /**
   * For the root module, once. The options are those of all workers; a processor may have others.
   *
   * @throws {InvalidOptionError} for an option that there is not. What is wrong in another way rejects when the application is initialised.
   */
  static forRoot(options: TaskQueueModuleOptions = {}): DynamicModule {
    return asRoot(ConfigurableModuleClass.forRoot(checkModuleOptions(options)));
  }

  /** The same with options from other providers, a `ConfigService` for example. */
  static forRootAsync(options: TaskQueueModuleAsyncOptions): DynamicModule {
    return asRoot(ConfigurableModuleClass.forRootAsync(options));
  }

  /**
   * For a module in which `@InjectWorker()` is used: names the models whose workers it wants. Processors need no such thing.
   *
   * @throws {InvalidOptionError} for what names no model.
   */
  static forFeature(models: readonly Named[]): DynamicModule {
    const providers = models.map((model) => ({
      provide: workerToken(model),
      useFactory: (workers: TaskQueueWorkers) => referenceTo(() => workers.get(model)),
      inject: [TaskQueueWorkers],
    }));

    return { module: TaskQueueModule, providers, exports: providers };
  }
}

function asRoot(options: DynamicModule): DynamicModule {
  return {
    ...options,
    module: TaskQueueModule,
    global: true,
    imports: [...(options.imports ?? []), core.DiscoveryModule],
    providers: [...(options.providers ?? []), TaskQueueWorkers, TaskQueueHealth],
    exports: [TaskQueueWorkers, TaskQueueHealth],
  };
}
