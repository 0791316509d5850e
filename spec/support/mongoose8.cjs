const Module = require('node:module');

// Preloaded by the processes that specs start under `MONGOOSE=8`: they have Mongoose 8 where Mongoose is required.
const resolve = Module._resolveFilename;
Module._resolveFilename = function resolveMongoose(request, ...rest) {
  return request === 'mongoose' ? require.resolve('mongoose8') : resolve.call(this, request, ...rest);
};
