import { work } from './work.mjs';

void work(process.env.MONGODB_URI).then(console.log);
