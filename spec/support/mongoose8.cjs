const Module = require('node:module');
const { resolve: path, sep } = require('node:path');

// Preloaded by the processes that specs start under `MONGOOSE=8`: files of this project have Mongoose 8 where they require Mongoose.
// Projects that a spec makes elsewhere have the Mongoose that it puts there.
const project = path(__dirname, '../..') + sep;
const resolve = Module._resolveFilename;
Module._resolveFilename = function resolveMongoose(request, parent, ...rest) {
  const isOurs = request === 'mongoose' && parent?.filename?.startsWith(project);

  return isOurs ? require.resolve('mongoose8') : resolve.call(this, request, parent, ...rest);
};
