const { existsSync } = require('node:fs');

const swc = [
  '@swc/jest',
  {
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
    },
    module: { type: 'commonjs' },
  },
];

// Jest cannot load ES modules with `import()`, which the MongoDB driver uses in this one file, nor require NestJS, which is
// published as ES modules only. Both go through swc.
const driverFile = 'mongodb/lib/runtime_adapters\\.js$';

// `MONGOOSE=8` runs the specs beside Mongoose 8, without the one that needs Typegoose: this version of it asks for Mongoose 9.
const needsMongoose9 = process.env.MONGOOSE === '8' ? ['/spec/dependencies/classes.spec.ts'] : [];
const mongoose = process.env.MONGOOSE === '8' ? { '^mongoose$': '<rootDir>/node_modules/mongoose8' } : {};

const shared = {
  testEnvironment: '<rootDir>/spec/support/environment.cjs',
  globalSetup: '<rootDir>/spec/support/global-setup.ts',
  globalTeardown: '<rootDir>/spec/support/global-teardown.ts',
};

const legacy = {
  ...shared,
  displayName: 'legacy',
  roots: ['<rootDir>/spec'],
  setupFilesAfterEnv: ['<rootDir>/spec/support/unhurried.ts'],
  testMatch: ['**/*.spec.ts'],
  testPathIgnorePatterns: ['/spec/standard/', ...needsMongoose9],
  moduleNameMapper: {
    '^mongoose-task-queue$': '<rootDir>/lib/index.ts',
    '^mongoose-task-queue/(.+)$': '<rootDir>/lib/$1/index.ts',
    ...mongoose,
  },
  transform: { '^.+\\.[tj]s$': swc },
  transformIgnorePatterns: [`/node_modules/(?!@nestjs/|(.*/)?${driverFile})`],
};

// What `tsc` made of spec/standard: swc does not chain a subclass's decorator metadata to its parent's.
const standard = {
  ...shared,
  displayName: 'standard',
  roots: ['<rootDir>/.standard/spec'],
  testMatch: ['**/*.spec.js'],
  moduleNameMapper: mongoose,
  transform: { [driverFile]: swc, '\\.ts$': swc }, // of our files, only the global setup is TypeScript here
  transformIgnorePatterns: [`/node_modules/(?!(.*/)?${driverFile})`],
};

module.exports = {
  projects: existsSync('.standard/spec') ? [legacy, standard] : [legacy],
  reporters: ['default', '<rootDir>/spec/support/summary-reporter.cjs'],
  // Of a spec that hangs: on a busy machine others take minutes.
  testTimeout: 240_000,
  maxWorkers: 3,
  // A failed spec may leave a server or a connection open. Jest then waits for it, which tells a person but stops a machine.
  forceExit: Boolean(process.env.CI),
};
