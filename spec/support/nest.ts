import { type DynamicModule, type INestApplicationContext, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MongooseModule, type ModelDefinition } from '@nestjs/mongoose';
import type { Connection } from 'mongoose';
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

/** A Nest application of these parts, initialised, on a connection of its own. Close it at the end; one that fails is closed. */
export async function startNest({
  uri,
  models,
  providers = [],
  imports = [],
  options = {},
}: NestParts): Promise<INestApplicationContext> {
  let connection: Connection | undefined;
  const onConnectionCreate = (opened: Connection) => void (connection = opened);
  const root: DynamicModule = {
    module: RootModule,
    imports: [
      MongooseModule.forRoot(uri, { onConnectionCreate }),
      MongooseModule.forFeature(models),
      ...(options ? [TaskQueueModule.forRoot({ logger: false, pollMs: 20, ...options })] : []),
      ...imports,
    ],
    providers,
  };

  try {
    return await NestFactory.createApplicationContext(root, { logger: false, abortOnError: false });
  } catch (error) {
    await connection?.destroy();
    throw error;
  }
}
