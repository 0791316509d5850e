import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';

/** A block of TypeScript in a page. */
export interface Block {
  /** `docs/workers.md:52`. */
  readonly name: string;
  readonly code: string;
}

const ROOT = join(__dirname, '../../..');

/** The TypeScript of the README and of all pages. */
export function docBlocks(): Block[] {
  const pages = ['README.md', ...readdirSync(join(ROOT, 'docs')).map((page) => `docs/${page}`)];

  return pages.filter((page) => page.endsWith('.md')).flatMap(blocksOf);
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8');

  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(({ index, 1: code = '' }) => ({
    name: `${page}:${text.slice(0, index).split('\n').length}`,
    code,
  }));
}

/** Names that pages use without their imports, by module. A page that imports a name itself keeps its own. */
const FROM: Readonly<Record<string, readonly string[]>> = {
  mongoose: ['Schema', 'Types', 'model', 'type Model'],
  'mongoose-task-queue': [
    'DependencyType',
    'DependsOn',
    'Priority',
    'TaskBase',
    'Worker',
    'constant',
    'exponential',
    'finish',
    'pop',
    'runWorkers',
    'taskQueue',
    'type TaskDocument',
    'type TaskFields',
    'type TaskMethods',
    'type TaskModel',
  ],
  'mongoose-task-queue/opentelemetry': ['instrument', 'processing'],
  'mongoose-task-queue/metrics': ['metrics'],
  'mongoose-task-queue/dashboard': ['dashboard'],
  'mongoose-task-queue/testing': ['advance', 'drain'],
  '@nestjs/mongoose': ['InjectModel', 'Prop', 'Schema as NestSchema', 'SchemaFactory'],
  '@typegoose/typegoose': ['plugin', 'prop', 'type Ref'],
};

/** The same of the page about Nest, where some names are of other modules. */
const FROM_OF_NEST: typeof FROM = {
  '@nestjs/common': ['Injectable', 'Module'],
  '@nestjs/core': ['NestFactory'],
  '@nestjs/testing': ['Test'],
  '@nestjs/mongoose': ['InjectModel', 'MongooseModule', 'Prop', 'Schema', 'SchemaFactory', 'getModelToken'],
  'mongoose-task-queue': ['taskQueue', 'type TaskContext', 'type TaskDocument', 'type TaskModel'],
  'mongoose-task-queue/dashboard': ['dashboard'],
  'mongoose-task-queue/nestjs': [
    'OnTask',
    'Process',
    'Processor',
    'TaskQueueHealth',
    'TaskQueueModule',
    'TaskQueueWorkers',
  ],
  'mongoose-task-queue/testing': ['drain'],
};

/** Writes each block as a module of its own into a folder, so that the compiler can look at all of them. */
export function writeBlocks(folder: string, blocks: readonly Block[]): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const { name, code } of blocks)
    writeFileSync(
      join(folder, `${basename(name).replace('.md:', '-')}.mts`),
      `${importsOf(code, name.includes('nestjs') ? FROM_OF_NEST : FROM)}\n${code}\nexport {};\n`,
    );
}

function importsOf(code: string, modules: typeof FROM): string {
  return Object.entries(modules)
    .flatMap(([from, names]) => {
      const used = names.filter((name) => isUsed(code, name.replace(/^type /, '').replace(/ as .*/, '')));
      return used.length > 0 ? [`import { ${used.join(', ')} } from '${from}';`] : [];
    })
    .join(' ');
}

function isUsed(code: string, name: string): boolean {
  const isDeclared = new RegExp(
    `\\b(const|let|class|function|interface|type) ${name}\\b|import [^;]*\\b${name}\\b[^;]* from`,
  );

  return new RegExp(`(?<![.\\w'])${name}\\b(?!:)`).test(code) && !isDeclared.test(code);
}
