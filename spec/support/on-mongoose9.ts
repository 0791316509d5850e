import mongoose from 'mongoose';

/** Whether the specs run beside Mongoose 8, which is `MONGOOSE=8`. */
export const isMongoose8 = mongoose.version.startsWith('8.');

/** Whether a discriminator value may be an ObjectId, which Mongoose sets from 9.9 on, with or without the plugin. */
export const setsIdsOfKinds = !isMongoose8 && Number(mongoose.version.split('.')[1]) >= 9;

/** A spec of what Mongoose 8 does not offer: it is left out there. Its comment says what differs. */
export const itOnMongoose9 = isMongoose8 ? it.skip : it;
