import mongoose from 'mongoose';

/** Whether the specs run beside Mongoose 8, which is `MONGOOSE=8`. */
export const isMongoose8 = mongoose.version.startsWith('8.');

/** A spec of what Mongoose 8 does not offer: it is left out there. Its comment says what differs. */
export const itOnMongoose9 = isMongoose8 ? it.skip : it;
