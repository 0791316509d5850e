import { type DynamicModule, type INestApplicationContext, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MongooseModule, type ModelDefinition } from '@nestjs/mongoose';
import { TaskQueueModule, type TaskQueueModuleOptions } from 'mongoose-task-queue/nestjs';

export interface NestParts {
  readonly uri: string;
  readonly models: ModelDefinition[];
  readonly providers?: Provider[];
  readonly imports?: (DynamicModule | Type)[];
  /** Options of the module; null for an application that imports it by `imports`. */
  readonly options?: TaskQueueModuleOptions | null;
}

class RootModule {}

/** A Nest application of these parts, initialised, on a connection of its own. Close it at the end. */
export async function startNest({
  uri,
  models,
  providers = [],
  imports = [],
  options = {},
}: NestParts): Promise<INestApplicationContext> {
  const root: DynamicModule = {
    module: RootModule,
    imports: [
      MongooseModule.forRoot(uri),
      MongooseModule.forFeature(models),
      ...(options ? [TaskQueueModule.forRoot({ logger: false, pollMs: 20, ...options })] : []),
      ...imports,
    ],
    providers,
  };

  return NestFactory.createApplicationContext(root, { logger: false, abortOnError: false });
}
