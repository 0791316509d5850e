// Runs Jest beside Mongoose 8. A file, and no `node -e`: what is behind `-e` would be run by Jest's workers as well.
process.env.MONGOOSE = '8';
// Last: behind it, the path of a spec would be taken for another project.
void require('jest').run([...process.argv.slice(2), '--selectProjects', 'legacy']);
