import mongoose from 'mongoose';

/** Whether the specs run beside Mongoose 8, which is `MONGOOSE=8`. */
export const isMongoose8 = mongoose.version.startsWith('8.');

const minor = Number(mongoose.version.split('.')[1]);

/** Whether a discriminator value may be an ObjectId, which Mongoose sets from 9.9 on, with or without the plugin. */
export const setsIdsOfKinds = !isMongoose8 && minor >= 9;

/** Whether Mongoose knows that an index without a collation has the simple one: 8.24 does, 9 does from 9.11 on. */
export const knowsSimpleCollation = isMongoose8 || minor >= 11;

/** A spec of what Mongoose 8 does not offer: it is left out there. Its comment says what differs. */
export const itOnMongoose9 = isMongoose8 ? it.skip : it;
