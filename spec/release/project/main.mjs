import { work } from './work.mjs';

work(process.env.MONGODB_URI).then(console.log);
