const { TestEnvironment } = require('jest-environment-node');

/** Tells a spec file whether one of its tests has failed: Jest has no other way to know that in `afterAll`. */
module.exports = class SpecEnvironment extends TestEnvironment {
  handleTestEvent(event) {
    const failed = (event.name === 'test_done' && event.test.errors.length > 0) || event.name === 'hook_failure';
    if (failed) this.global.specFileFailed = true;
  }
};
