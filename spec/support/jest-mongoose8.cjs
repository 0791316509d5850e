// Runs Jest beside Mongoose 8. A file, and no `node -e`: what is behind `-e` would be run by Jest's workers as well.
process.env.MONGOOSE = '8';
void require('jest').run(process.argv.slice(2));
